"""Pixels as GPUs lay them out, and back: one picture of a chain of smaller ones.

Reading imports no torch, and nothing but reading and writing imports imagecodecs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assetforge.codecs.gpu_formats import BLOCK, Layout
from assetforge.codecs.raster import CutOffError, FormatError, Pixels

BAND = 64
"""Rows that are compressed at a time: a multiple of 4."""
_TYPES: dict[str, Any] = {"u8": np.uint8, "u16": np.uint16, "f16": np.float16, "f32": np.float32}
_BCN = {"bc1": 1, "bc2": 2, "bc3": 3, "bc6h": 6, "bc7": 7}
"""The numbers of block formats in imagecodecs."""


def written(pixels: Pixels, layout: Layout) -> bytes:
    """Return the bytes of (H, W, C) in a layout. Rows are taken some at a time, so that little is in memory at once."""
    if layout.numbers != "block":
        return _plain(pixels, layout.channels).tobytes()
    from assetforge.codecs.gpu_blocks import compressed  # which imports torch

    height = pixels.shape[0]
    return b"".join(compressed(pixels[top : top + BAND], layout.compression) for top in range(0, height, BAND))


def _plain(pixels: Pixels, channels: int) -> Pixels:
    """Return pixels with so many channels; alpha that is added is opaque."""
    missing = channels - pixels.shape[2]
    if missing <= 0:
        return np.ascontiguousarray(pixels[:, :, :channels], pixels.dtype.newbyteorder("<"))
    opaque = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    added = np.full((*pixels.shape[:2], missing), opaque, pixels.dtype)
    return np.concatenate([pixels, added], 2)


def read(content: bytes | memoryview, layout: Layout, width: int, height: int) -> Pixels:
    """Return the pixels (H, W, C) of a layout: RGB or RGBA, or one channel.

    Two channels get a third, blue: what a vector of length 1 has, whose x and y they are. Signed numbers become those
    that stand for the same in files without a sign. Raises CutOffError where bytes are missing.
    """
    size = layout.level_bytes(width, height)
    if len(content) < size:
        raise CutOffError
    pixels = _read_plain(content[:size], layout, width, height)
    if layout.numbers == "block":
        pixels = _read_blocks(bytes(content[:size]), layout, width, height)
    if layout.bgr:
        pixels = pixels[:, :, [2, 1, 0, 3]]
    return with_blue(pixels) if pixels.shape[2] == 2 else pixels


def _read_plain(content: bytes | memoryview, layout: Layout, width: int, height: int) -> Pixels:
    if layout.numbers == "block":
        return np.empty((0, 0, 0))
    kind = np.dtype(_TYPES[layout.numbers]).newbyteorder("<")
    pixels = np.frombuffer(content, kind).reshape(height, width, layout.channels)
    return pixels.astype(kind.newbyteorder("="))


def _read_blocks(content: bytes, layout: Layout, width: int, height: int) -> Pixels:
    if layout.compression in ("bc4", "bc5"):
        words = np.frombuffer(content, "<u8").reshape(-1, layout.channels)
        planes = [_bc4(words[:, channel], width, height, signed=layout.signed) for channel in range(layout.channels)]
        return np.stack(planes, 2)
    import imagecodecs  # here: what asks whether a file has its end needs no pixels

    wide, high = -(-width // BLOCK) * BLOCK, -(-height // BLOCK) * BLOCK
    number = _BCN[layout.compression]
    try:
        shape = (high, wide, 3 if number == 6 else 4)
        decoded: Pixels = np.asarray(imagecodecs.bcn_decode(content, -number if layout.signed else number, shape=shape))
    except (imagecodecs.BcnError, ValueError, RuntimeError) as error:
        raise FormatError("is cut off or damaged") from error
    return np.ascontiguousarray(decoded[:height, :width, : layout.channels])


def _bc4(words: Pixels, width: int, height: int, *, signed: bool) -> Pixels:
    """Decode blocks of 8 bytes to uint16 (H, W), as the values between two ends are no codes of 8 bits."""
    ends = np.stack([words & 0xFF, words >> np.uint64(8) & 0xFF]).astype(np.int64)
    if signed:
        ends = np.maximum((ends ^ 0x80) - 0x80, -127)
    lowest, highest = (-127, 127) if signed else (0, 255)
    first, second = ends
    eight = first > second
    table = np.empty((8, len(words)))
    table[0], table[1] = first, second
    for step in range(1, 7):
        long = ((7 - step) * first + step * second) / 7
        short = ((5 - step) * first + step * second) / 5 if step < 5 else (lowest if step == 5 else highest)
        table[step + 1] = np.where(eight, long, short)
    shifts = (16 + 3 * np.arange(BLOCK * BLOCK, dtype=np.uint64)).astype(np.uint64)
    indices = (words[:, None] >> shifts & np.uint64(7)).astype(np.int64)
    values = np.take_along_axis(table.T, indices, 1)
    codes = np.rint((values - lowest) * (65535 / (highest - lowest))).astype(np.uint16)
    across, down = -(-width // BLOCK), -(-height // BLOCK)
    picture = codes.reshape(down, across, BLOCK, BLOCK).transpose(0, 2, 1, 3).reshape(down * BLOCK, across * BLOCK)
    return np.ascontiguousarray(picture[:height, :width])


def with_blue(pixels: Pixels) -> Pixels:
    """Add to red and green, x and y of unit vectors, the blue of their z."""
    if pixels.dtype.kind == "f":
        x, y = (pixels[:, :, channel].astype(np.float32) for channel in range(2))
        blue = np.sqrt(np.clip(1 - x * x - y * y, 0, None)).astype(pixels.dtype)
        return np.concatenate([pixels, blue[:, :, None]], 2)
    top = np.iinfo(pixels.dtype).max
    blue = np.empty((*pixels.shape[:2], 1), pixels.dtype)
    for row in range(0, len(pixels), BAND):
        x, y = (pixels[row : row + BAND, :, channel] * np.float32(2 / top) - 1 for channel in range(2))
        z = np.sqrt(np.clip(1 - x * x - y * y, 0, None))
        blue[row : row + BAND, :, 0] = np.rint((z * 0.5 + 0.5) * top)
    return np.concatenate([pixels, blue], 2)
