"""Which of some points is the closest."""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.exact import whole

_BAND = 1024
"""Points that are looked up at a time: more would not stay in caches."""
_STEPS = 512
"""Steps of the largest coordinate to which all are rounded: no sum of products is, then, in up to 32 dimensions."""


def closest(points: Tensor, some: Tensor) -> Tensor:
    """Return, for each point (N, D), the number of the closest of some (M, D)."""
    # The squared distance less what all have in common: |p - s|² = |p|² - 2 (p · s - |s|² / 2).
    unit = max(some.abs().max().item(), 1e-9) / _STEPS
    there = whole(some, unit, _STEPS)
    half = there.square().sum(1) / -2
    bands = torch.split(points, _BAND)
    return torch.cat([torch.addmm(half, whole(band, unit, _STEPS), there.T).argmax(1) for band in bands])
