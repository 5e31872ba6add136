"""Procedural surfaces for training: the normals of tiles, planks, waves, pebbles and grain, or their heights.

Dead leaves have nothing but sharp edges, and networks that see no others make steps of what is round. Here there are
round and bevelled profiles of all widths, down to a few pixels, beside sharp ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

OVERSAMPLING = 2
"""Normals are computed on a surface this much finer, and averaged."""
_NARROWEST, _WIDEST = 6, 120
"""Pixels of a course of tiles, of a bump, of a wave."""
_SIZE_EXPONENT = 1.6
"""Of bumps, as of dead leaves: many small ones, few large ones."""
_HEIGHTS = 0.25
"""Share of pictures that show the height itself."""


def relief(size: int, rng: np.random.Generator) -> Image:
    """Make one (size, size, 3) picture: normals as 0 to 255, or heights, in three equal channels."""
    height = surface(size * OVERSAMPLING, rng)
    if rng.random() < _HEIGHTS:
        gray = _reduced(height, size)
        gray = (gray - gray.min()) / max(float(np.ptp(gray)), 1e-6)
        return _codes(np.repeat(gray[..., None], 3, 2))
    down, right = np.gradient(height)
    strength = np.float32(rng.uniform(0.5, 1.5))
    vectors = np.stack([-right * strength, down * strength, np.ones_like(height)], 2)
    mean = _reduced(vectors / np.linalg.norm(vectors, axis=2, keepdims=True), size)
    return _codes(mean / np.linalg.norm(mean, axis=2, keepdims=True) / 2 + 0.5)


def surface(side: int, rng: np.random.Generator) -> Floats:
    """Make a surface (side, side): heights in pixels, of one to three layers and a little grain."""
    height = _courses(side, rng) if rng.random() < 0.6 else _bumps(side, rng)
    for _ in range(rng.integers(3)):
        layer = _courses if rng.random() < 0.3 else _bumps
        height = height + np.float32(rng.uniform(0.1, 0.6)) * layer(side, rng)
    height = height + np.float32(rng.uniform(0, 1) ** 2) * _grain(side, rng)
    if rng.random() < 0.3:
        return cv2.GaussianBlur(height, (0, 0), rng.uniform(0.5, 3)).astype(np.float32)
    return height


def _round(t: Floats) -> Floats:
    height: Floats = np.sqrt(np.maximum(1 - t * t, 0))
    return height


def _wave(t: Floats) -> Floats:
    height: Floats = (1 + np.cos(np.pi * t)) / 2
    return height


def _lapped(t: Floats) -> Floats:
    return (1 + t) / 2


def _roof(t: Floats) -> Floats:
    return 1 - np.abs(t)


def _bevelled(t: Floats) -> Floats:
    height: Floats = np.minimum((1 - np.abs(t)) * 5, 1)
    return height


_PROFILES: tuple[Callable[[Floats], Floats], ...] = (_round, _round, _wave, _lapped, _roof, _bevelled)
"""Heights of -1 to 1 across a course. Round ones count twice."""


def _courses(side: int, rng: np.random.Generator) -> Floats:
    """Lay tiles in courses side by side, with a profile across them and one along them; at any angle, a little bent."""
    width = OVERSAMPLING * np.exp(rng.uniform(np.log(_NARROWEST), np.log(_WIDEST)))
    length = width * rng.uniform(1, 6)
    y, x = np.mgrid[:side, :side].astype(np.float32) + _bent(side, width, rng)
    angle = rng.choice((0, np.pi / 2, rng.uniform(0, np.pi)))
    across, along = (np.cos(angle) * x + np.sin(angle) * y) / width, (np.cos(angle) * y - np.sin(angle) * x) / length
    course = np.floor(across).astype(np.int64)
    along = along + rng.choice((0.0, 0.5, rng.uniform(0, 1))) * course
    tile = np.floor(along).astype(np.int64)
    raised = rng.uniform(0, 0.3) * _random(course, tile, rng)
    profile, ending = (_PROFILES[int(rng.integers(len(_PROFILES)))] for _ in range(2))
    height = profile(_within(across)) + rng.uniform(0, 0.4) * ending(_within(along)) + raised
    scaled: Floats = (height * width * rng.uniform(0.1, 0.5)).astype(np.float32)
    return scaled


def _within(position: Floats) -> Floats:
    within: Floats = (position - np.floor(position)) * 2 - 1
    return within


def _bent(side: int, width: float, rng: np.random.Generator) -> Floats:
    """Return by how much a place (2, side, side) is moved."""
    coarse = rng.normal(0, 1, (8, 8, 2)).astype(np.float32)
    moved = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.float32(width * rng.uniform(0, 0.3)) * moved.transpose(2, 0, 1)


def _random(course: NDArray[np.int64], tile: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Draw a number of 0 to 1 for each tile."""
    numbers: Floats = rng.random((64, 64), np.float32)[course % 64, tile % 64]
    return numbers


def _bumps(side: int, rng: np.random.Generator) -> Floats:
    """Strew domes, cones and slabs, of which the higher hides the lower."""
    height = np.zeros((side, side), np.float32)
    smallest = OVERSAMPLING * rng.uniform(2, 12)
    steep = rng.uniform(0.2, 1)
    for _ in range(rng.integers(40, 400)):
        radius = min(OVERSAMPLING * _WIDEST / 2, smallest * (rng.random() + 1e-6) ** (-1 / _SIZE_EXPONENT))
        y, x = rng.uniform(0, side, 2)
        top, left = max(0, int(y - radius)), max(0, int(x - radius))
        rows, columns = np.ogrid[top : min(side, int(y + radius) + 1), left : min(side, int(x + radius) + 1)]
        distance = np.hypot((rows - y) / radius, (columns - x) / (radius * rng.uniform(0.5, 1))).astype(np.float32)
        profile = _PROFILES[int(rng.integers(len(_PROFILES)))]
        bump = np.where(distance < 1, profile(np.minimum(distance, 1)) * radius * steep, 0).astype(np.float32)
        place = height[top : top + len(rows), left : left + columns.shape[1]]
        np.maximum(place, bump, out=place)
    return height


def _grain(side: int, rng: np.random.Generator) -> Floats:
    """Add up noise of all widths, the wider the higher."""
    grain = np.zeros((side, side), np.float32)
    step = OVERSAMPLING
    while step < side // 4:
        cells = rng.normal(0, 1, (side // step + 1, side // step + 1)).astype(np.float32)
        grain += np.float32(0.15 * step) * cv2.resize(cells, (side, side), interpolation=cv2.INTER_CUBIC)
        step *= 2
    return grain


def _reduced(pixels: Floats, size: int) -> Floats:
    return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


def _codes(values: Floats) -> Image:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
