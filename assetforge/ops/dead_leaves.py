"""Procedural training pictures: overlapping shapes, lines and text.

The "dead leaves" model (Lee, Mumford and Huang 2001, "Occlusion Models for Natural Images") has the occlusion edges and
the scale invariance of photographs, and needs none. Textures alone hold too few sharp edges to learn them from.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[slice, slice]

OVERSAMPLING = 3
"""Pictures are drawn this much larger and box-filtered, as a camera's sensor would."""
SIZE_EXPONENT = 1.6
"""Radii follow r^-(1 + SIZE_EXPONENT): many small leaves, few large ones."""
LETTERS = list(string.ascii_letters + string.digits + "#&@")


def dead_leaves(size: int, textures: Sequence[Image], rng: np.random.Generator) -> Image:
    """Draw one (size, size, 3) sRGB picture; some leaves are filled with crops of `textures`."""
    side = size * OVERSAMPLING
    everything = (slice(0, side), slice(0, side))
    picture = np.empty((side, side, 3), np.float32)
    picture[everything] = _fill(everything, textures, rng)
    smallest = rng.uniform(4, 14)
    for _ in range(rng.integers(200, 700)):
        radius = min(side * 0.6, smallest * (rng.random() + 1e-6) ** (-1 / SIZE_EXPONENT))
        leaf = _leaf(side, radius, rng)
        box = _bounds(leaf)
        if box is not None:
            inside = leaf[box] > 0
            picture[box][inside] = _fill(box, textures, rng)[inside]
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 3)).astype(np.float32)
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _bounds(leaf: Image) -> Box | None:
    x, y, width, height = cv2.boundingRect(leaf)
    return (slice(y, y + height), slice(x, x + width)) if width and height else None


def _fill(box: Box, textures: Sequence[Image], rng: np.random.Generator) -> Floats:
    """Fill a box with a flat color, a gradient or a texture; colors are drawn from the textures."""
    shape = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    texture = textures[int(rng.integers(len(textures)))]
    color = texture[rng.integers(texture.shape[0]), rng.integers(texture.shape[1])].astype(np.float32)
    color = np.clip(128 + (color - 128) * rng.uniform(0.8, 1.8) + rng.normal(0, 25, 3), 0, 255).astype(np.float32)
    kind = rng.random()
    if kind < 0.45:
        return np.broadcast_to(color, (*shape, 3))
    if kind < 0.65:
        return _bounded(color + _gradient(shape, rng)[..., None])
    crop = _crop(texture, shape, rng)
    return _bounded((crop - crop.mean((0, 1))) * np.float32(rng.uniform(0.5, 1.3)) + color)


def _bounded(pixels: Floats) -> Floats:
    return np.clip(pixels, 0, 255).astype(np.float32)


def _gradient(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(5, 50)
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    gradient: Floats = ((np.cos(angle) * x + np.sin(angle) * y) * strength).astype(np.float32)
    return gradient


def _crop(texture: Image, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Cut a piece of the given shape from the texture, zoomed at random and repeated where it is too small."""
    zoom = rng.uniform(0.5, 2.2)
    rows = (np.arange(shape[0]) / zoom + rng.uniform(0, texture.shape[0])).astype(np.float32)
    columns = (np.arange(shape[1]) / zoom + rng.uniform(0, texture.shape[1])).astype(np.float32)
    map_x, map_y = np.meshgrid(columns % texture.shape[1], rows % texture.shape[0])
    return cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(np.float32)


def _leaf(side: int, radius: float, rng: np.random.Generator) -> Image:
    """Draw one shape of about the given radius as a 0/255 mask."""
    mask = np.zeros((side, side), np.uint8)
    center = rng.integers(0, side, 2)
    x, y = int(center[0]), int(center[1])
    kind = rng.random()
    if kind < 0.35:
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.3, 1))))
        cv2.ellipse(mask, (x, y), axes, rng.uniform(0, 180), 0, 360, 255, -1)
    elif kind < 0.6:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        corners = np.stack([np.cos(angles), np.sin(angles)], 1) * radius * rng.uniform(0.5, 1, (len(angles), 1))
        cv2.fillPoly(mask, [(corners + center).astype(np.int32)], 255)
    elif kind < 0.75:
        bar = cv2.boxPoints(((float(x), float(y)), (radius * 2, radius * rng.uniform(0.05, 1)), rng.uniform(0, 180)))
        cv2.fillPoly(mask, [bar.astype(np.int32)], 255)
    elif kind < 0.9:
        line = np.cumsum(rng.normal(0, radius * 0.4, (rng.integers(3, 9), 2)), 0) + center
        closed = bool(rng.random() < 0.3)
        cv2.polylines(mask, [line.astype(np.int32)], closed, 255, int(max(2, rng.exponential(5))))
    else:
        text = "".join(rng.choice(LETTERS, rng.integers(1, 9)))
        font = int(rng.integers(0, 5))
        cv2.putText(mask, text, (x, y), font, max(0.5, radius / 25), 255, int(max(1, radius / 12)))
    return mask
