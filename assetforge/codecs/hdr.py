"""Radiance HDR. Its color is linear, 8 bits of mantissa with a shared exponent.

Ward, "Real Pixels", Graphics Gems II, 1991; the header as in Radiance's `fileformats`.
"""

from __future__ import annotations

import re

import imagecodecs
import numpy as np

from assetforge.codecs import primaries
from assetforge.codecs.raster import FormatError, Pixels, Primaries, Raster, check_size

_SIZE = re.compile(rb"\n([-+][XY]) (\d{1,9}) ([-+][XY]) (\d{1,9})\n")
_FORMAT = re.compile(rb"\nFORMAT=([^\n]*)\n")
_PRIMARIES = re.compile(rb"\nPRIMARIES=([^\n]*)\n")
_COLORS = 4
"""Red, green, blue and white."""
_RGBE = b"32-bit_rle_rgbe"
_BAND = 64
"""Rows that are rounded at a time, so that they stay in the processor's caches."""
_MOST_MANTISSA, _LEAST_EXPONENT = 255, -106
LARGEST = float(np.float32(255 / 256 * 2.0**127))
"""The most light that a file holds."""


def read(content: bytes) -> Raster:
    """Read a file; raise FormatError where it is damaged or cut off."""
    size = _SIZE.search(content[:65536])
    if size is None:
        raise FormatError("is damaged: its header gives no size")
    check_size(int(size.group(4)), int(size.group(2)))
    # Judged here, since decoders pass over what they do not know, or report it on stderr.
    if (size.group(1), size.group(3)) != (b"-Y", b"+X"):
        raise FormatError("is stored turned or mirrored; write it with rows from top to bottom (-Y +X)")
    header = content[: size.start() + 1]
    kind = _FORMAT.search(header)
    if kind is None or kind.group(1).strip() != _RGBE:
        raise FormatError(f"is not of RGB pixels; write FORMAT={_RGBE.decode()}")
    try:
        pixels: Pixels = np.asarray(imagecodecs.rgbe_decode(content))
    except (imagecodecs.RgbeError, ValueError, RuntimeError) as error:
        raise FormatError("is cut off or damaged") from error
    return Raster(pixels, primaries=_primaries(header))


def _primaries(header: bytes) -> Primaries | None:
    """Return the chromaticities that a header may give. Programs fill them with nonsense, and nobody minds."""
    found = _PRIMARIES.search(header)
    try:
        flat = [float(word) for word in found.group(1).split()] if found else []
        pairs = tuple(zip(flat[0::2], flat[1::2], strict=True))
        if len(pairs) == _COLORS:
            primaries.to_rec709(pairs)
            return pairs
    except (ValueError, FormatError):
        pass
    return None


def write(pixels: Pixels) -> bytes:
    """Write linear RGB (H, W, 3), rounded to the nearest that the format holds.

    What is below 0, or below 1e-32 in all three channels, becomes black.
    """
    rounded = np.empty(pixels.shape, np.float32)
    for top in range(0, pixels.shape[0], _BAND):
        rounded[top : top + _BAND] = _rounded(pixels[top : top + _BAND])
    return bytes(imagecodecs.rgbe_encode(rounded, rle=True))


def _rounded(light: Pixels) -> Pixels:
    """Round to multiples of the step that a pixel's brightest channel leaves to all three.

    The encoder would cut off what is between, and take negative light for positive.
    """
    light = np.clip(light, 0, LARGEST)
    brightest = light.max(2, keepdims=True)
    exponent = np.maximum(np.frexp(brightest)[1], _LEAST_EXPONENT) - 8
    exponent += np.rint(np.ldexp(brightest, -exponent)) > _MOST_MANTISSA
    rounded: Pixels = np.ldexp(np.rint(np.ldexp(light, -exponent)), exponent)
    return rounded
