"""Procedural drawings: line art, cel shading, flat fills, hatching, dithering, sprites and text.

What is drawn by hand has lines of even width, flat fills and hard edges, which photographs and textures lack. Drawings
are made `OVERSAMPLING` times as large and box-filtered, but for dithering and sprites, whose pixels are the drawing.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from assetforge.ops.dead_leaves import LETTERS

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Points = NDArray[np.int32]
Mask = NDArray[np.uint8]

OVERSAMPLING = 3
_SHIFT = 4
"""Bits of a coordinate's fraction, as OpenCV takes them."""
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32)
"""Thresholds of ordered dithering (Bayer 1973), in sixteenths."""
_DIFFUSED = ((0, 1, 7 / 16), (1, -1, 3 / 16), (1, 0, 5 / 16), (1, 1, 1 / 16))
"""Rows down, columns right and the share of the error (Floyd and Steinberg 1976)."""


def drawing(size: int, rng: np.random.Generator) -> Image:
    """Draw one (size, size, 3) sRGB picture of a kind that is chosen at random."""
    kinds = list(KINDS.values())
    return kinds[int(rng.integers(len(kinds)))](size, rng)


def _line_art(size: int, rng: np.random.Generator) -> Image:
    """Draw curves and outlines in one ink on paper."""
    canvas, ink = _canvas(size, _paper(rng)), _ink(rng)
    for _ in range(rng.integers(12, 50)):
        shape = _curve(len(canvas), rng) if rng.random() < 0.6 else _blob(len(canvas), rng)
        _stroke(canvas, shape, ink, rng, closed=rng.random() < 0.4)
    return _reduced(canvas, size)


def _flat(size: int, rng: np.random.Generator) -> Image:
    """Fill shapes with flat colors or gradients, and outline most of them."""
    colors, canvas = _palette(rng), _canvas(size, _paper(rng))
    ink, outlined = _ink(rng), rng.uniform(0.3, 1)
    for _ in range(rng.integers(15, 60)):
        shape = _blob(len(canvas), rng)
        _fill(canvas, shape, _color(colors, rng), rng)
        if rng.random() < outlined:
            _stroke(canvas, shape, ink, rng, closed=True)
    return _reduced(canvas, size)


def _cel(size: int, rng: np.random.Generator) -> Image:
    """Fill shapes, each with a shadow and a light of its own color and a hard edge between them."""
    colors, canvas = _palette(rng), _canvas(size, _paper(rng))
    ink, light = _ink(rng), rng.uniform(0, 2 * np.pi)
    for _ in range(rng.integers(8, 30)):
        shape, color = _blob(len(canvas), rng), _color(colors, rng)
        mask = _filled(len(canvas), shape)
        canvas[mask > 0] = color
        reach = float(np.ptp(shape, 0).mean()) / 2**_SHIFT
        for factor, by in ((0.65, rng.uniform(0.1, 0.35)), (1.3, -rng.uniform(0.3, 0.5))):
            move = np.array([[1, 0, -np.cos(light) * reach * by], [0, 1, -np.sin(light) * reach * by]])
            beside = np.asarray(cv2.warpAffine(mask, move, (len(mask), len(mask))), np.uint8)
            turned_away = beside == 0 if by > 0 else _eroded(beside, reach)
            canvas[(mask > 0) & turned_away] = np.clip(color * factor, 0, 255)
        _stroke(canvas, shape, ink, rng, closed=True)
    return _reduced(canvas, size)


def _eroded(mask: Mask, reach: float) -> NDArray[np.bool_]:
    side = max(3, int(reach * 0.6) | 1)
    eroded: NDArray[np.bool_] = cv2.erode(mask, np.ones((side, side), np.uint8)) > 0
    return eroded


def _hatching(size: int, rng: np.random.Generator) -> Image:
    """Shade shapes by parallel lines, crossed where they are dark."""
    canvas, ink = _canvas(size, _paper(rng)), _ink(rng)
    side = len(canvas)
    for _ in range(rng.integers(5, 16)):
        shape = _blob(side, rng)
        mask, angle = _filled(side, shape), rng.uniform(0, np.pi)
        width, pitch = rng.uniform(2, 6), rng.uniform(8, 26)
        for turn in range(rng.integers(1, 4)):
            canvas[(mask > 0) & _lines(side, angle + turn * np.pi / rng.uniform(2.5, 4), pitch, width)] = ink
        _stroke(canvas, shape, ink, rng, closed=True)
    return _reduced(canvas, size)


def _lines(side: int, angle: float, pitch: float, width: float) -> NDArray[np.bool_]:
    at = np.arange(side, dtype=np.float32)
    across = at * np.float32(np.cos(angle)) + at[:, None] * np.float32(np.sin(angle))
    lines: NDArray[np.bool_] = across % np.float32(pitch) < width
    return lines


def _gradients(size: int, rng: np.random.Generator) -> Image:
    """Fill shapes with soft gradients, some between many colors, some in bands."""
    colors, canvas = _palette(rng), _canvas(size, _paper(rng))
    for _ in range(rng.integers(6, 24)):
        mask = _filled(len(canvas), _blob(len(canvas), rng)) > 0
        canvas[mask] = _gradient(len(canvas), _color(colors, rng), _color(colors, rng), rng)[mask]
    return _reduced(canvas, size)


def _text(size: int, rng: np.random.Generator) -> Image:
    """Write words in rows, signs and labels, on flat color, some with outlines."""
    colors, canvas = _palette(rng), _canvas(size, _paper(rng))
    side, y = len(canvas), 0.0
    while y < side:
        height = side * rng.uniform(0.02, 0.14)
        y += height * 1.5
        words = "".join(rng.choice([*LETTERS, *string.punctuation, " ", " ", " "], rng.integers(4, 40)))
        font, scale, at = int(rng.integers(0, 8)), height / 24, (int(rng.uniform(-0.1, 0.3) * side), int(y))
        thick = max(1, int(height * rng.uniform(0.06, 0.18)))
        if rng.random() < 0.3:
            canvas[_written(side, words, at, font, scale, thick * 3)] = _ink(rng)
        canvas[_written(side, words, at, font, scale, thick)] = _color(colors, rng)
    return _reduced(canvas, size)


def _written(side: int, words: str, at: tuple[int, int], font: int, scale: float, thick: int) -> NDArray[np.bool_]:
    mask = np.zeros((side, side), np.uint8)
    cv2.putText(mask, words, at, font, scale, 255, thick, cv2.LINE_8)
    written: NDArray[np.bool_] = mask > 127
    return written


def _dithered(size: int, rng: np.random.Generator) -> Image:
    """Bring another drawing to a few colors by ordered or by Floyd-Steinberg dithering."""
    source = _repeated(_pick((_flat, _cel, _gradients), rng)(size // 2 + 1, rng), 2, size, rng)
    levels = int(rng.integers(2, 6))
    return ordered_dither(source, levels) if rng.random() < 0.5 else diffused_dither(source, levels)


def ordered_dither(picture: Image, levels: int) -> Image:
    """Bring each channel of (H, W, 3) to so many levels by Bayer's thresholds of 4 by 4."""
    height, width = picture.shape[:2]
    thresholds = np.tile((_BAYER + 0.5) / 16, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
    scaled = picture.astype(np.float32) / 255 * (levels - 1)
    return _codes(np.floor(scaled + thresholds) / (levels - 1) * 255)


def diffused_dither(picture: Image, levels: int) -> Image:
    """Bring each channel of (H, W, 3) to so many levels, each pixel's error handed on to those that come after it.

    All rows advance together, each two pixels behind the one above, as the error reaches no farther.
    """
    height, width = picture.shape[:2]
    values = np.zeros((height + 1, width + 2, 3), np.float32)
    values[:height, 1:-1] = picture.astype(np.float32) / 255 * (levels - 1)
    result = np.zeros((height, width, 3), np.float32)
    for time in range(width + 2 * height):
        rows = np.arange(max(0, -(-(time - width + 1) // 2)), min(height, time // 2 + 1))
        columns = time - 2 * rows
        if not len(rows):
            continue
        wanted = values[rows, columns + 1]
        chosen = np.clip(np.rint(wanted), 0, levels - 1)
        result[rows, columns] = chosen
        for down, right, share in _DIFFUSED:
            values[rows + down, columns + 1 + right] += (wanted - chosen) * np.float32(share)
    return _codes(result / (levels - 1) * 255)


def _sprites(size: int, rng: np.random.Generator) -> Image:
    """Draw pixel art: small mirrored figures and tiles of few colors, each pixel a square of some pixels."""
    scale = int(rng.integers(2, 7))
    side = -(-size // scale)
    colors = _palette(rng).astype(np.uint8)
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = colors[0]
    cell = int(rng.choice([8, 12, 16]))
    for top in range(0, side, cell):
        for left in range(0, side, cell):
            part = canvas[top : top + cell, left : left + cell]
            part[:] = _sprite(cell, colors, rng)[: part.shape[0], : part.shape[1]]
    return _repeated(canvas, scale, size, rng)


def _sprite(side: int, colors: Image, rng: np.random.Generator) -> Image:
    """Draw one figure: blurred noise, cut into bands of colors, mirrored and outlined."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), rng.uniform(0.6, 1.6))
    if rng.random() < 0.7:
        noise = noise + noise[:, ::-1]
    y, x = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    height = noise / (noise.std() + 1e-6) + rng.uniform(0, 1) - 1.5 * (x**2 + y**2)
    bands = np.clip(np.floor((height + 0.5) * 1.5), 0, len(colors) - 1).astype(int)
    sprite = colors[bands]
    inside = (bands > 0).astype(np.uint8)
    sprite[(cv2.dilate(inside, np.ones((3, 3), np.uint8)) > 0) & (inside == 0)] = colors[-1] // 4
    return np.asarray(sprite, np.uint8)


def _repeated(picture: Image, scale: int, size: int, rng: np.random.Generator) -> Image:
    """Make each pixel a square, and cut out (size, size) at any phase."""
    large = picture.repeat(scale, 0).repeat(scale, 1)
    y, x = (int(rng.integers(max(1, length - size + 1))) for length in large.shape[:2])
    return np.ascontiguousarray(large[y : y + size, x : x + size])


KINDS: Mapping[str, Callable[[int, np.random.Generator], Image]] = {
    "line art": _line_art,
    "flat": _flat,
    "cel": _cel,
    "hatching": _hatching,
    "gradients": _gradients,
    "text": _text,
    "dithered": _dithered,
    "sprites": _sprites,
}
"""What draws each kind: (size, size, 3) of a size and a generator."""


def _canvas(size: int, color: Floats) -> Floats:
    canvas = np.empty((size * OVERSAMPLING, size * OVERSAMPLING, 3), np.float32)
    canvas[:] = color
    return canvas


def _reduced(canvas: Floats, size: int) -> Image:
    return _codes(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA))


def _codes(pixels: NDArray[Any]) -> Image:
    codes: Image = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return codes


def _paper(rng: np.random.Generator) -> Floats:
    light = rng.uniform(190, 255) if rng.random() < 0.7 else rng.uniform(0, 255)
    return np.clip(light + rng.normal(0, 8, 3), 0, 255).astype(np.float32)


def _ink(rng: np.random.Generator) -> Floats:
    dark = rng.uniform(0, 60) if rng.random() < 0.8 else rng.uniform(0, 255)
    return np.clip(dark + rng.normal(0, 12, 3), 0, 255).astype(np.float32)


def _palette(rng: np.random.Generator) -> Floats:
    """Choose a few colors that go together: near one another in hue, far in lightness."""
    count, hue = int(rng.integers(4, 12)), rng.uniform(0, 180)
    hues = (hue + rng.normal(0, rng.uniform(5, 70), count)) % 180
    hsv = np.stack([hues, rng.uniform(20, 240, count), rng.uniform(30, 255, count)], 1).astype(np.uint8)
    colors: Floats = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)
    return colors


def _color(colors: Floats, rng: np.random.Generator) -> Floats:
    color: Floats = colors[int(rng.integers(len(colors)))]
    return color


def _pick(
    kinds: tuple[Callable[[int, np.random.Generator], Image], ...], rng: np.random.Generator
) -> Callable[[int, np.random.Generator], Image]:
    return kinds[int(rng.integers(len(kinds)))]


def _blob(side: int, rng: np.random.Generator) -> Points:
    """Return the outline of a closed shape, round or with corners, in fractions of pixels."""
    radius = side * 0.5 * (1 - rng.random()) ** 2 + side * 0.02
    count = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    corners = np.stack([np.cos(angles), np.sin(angles)], 1) * (radius * rng.uniform(0.5, 1, (count, 1)))
    outline = _smoothed(corners, closed=True) if rng.random() < 0.6 else corners
    return _fixed(outline * rng.uniform(0.5, 1.2, 2) + rng.uniform(0, side, 2))


def _curve(side: int, rng: np.random.Generator) -> Points:
    steps = rng.normal(0, side * rng.uniform(0.02, 0.2), (int(rng.integers(3, 9)), 2))
    return _fixed(_smoothed(np.cumsum(steps, 0) + rng.uniform(0, side, 2), closed=False))


def _smoothed(corners: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Cut corners off a polyline four times (Chaikin 1974)."""
    for _ in range(4):
        following = np.roll(corners, -1, 0)
        parts = np.stack([0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following], 1)
        corners = (parts if closed else parts[:-1]).reshape(-1, 2)
    return corners


def _fixed(points: NDArray[np.float64]) -> Points:
    fixed: Points = np.rint(points * 2**_SHIFT).astype(np.int32)
    return fixed


def _filled(side: int, shape: Points) -> Mask:
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [shape], 255, cv2.LINE_8, _SHIFT)
    return mask


def _fill(canvas: Floats, shape: Points, color: Floats, rng: np.random.Generator) -> None:
    if rng.random() < 0.8:
        cv2.fillPoly(canvas, [shape], color.tolist(), cv2.LINE_8, _SHIFT)
    else:
        mask = _filled(len(canvas), shape) > 0
        canvas[mask] = _gradient(len(canvas), color, color * rng.uniform(0.5, 1.5), rng)[mask]


def _gradient(side: int, first: Floats, second: Floats, rng: np.random.Generator) -> Floats:
    """Go from one color to another in a direction; some in a few bands."""
    angle, steep = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 3)
    at = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    along = np.float32(0.5) + np.float32(np.cos(angle) * steep) * at + np.float32(np.sin(angle) * steep) * at[:, None]
    along = np.clip(along, 0, 1)
    if rng.random() < 0.25:
        along = np.floor(along * 5.99) / 5
    mixed: Floats = np.clip(first + (second - first) * along[..., None], 0, 255).astype(np.float32)
    return mixed


def _stroke(canvas: Floats, line: Points, ink: Floats, rng: np.random.Generator, *, closed: bool) -> None:
    width = int(max(2, rng.exponential(4) + OVERSAMPLING * rng.uniform(0.6, 2)))
    cv2.polylines(canvas, [line], closed, ink.tolist(), width, cv2.LINE_8, _SHIFT)
