"""Alpha, and the colors that it hides."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.tile import window

CLEAR = 1 / 512
"""Alpha below this is none, in 8 bits."""
_STEP = 2**-20
"""What is rounded to where colors are filled in: interpolations differ by much less from processor to processor."""


def bleed(color: Tensor, alpha: Tensor, radius: int, *, repeat: bool) -> Tensor:
    """Spread the visible colors (C, H, W) by `radius` pixels into what alpha (1, H, W) hides.

    A filter of that radius then never mixes a hidden color into a visible one. Hidden colors farther away stay, as some
    games keep data there. Each round gives a pixel the mean of its known neighbors, weighted by their alpha.
    """
    if not (alpha < CLEAR).any():
        return color
    weight = torch.where(alpha < CLEAR, 0.0, alpha)
    color = color.clone()
    for _ in range(radius):
        unknown = weight == 0
        total = _neighbors(weight, repeat=repeat)
        reached = unknown & (total > 0)
        if not reached.any():
            break
        mean = _neighbors(color * weight, repeat=repeat) / total.clamp_min(1e-6)
        color = torch.where(reached, mean, color)
        weight = torch.where(reached, total / 9, weight)
    return color


def filled(color: Tensor, alpha: Tensor) -> Tensor:
    """Replace all colors (C, H, W) that alpha (1, H, W) hides by the mean of those around, of ever larger squares.

    Push and pull, of Gortler et al., "The Lumigraph", 1996: so that no filter, at any size, sees a hidden color. Where
    nothing is seen, all stays.
    """
    weight = torch.where(alpha < CLEAR, 0.0, alpha)
    if not bool((weight > 0).any()):
        return color
    return torch.where(weight > 0, color, _pulled(color * weight, weight))


def _pulled(total: Tensor, weight: Tensor) -> Tensor:
    here = total / weight.clamp_min(1e-12)
    size = (weight.shape[1], weight.shape[2])
    if bool((weight > 0).all()) or max(size) == 1:
        return here
    coarse = _pulled(*(F.avg_pool2d(one, 2, ceil_mode=True, count_include_pad=False) for one in (total, weight)))
    around = F.interpolate(coarse[None].double(), size, mode="bilinear")[0]
    return torch.where(weight > 0, here, (around / _STEP).round_().mul_(_STEP).to(here))


def _neighbors(pixels: Tensor, *, repeat: bool) -> Tensor:
    """Sum the 3×3 neighborhood."""
    height, width = pixels.shape[1:]
    padded = window(pixels, (-1, -1), (height + 2, width + 2), repeat=repeat)
    return F.avg_pool2d(padded, 3, stride=1) * 9
