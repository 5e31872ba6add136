"""Radiance HDR, by OpenCV. Its color is linear, 8 bits of mantissa with a shared exponent."""

from __future__ import annotations

import re

import cv2
import numpy as np

from assetforge.codecs.raster import FormatError, Pixels, Raster, check_size

_SIZE = re.compile(rb"\n[-+]([XY]) (\d{1,9}) [-+][XY] (\d{1,9})\n")
_LEAST_SCANLINE = 8


def read(content: bytes) -> Raster:
    """Read a file; raise FormatError where it is damaged or cut off."""
    size = _SIZE.search(content[:65536])
    if size is None:
        raise FormatError("is damaged: its header gives no size")
    first, second = int(size.group(2)), int(size.group(3))
    height, width = (first, second) if size.group(1) == b"Y" else (second, first)
    check_size(width, height)
    _check_scanlines(content[size.end() :], width, height)
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise FormatError("is damaged: its pixels cannot be decoded")
    return Raster(np.ascontiguousarray(pixels[:, :, ::-1]))


def _check_scanlines(body: bytes, width: int, height: int) -> None:
    """Count run-length encoded scanlines, as the decoder does not mind when some are missing."""
    if not (body[:2] == b"\x02\x02" and width >= _LEAST_SCANLINE):
        if len(body) < 4 and width * height:
            raise FormatError("is cut off")
        return
    position = 0
    for _ in range(height):
        if body[position : position + 2] != b"\x02\x02":
            raise FormatError("is cut off or damaged")
        position = _skip_scanline(body, position + 4, width)


def _skip_scanline(body: bytes, position: int, width: int) -> int:
    left = 4 * width
    while left > 0:
        if position >= len(body):
            raise FormatError("is cut off")
        count = body[position]
        run = count > 128
        left -= count - 128 if run else count
        position += 2 if run else count + 1
        if count == 0:
            raise FormatError("is damaged")
    if position > len(body):
        raise FormatError("is cut off")
    return position


def write(pixels: Pixels) -> bytes:
    """Write linear RGB (H, W, 3)."""
    written, content = cv2.imencode(".hdr", np.ascontiguousarray(pixels[:, :, ::-1]))
    if not written:
        raise ValueError("OpenCV cannot write this picture as HDR")
    return content.tobytes()
