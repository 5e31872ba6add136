"""Does a texture tile? Measured where its edges meet."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from assetforge.material.texture import Texture

TILEABLE_BELOW = 1.2
"""Highest score of the tileable materials that we measured; their non-tiling crops have a median of 2."""


_BAND = 256
"""Rows that are measured at a time, so that a large texture needs no copy."""


def seam_score(pixels: Tensor, axes: str = "xy") -> float:
    """Compare the step across the wrap of (C, H, W) with the steps inside; the worst of the axes.

    The mean absolute difference of the first and the last line over the 99.5th percentile of the mean differences of
    all neighboring lines. At most about 1 where no seam shows; 0 for a flat texture.
    """
    turned = {"x": pixels, "y": pixels.transpose(1, 2)}
    return max((_line_score(turned[axis]) for axis in axes), default=0.0)


def is_tileable(pixels: Tensor) -> bool:
    """Tell whether the seam score of (C, H, W) is that of a tileable texture."""
    return seam_score(pixels) <= TILEABLE_BELOW


def continues(texture: Texture, told: Literal["auto"] | bool = "auto") -> bool:
    """Tell whether a texture continues at its opposite edge: as told, else as it says itself, else as measured."""
    if told != "auto":
        return told
    return texture.wrap == "repeat" if texture.wrap != "unknown" else is_tileable(texture.data)


def _line_score(pixels: Tensor) -> float:
    # In float64, so that the score is the same with any number of threads.
    across = (pixels[:, :, 0].double() - pixels[:, :, -1].double()).abs().mean()
    if pixels.shape[2] < 2 or across == 0:
        return 0.0
    inner = torch.zeros(pixels.shape[2] - 1, dtype=torch.float64, device=pixels.device)
    for top in range(0, pixels.shape[1], _BAND):
        band = pixels[:, top : top + _BAND].double()
        inner += (band[:, :, 1:] - band[:, :, :-1]).abs().sum((0, 1))
    inner /= pixels.shape[0] * pixels.shape[1]
    usual = torch.quantile(inner, 0.995).clamp_min(1e-6)
    return (across / usual).item()
