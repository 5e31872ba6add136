"""What one photograph in ambient light gives: its brightness taken for height, and the rest by custom.

It is what Materialize, AwesomeBump and their like do. Nothing of it is measured; it is what is left without a flash.
"""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.blur import blurred
from assetforge.ops.color import srgb_encode
from assetforge_svbrdf._light import F0
from assetforge_svbrdf._surface import Fitted

_STRENGTH = 6.0
_TYPICAL = 0.22
_ROUGHNESS = 0.5


def naive(guide: Tensor) -> Fitted:
    """Return maps for a flattened guide (3, H, W)."""
    color = guide * (_TYPICAL / guide.mean().clamp_min(1e-3))
    light = srgb_encode(guide).mean(0, keepdim=True)
    height = torch.stack([blurred(light, sigma) for sigma in (1.0, 2.0, 4.0, 8.0)]).mean(0)
    height = (height - blurred(height, 24.0))[0]
    slopes = torch.zeros(2, *height.shape)
    slopes[0, :, 1:-1] = (height[:, :-2] - height[:, 2:]) / 2
    slopes[1, 1:-1] = (height[2:] - height[:-2]) / 2
    rough = torch.full_like(light, _ROUGHNESS)
    return Fitted(color.clamp(0.003, 1), torch.full_like(color, F0), _STRENGTH * slopes, rough, None)
