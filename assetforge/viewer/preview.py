"""From a file's numbers to a small WebP picture that browsers show. Imports torch only for unusual color.

Color: sRGB, averaged in linear light. Vectors: unit, green as the file has it, 0 to 1 for −1 to 1. Data: gray. Heights
may be `height16`: the high byte in red, the low one in green. Ids: a color for each number.
"""

from __future__ import annotations

import io
from typing import Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assetforge.codecs.channels import inverted, pick
from assetforge.codecs.raster import Raster
from assetforge.codecs.reading import Reading
from assetforge.material.map_spec import MapSpec

Encoding = Literal["plain", "height16"]
Pixels = NDArray[Any]
LIST_SIDE = 256
"""Pixels of the longer side, at most, in lists; larger ones are for maps."""
QUALITY = {True: 80, False: 92}
"""Of WebP, for lists and for maps."""
_COARSE = 2
"""How many times the wanted side a large picture is first averaged to, in codes, to save memory and time."""
_TOP16 = 65535
_ID_COLORS = np.array([[53, 97, 29], [31, 71, 151], [17, 59, 113]], np.uint32)
"""Multipliers that spread numbers over colors."""


def encoding_of(spec: MapSpec, side: int) -> Encoding:
    """Tell how a preview of a map is encoded."""
    return "height16" if spec.name == "height" and side > LIST_SIDE else "plain"


def preview(raster: Raster, spec: MapSpec, reading: Reading, side: int) -> bytes:
    """Return a WebP picture of a map in a file, at most `side` pixels along the longer side; never larger than it is.

    Raises FormatError where the file does not hold the map.
    """
    pixels = pick(raster, spec, reading)
    if reading.invert:
        pixels = inverted(pixels)
    if encoding_of(spec, side) == "height16":
        return _webp(_two_bytes(_units(_shrunk(_floats(_coarse(pixels, side)), side), spec)), lossless=True)
    shown = _shown(raster, pixels, spec, side)
    return _webp(shown, lossless=spec.kind == "id", quality=QUALITY[side <= LIST_SIDE])


def _shown(raster: Raster, pixels: Pixels, spec: MapSpec, side: int) -> Pixels:
    """Return pixels as they are shown, uint8 (H, W, 3 or 4)."""
    if spec.kind == "id":
        return _id_colors(_shrunk(_resizable(pixels), side, cv2.INTER_NEAREST))
    if spec.is_color:
        return _with_alpha(_color(raster, pixels, side), raster, pixels, side)
    numbers = _shrunk(_floats(_coarse(pixels, side)), side)
    if spec.kind == "vector":
        return _codes(_vectors(numbers, is_float=pixels.dtype.kind == "f"))
    return _codes(_three(_units(numbers, spec)))


def _color(raster: Raster, pixels: Pixels, side: int) -> Pixels:
    """Return color as sRGB codes (H, W, 3), averaged in linear light."""
    if max(pixels.shape[:2]) <= side and pixels.dtype == np.uint8 and _is_plain(raster):
        return _three(pixels)
    coarse = _coarse(pixels, side)
    light = _linear(coarse) if _is_plain(raster) else _managed(raster, coarse)
    return _codes(_three(_srgb(_shrunk(light, side))))


def _is_plain(raster: Raster) -> bool:
    """Tell whether color is sRGB in integers, or linear Rec.709 in floats."""
    return raster.profile is None and raster.primaries is None and not raster.is_linear


def _linear(pixels: Pixels) -> Pixels:
    """Decode plain color to linear light, by IEC 61966-2-1."""
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    x = np.arange(np.iinfo(pixels.dtype).max + 1, dtype=np.float32) / np.iinfo(pixels.dtype).max
    table = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)
    decoded: Pixels = table[pixels]
    return decoded


def _srgb(light: Pixels) -> Pixels:
    x = np.clip(np.nan_to_num(light), 0, 1)
    encoded: Pixels = np.where(x <= 0.0031308, x * 12.92, 1.055 * np.power(x, 1 / 2.4) - 0.055)
    return encoded


def _managed(raster: Raster, pixels: Pixels) -> Pixels:
    """Decode color of a profile, or of other primaries, to linear Rec.709."""
    from assetforge.codecs.color import meaning_of, to_linear  # loads torch, and few files need it

    meaning = meaning_of(raster, "embedded")
    return np.ascontiguousarray(to_linear(pixels, meaning, 3).permute(1, 2, 0).numpy())


def _with_alpha(color: Pixels, raster: Raster, pixels: Pixels, side: int) -> Pixels:
    """Add the file's alpha, where it has some that says something and is not the picture itself."""
    if raster.alpha is None or pixels.shape[2] == raster.pixels.shape[2]:
        return color
    alpha = _codes(_shrunk(_floats(_coarse(raster.alpha, side)), side))
    return color if alpha.min() == 255 else np.concatenate([color, alpha], 2)


def _vectors(numbers: Pixels, *, is_float: bool) -> Pixels:
    """Return vectors as unit ones, 0 to 1 for −1 to 1."""
    vectors = np.nan_to_num(numbers if is_float else numbers * 2 - 1)
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit: Pixels = vectors / np.maximum(length, 1e-6) * 0.5 + 0.5
    return unit


def _units(numbers: Pixels, spec: MapSpec) -> Pixels:
    """Bring numbers of a map's range to 0 to 1; of a range without end, 0 to 1 is shown."""
    low, high = spec.valid if np.isfinite(spec.valid).all() else (0.0, 1.0)
    units: Pixels = np.clip((np.nan_to_num(numbers) - low) / (high - low), 0, 1)
    return units


def _two_bytes(units: Pixels) -> Pixels:
    codes = np.rint(units[:, :, 0] * _TOP16).astype(np.uint16)
    return np.stack([codes >> 8, codes & 255, np.zeros_like(codes)], 2).astype(np.uint8)


def _id_colors(codes: Pixels) -> Pixels:
    numbers = codes[:, :, 0].astype(np.int64).astype(np.uint32)
    spread = [(numbers * a + (numbers * b >> 3) * c) % 200 + 40 for a, b, c in _ID_COLORS.T]
    return np.stack(spread, 2).astype(np.uint8)


def _floats(pixels: Pixels) -> Pixels:
    """Return numbers as float32, integers over their maximum."""
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    numbers: Pixels = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return numbers


def _codes(units: Pixels) -> Pixels:
    codes: Pixels = np.rint(np.clip(units, 0, 1) * 255).astype(np.uint8)
    return codes


def _three(pixels: Pixels) -> Pixels:
    """Return pixels with three channels: gray three times, of two a third that is 0, of four the first three."""
    count = pixels.shape[2]
    if count == 1:
        return np.repeat(pixels, 3, 2)
    padding = np.zeros((*pixels.shape[:2], max(0, 3 - count)), pixels.dtype)
    return np.concatenate([pixels, padding], 2)[:, :, :3]


def _coarse(pixels: Pixels, side: int) -> Pixels:
    """Average a very large picture in its own codes, so that little memory is needed afterwards."""
    wide = _resizable(pixels)
    return _shrunk(wide, side * _COARSE) if max(pixels.shape[:2]) > 2 * _COARSE * side else wide


def _resizable(pixels: Pixels) -> Pixels:
    """Return pixels as numbers that OpenCV resizes."""
    return pixels.astype(np.float32) if pixels.dtype == np.float16 else pixels


def _shrunk(pixels: Pixels, side: int, how: int = cv2.INTER_AREA) -> Pixels:
    """Return pixels (H, W, C) whose longer side is at most so long."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cast("Pixels", cv2.resize(pixels, size, interpolation=how)).reshape(size[1], size[0], -1)


def _webp(pixels: Pixels, *, lossless: bool, quality: int = 100) -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.save(stream, "WEBP", lossless=lossless, quality=20 if lossless else quality, method=2, exact=True)
    return stream.getvalue()
