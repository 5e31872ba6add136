"""PNG: its structure is checked in full, as readers pass over what is cut off."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

from assetforge.codecs.raster import FormatError, Pixels, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIXTEEN = 16


def check(content: bytes) -> int:
    """Walk all chunks with their checksums; return the bit depth. Raise FormatError where something is missing."""
    position, depth = len(SIGNATURE), 0
    while True:
        if position + 12 > len(content):
            raise FormatError("is cut off")
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            raise FormatError("is cut off")
        body = memoryview(content)[position + 4 : end - 4]
        if zlib.crc32(body) != struct.unpack_from(">I", content, end - 4)[0]:
            raise FormatError(f"is damaged: the checksum of a {kind.decode('latin-1')} chunk is wrong")
        if kind == b"IHDR":
            depth = _header(bytes(body[4:]))
        elif not depth:
            raise FormatError("is damaged: it does not begin with a header")
        if kind == b"IEND":
            return depth
        position = end


def _header(body: bytes) -> int:
    if len(body) != 13:
        raise FormatError("is damaged: its header has the wrong length")
    width, height, depth = struct.unpack_from(">IIB", body)
    check_size(width, height)
    return int(depth)


def read_sixteen(content: bytes) -> Pixels:
    """Read a PNG of 16 bits; Pillow would reduce its colors to 8."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise FormatError("is damaged: its pixels cannot be decoded")
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] == 4:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    elif pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels
