"""Which of some points is the closest."""

from __future__ import annotations

import torch
from torch import Tensor

_BAND = 1024
"""Points that are looked up at a time: more would not stay in caches."""


def closest(points: Tensor, some: Tensor) -> Tensor:
    """Return, for each point (N, D), the number of the closest of some (M, D)."""
    # The squared distance less what all have in common: |p - s|² = |p|² - 2 (p · s - |s|² / 2).
    half = some.square().sum(1) / -2
    return torch.cat([torch.addmm(half, band, some.T).argmax(1) for band in torch.split(points, _BAND)])
