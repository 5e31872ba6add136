"""Nearest neighbors among points, the same on every processor."""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.exact import whole
from assetforge.ops.threads import each

_BAND = 1024
"""Points that are looked up at a time: more would not stay in caches."""
_STEPS = 512
"""Steps of the largest coordinate to which all are rounded: no sum of products is, then, in up to 32 dimensions."""


def nearest_neighbors(points: Tensor, candidates: Tensor) -> Tensor:
    """Return, for each point (N, D), the index of the nearest of the candidates (M, D): (N,).

    Coordinates are rounded to 1/512 of the largest one, so that no sum depends on its order. Within `one_thread`,
    points are looked up side by side.
    """
    # The squared distance less what all have in common: |p - c|² = |p|² - 2 (p · c - |c|² / 2).
    unit = max(candidates.abs().max().item(), 1e-9) / _STEPS
    there = whole(candidates, unit, _STEPS)
    half = there.square().sum(1) / -2
    found = torch.empty(len(points), dtype=torch.long, device=points.device)

    def look_up(first: int) -> None:
        band = points[first : first + _BAND]
        found[first : first + _BAND] = _highest(torch.addmm(half, whole(band, unit, _STEPS), there.T))

    # Small results of their own would lie between the large products, and keep the memory of all of those in use.
    list(each(look_up, range(0, len(points), _BAND)))
    return found


def _highest(rows: Tensor) -> Tensor:
    """Return where the highest value of each row is, the first of equal ones. On the CPU, NumPy is much faster."""
    if rows.device.type != "cpu":
        return rows.argmax(1)
    return torch.from_numpy(rows.numpy().argmax(1))
