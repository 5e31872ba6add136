"""Radiance HDR. Its color is linear, 8 bits of mantissa with a shared exponent."""

from __future__ import annotations

import re

import cv2
import imagecodecs
import numpy as np

from assetforge.codecs.raster import FormatError, Pixels, Raster, check_size

_SIZE = re.compile(rb"\n([-+][XY]) (\d{1,9}) ([-+][XY]) (\d{1,9})\n")
_FORMAT = re.compile(rb"\nFORMAT=([^\n]*)\n")
_RGBE = b"32-bit_rle_rgbe"


def read(content: bytes) -> Raster:
    """Read a file; raise FormatError where it is damaged or cut off."""
    size = _SIZE.search(content[:65536])
    if size is None:
        raise FormatError("is damaged: its header gives no size")
    check_size(int(size.group(4)), int(size.group(2)))
    # Judged here, since decoders pass over what they do not know, or report it on stderr.
    if (size.group(1), size.group(3)) != (b"-Y", b"+X"):
        raise FormatError("is stored turned or mirrored; write it with rows from top to bottom (-Y +X)")
    kind = _FORMAT.search(content[: size.start() + 1])
    if kind is None or kind.group(1).strip() != _RGBE:
        raise FormatError(f"is not of RGB pixels; write FORMAT={_RGBE.decode()}")
    try:
        pixels: Pixels = np.asarray(imagecodecs.rgbe_decode(content))
    except (imagecodecs.RgbeError, ValueError, RuntimeError) as error:
        raise FormatError(f"is cut off or damaged ({error})") from error
    return Raster(pixels)


def write(pixels: Pixels) -> bytes:
    """Write linear RGB (H, W, 3), at least 0."""
    written, content = cv2.imencode(".hdr", np.ascontiguousarray(pixels[:, :, ::-1]))
    if not written:
        raise ValueError("OpenCV cannot write this picture as HDR")
    return content.tobytes()
