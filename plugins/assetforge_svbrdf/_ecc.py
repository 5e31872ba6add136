"""A warp is refined until what it brings together correlates best, from where it is.

Evangelidis and Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", 2008: by
Gauss-Newton, here with weights that leave out what does not agree.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops import homography as plane
from assetforge_svbrdf._pyramid import LOCAL, Level
from assetforge_svbrdf._warp import Warp

_STEPS = 16
_STILL = 4e-3
"""Pixels: an update that moves no corner further ends a level."""
_LEAST_DETAIL, _LEAST_FACTOR = 1e-3, 0.05


def refined(level: Level, warp: Warp, channels: slice, *, radial: bool = False) -> Warp:
    """Improve a warp until it stands still: Gauss-Newton on the correlation, with weights by Tukey's biweight.

    Where little correlates, steps lead astray: the warp stays as it was unless it comes to correlate better.
    """
    found = stepped(level, warp, channels, radial=radial)
    return max((warp, found), key=lambda one: correlation(level, one, channels))


def stepped(level: Level, warp: Warp, channels: slice, *, radial: bool) -> Warp:
    """Step until the warp stands still, and return the last one that made sense."""
    basis = _motions(level.size, radial=radial)
    for _ in range(_STEPS):
        points = warp.points()
        moved = plane.sample(level.flash[channels], points)
        update = _update(moved, level.guide[channels], level.weight * inner(points, level.size), basis)
        if update is None or float(update.abs().max()) > max(level.size) / 4:
            return warp
        step = plane.of_corners(update[:8].view(4, 2), level.size)
        homography = warp.homography @ step
        warp = Warp(homography / homography[2, 2], warp.radial + float(update[8:].sum()) / max(level.size), level.size)
        if float(update.abs().max()) < _STILL:
            break
    return warp


def correlation(level: Level, warp: Warp, channels: slice) -> float:
    """Return the normalized correlation of features under a warp, −1 to 1."""
    points = warp.points()
    moved, guide = plane.sample(level.flash[channels], points), level.guide[channels]
    weight = level.weight * inner(points, level.size)
    alone = (weight * moved.square()).sum() * (weight * guide.square()).sum()
    return float((weight * moved * guide).sum() / alone.sqrt().clamp_min(1e-6))


def inner(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return 1 where points lie in a picture, and what they are compared with, too, else 0; (H, W)."""
    return (plane.inside(points, size, LOCAL) & _middle(size)).float()


@lru_cache(maxsize=16)
def _middle(size: tuple[int, int]) -> Tensor:
    """Return which pixels (H, W) are far enough from the edge."""
    return plane.inside(plane.grid(size), size, LOCAL)


@lru_cache(maxsize=16)
def _motions(size: tuple[int, int], *, radial: bool) -> Tensor:
    """Return how each pixel moves per pixel that one corner moves, in x and then in y: (8, 2, H, W).

    With `radial` there is a ninth: how the radial term moves it, in pixels of the longer side.
    """
    grid, small = plane.grid(size), 1e-3
    moves = []
    for index in range(8):
        offset = torch.zeros(8, dtype=torch.float64)
        offset[index] = small
        ahead, behind = (plane.apply(plane.of_corners(way.view(4, 2), size), grid) for way in (offset, -offset))
        moves.append((ahead - behind) / (2 * small))
    if radial:
        moves.append((plane.bend(grid, 1.0, size) - grid) / max(size))
    return torch.stack(moves).float()


def _update(moved: Tensor, guide: Tensor, weight: Tensor, basis: Tensor) -> Tensor | None:
    """Solve guide ≈ a · moved + b + a · (∇moved · motion) for the motion, in units of the basis; None without detail.

    A free factor and offset make least squares the same as the greatest correlation. moved, guide: (C, H, W).
    """
    weight = weight * _biweight(guide - _scaled(moved, guide, weight), weight)
    normal = torch.zeros(len(basis) + 2, len(basis) + 2, dtype=torch.float64)
    right = torch.zeros(len(basis) + 2, dtype=torch.float64)
    for field, target in zip(moved, guide, strict=True):
        design = _design(field, basis).flatten(1)
        weighted = design * weight.flatten()
        normal += weighted @ design.T
        right += weighted @ target.flatten()
    if float(normal.diagonal()[2:].min()) < _LEAST_DETAIL:
        return None
    solved: Tensor = torch.linalg.solve(normal + torch.diag(normal.diagonal() * 1e-6 + 1e-9), right)
    if not bool(torch.isfinite(solved).all()) or float(solved[0]) < _LEAST_FACTOR:
        return None
    return solved[2:] / solved[0]


def _design(field: Tensor, basis: Tensor) -> Tensor:
    """Return what a guide is made up of: a field (H, W), a constant, and its changes by motions: (2 + M, H, W)."""
    right, down = _gradient(field)
    design = field.new_empty(2 + len(basis), *field.shape)
    design[0], design[1] = field, 1
    torch.mul(basis[:, 0], right, out=design[2:])
    design[2:] += basis[:, 1] * down
    return design


def _scaled(moved: Tensor, guide: Tensor, weight: Tensor) -> Tensor:
    """Return the multiple of fields that is nearest to others."""
    factor = (weight * moved * guide).sum() / (weight * moved.square()).sum().clamp_min(1e-6)
    return moved * factor


def _biweight(error: Tensor, weight: Tensor) -> Tensor:
    """Return Tukey's weights (H, W) of errors (C, H, W): 0 beyond 4.7 deviations, which the median tells."""
    size = error.square().mean(0).sqrt()
    counted = size[weight > 0]
    deviation = 1.4826 * counted.median() if counted.numel() else error.new_tensor(1.0)
    near: Tensor = 1 - (size / (4.685 * deviation.clamp_min(1e-3))).square()
    return near.clamp_min(0).square()


def _gradient(field: Tensor) -> Tensor:
    """Return the slopes of (H, W) in x and y, (2, H, W), by central differences."""
    padded = F.pad(field[None, None], (1,) * 4, mode="replicate")[0, 0]
    return torch.stack([padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]]) / 2
