"""Ambient occlusion of a height map, by the horizons around each of its points.

Max, "Horizon Mapping: Shadows for Bump-Mapped Surfaces", 1988, and Bavoil, Sainz and Dimitrov, "Image-Space
Horizon-Based Ambient Occlusion", 2008, find the horizon along several directions; Jimenez, Wu, Pesce and Jarabo,
"Practical Real-Time Strategies for Accurate Indirect Occlusion", 2016, integrate the light between two opposite ones
exactly, weighted by the cosine to the normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from assetforge.ops.tile import window

_LINES = ((1, 0), (2, 1), (1, 1), (1, 2), (0, 1), (-1, 2), (-1, 1), (-2, 1))
"""Lines through a pixel, right and up, that meet other pixels in their middles: nothing is interpolated."""
_GROWTH = 1.12


def horizon_occlusion(
    height: Tensor,
    slopes: Tensor,
    radius: float,
    *,
    repeat: bool,
    progress: Callable[[float], None] = lambda _: None,
) -> Tensor:
    """Return the share of the sky (1, H, W), 0 to 1, that reaches a height map (1, H, W), which is in pixels.

    slopes: x/z and y/z of its normals, (2, H, W). radius: how far away what hides the sky may be, in pixels. The sky
    is equally bright everywhere. Where nothing repeats, edges go on level.
    """
    around = math.ceil(radius)
    rows, columns = height.shape[1:]
    wide = window(height, (-around, -around), (rows + 2 * around, columns + 2 * around), repeat=repeat)
    length = (slopes.square().sum(0, keepdim=True) + 1).sqrt()
    reached, whole = torch.zeros_like(height), torch.zeros_like(height)
    for index, (right, up) in enumerate(_LINES):
        unit = math.hypot(right, up)
        along = (slopes[:1] * right + slopes[1:] * up) / unit
        weight = _share(index) * (along.square() + 1).sqrt() / length
        tilt = torch.atan(along)
        ahead, behind = (_horizon(wide, height, (sign * right, sign * up), radius) for sign in (1, -1))
        limit = math.pi / 2
        reached += weight * (
            _arc(torch.minimum(ahead, tilt + limit), tilt) + _arc(-torch.minimum(behind, limit - tilt), tilt)
        )
        whole += weight * (_arc(tilt + limit, tilt) + _arc(tilt - limit, tilt))
        progress((index + 1) / len(_LINES))
    return (reached / whole).clamp(0, 1)


def _share(index: int) -> float:
    """Return the part of the half circle for which a line stands."""
    angles = [math.atan2(up, right) for right, up in _LINES]
    before, after = angles[index - 1] - (math.pi if index == 0 else 0), [*angles, math.pi][index + 1]
    return (after - before) / math.tau


def _horizon(wide: Tensor, height: Tensor, step: tuple[int, int], radius: float) -> Tensor:
    """Return the angle from straight up to the horizon along a direction, (1, H, W)."""
    around = (wide.shape[1] - height.shape[1]) // 2
    rows, columns = height.shape[1:]
    unit = math.hypot(*step)
    steepest = torch.full_like(height, -math.inf)
    for count in _counts(int(radius / unit)):
        top, left = around - step[1] * count, around + step[0] * count
        there = wide[:, top : top + rows, left : left + columns]
        steepest = torch.maximum(steepest, (there - height) / (unit * count))
    return math.pi / 2 - torch.atan(steepest)


def _counts(most: int) -> list[int]:
    """Return how many steps away is looked: everywhere near by, and ever less often farther away."""
    counts, at = [], 1.0
    while round(at) <= most:
        counts.append(round(at))
        at = max(at + 1, at * _GROWTH)
    return counts


def _arc(horizon: Tensor, tilt: Tensor) -> Tensor:
    """Return the light between straight up and a horizon, both angles from there: equation 10 of Jimenez et al."""
    return (-torch.cos(2 * horizon - tilt) + torch.cos(tilt) + 2 * horizon * torch.sin(tilt)) / 4
