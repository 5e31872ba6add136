"""The resolutions at which a texture is synthesized, from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor
from torch.nn import functional

COARSEST = 16
"""Smallest side at the first level."""
_STEP = 2**0.5


@dataclass(frozen=True)
class Level:
    """One resolution: what part of the full one it is, and the sizes of one exemplar and of the result."""

    scale: float
    exemplar: tuple[int, int]
    result: tuple[int, int]


def levels(
    exemplar: tuple[int, int], result: tuple[int, int], coarsest: float = 0.0, *, in_place: bool = False
) -> list[Level]:
    """Return the resolutions from coarse to fine, none below the part `coarsest` of the full one.

    Below the full one, sides of the result are even. in_place: exemplar and result are equally large at every level.
    """
    scales = [1.0]
    while min(*exemplar, *result) * scales[-1] / _STEP >= COARSEST and scales[-1] / _STEP >= coarsest:
        scales.append(scales[-1] / _STEP)
    multiple = 2 if in_place else 1
    return [Level(s, _scaled(exemplar, s, multiple), _scaled(result, s, 2)) for s in reversed(scales)]


def largest_square(masks: Tensor) -> int:
    """Return the side in pixels of the largest square with a middle pixel within one of several masks (S, H, W)."""
    framed = functional.pad(masks.cpu(), (1, 1, 1, 1)).numpy().astype(np.uint8)
    away = max(float(cv2.distanceTransform(mask, cv2.DIST_C, 3).max()) for mask in framed)
    return max(0, 2 * round(away) - 1)


def _scaled(size: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    """Return a smaller size, whose sides are multiples of a number."""
    if scale == 1.0:
        return size
    height, width = (max(multiple, round(side * scale / multiple) * multiple) for side in size)
    return height, width
