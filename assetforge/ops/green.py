"""Measure where the green of a normal map points: up, as OpenGL has it, or down, as DirectX has it.

A surface z = h(x, y), y up, has the normal (−h_x, −h_y, 1) over its length. So the slopes p = −red / blue = h_x and
q = −green / blue = ±h_y are known, and only that sign is not. Rows of pictures go down: d/dy = −d/drow.

By the map alone: slopes of a surface have no curl, as h_xy = h_yx. So dp/drow = −dq/dx where green points up, and
dp/drow = +dq/dx where it points down: their correlation tells. Turning the surface inside out flips p and q and
changes nothing: curl tells where green points if red is right, and never whether red is. Where h_xy = 0, as in grooves
along the sides of the picture, both derivatives are 0, and it cannot tell.

By the height map: red goes with −dh/dx, and green with +dh/drow where it points up. A height map that holds depth flips
both, so that the sign of one relative to the other tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]
Direction = Literal["up", "down"]

_LEAST_CURL = 0.06
_LEAST_SLOPE = 0.15
_LEAST_SURENESS = 4.0
"""Standard errors, of the mean of all blocks, that a correlation is away from 0."""
_BLOCKS = 8
_LEAST_SIDE = 32
_STEEPEST = 0.1
"""Least blue that a slope is taken of."""


@dataclass(frozen=True)
class Evidence:
    """How two pictures go together: their correlation, and how many standard errors that is away from 0."""

    correlation: float
    errors: float

    def says(self, least: float) -> Direction | None:
        """Return what it says, if it is plain enough."""
        if abs(self.correlation) < least or abs(self.errors) < _LEAST_SURENESS:
            return None
        return "up" if self.correlation > 0 else "down"


@dataclass(frozen=True)
class GreenMeasure:
    """Where green points, and by what."""

    green: Direction | None
    """None where it cannot be told."""
    curl: Evidence | None
    slope: Evidence | None
    why: str


def measure_green(normal: Plane, height: Plane | None = None) -> GreenMeasure:
    """Measure a normal map (H, W, 3), from −1 to 1 as its file has it, by itself and by a height map (H, W)."""
    if min(normal.shape[:2]) < _LEAST_SIDE:
        return GreenMeasure(None, None, None, f"is smaller than {_LEAST_SIDE} pixels")
    curl = _curl(normal)
    fits = height is not None and height.shape == normal.shape[:2] and np.ptp(height) > 0
    slope = _slope(normal, height) if height is not None and fits else None
    return _judged(curl, slope)


def _judged(curl: Evidence, slope: Evidence | None) -> GreenMeasure:
    by_curl, by_slope = curl.says(_LEAST_CURL), slope.says(_LEAST_SLOPE) if slope else None
    figures = f"curl {curl.correlation:+.2f}" + (f", height {slope.correlation:+.2f}" if slope else "")
    if by_curl and by_slope and by_curl != by_slope:
        return GreenMeasure(None, curl, slope, f"its curl and its height map contradict each other ({figures})")
    if by_slope or by_curl:
        means = "its curl and its height map" if by_curl and by_slope else "its height map" if by_slope else "its curl"
        return GreenMeasure(by_slope or by_curl, curl, slope, f"measured by {means} ({figures})")
    return GreenMeasure(None, curl, slope, f"its pixels do not tell ({figures})")


def _curl(normal: Plane) -> Evidence:
    p, q = (-normal[:, :, index] / np.maximum(normal[:, :, 2], _STEEPEST) for index in (0, 1))
    return _evidence(-_down(_smooth(p)), _across(_smooth(q)))


def _slope(normal: Plane, height: Plane) -> Evidence:
    """Return how green goes with the height, turned around where red says that the height is depth."""
    smooth = _smooth(height)
    red = _evidence(-_across(smooth), _cut(_smooth(normal[:, :, 0])))
    green = _evidence(_down(smooth), _cut(_smooth(normal[:, :, 1])))
    sign = 1 if red.correlation >= 0 else -1
    least = min((red, green), key=lambda one: abs(one.correlation))
    sureness = min(abs(red.errors), abs(green.errors))
    turned = sign * green.correlation
    return Evidence(float(np.copysign(abs(least.correlation), turned)), float(np.copysign(sureness, turned)))


def _evidence(first: Plane, second: Plane) -> Evidence:
    first, second = first - first.mean(), second - second.mean()
    product = first * second
    scale = float(np.sqrt(np.mean(first**2) * np.mean(second**2)))
    bands = np.array_split(product, _BLOCKS, axis=0)
    blocks = np.array([block.mean() for band in bands for block in np.array_split(band, _BLOCKS, axis=1)])
    error = float(blocks.std(ddof=1)) / _BLOCKS
    mean = float(product.mean())
    if not scale or not error:
        return Evidence(0.0, 0.0)
    return Evidence(mean / scale, mean / error)


def _smooth(plane: Plane) -> Plane:
    """Return a picture, two pixels smaller, without the noise of single codes and pixels."""
    rows = plane[:-2] + 2 * plane[1:-1] + plane[2:]
    smooth: Plane = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    return smooth


def _down(plane: Plane) -> Plane:
    difference: Plane = (plane[2:, 1:-1] - plane[:-2, 1:-1]) / 2
    return difference


def _across(plane: Plane) -> Plane:
    difference: Plane = (plane[1:-1, 2:] - plane[1:-1, :-2]) / 2
    return difference


def _cut(plane: Plane) -> Plane:
    return plane[1:-1, 1:-1]
