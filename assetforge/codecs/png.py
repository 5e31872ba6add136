"""PNG: its structure is checked in full, as readers pass over what is cut off."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np
from PIL import Image

from assetforge.codecs.raster import ORIENTATION, FormatError, Pixels, Raster, check_size, orient

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 2**24
_PALETTE = 3
_HEADER_END = 33
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bit depths by color type: gray, RGB, palette, gray and alpha, RGBA."""
_OF_PIXELS = (b"PLTE", b"tRNS", b"IDAT", b"IEND")


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    body: memoryview
    whole: memoryview


def read(content: bytes) -> Raster:
    """Read a file of any depth and color type; 16 bits stay 16, a palette becomes RGB, its transparency alpha.

    The chunks gAMA, cHRM and sRGB are ignored: many tools wrote them wrongly, and color that is not sRGB has a profile.
    """
    walk = _chunks(content)
    depth, color_type = _header(next(walk))
    chunks = [*walk]
    if not any(chunk.kind == b"IDAT" for chunk in chunks):
        raise FormatError("is damaged: it has no pixels")
    found = {chunk.kind: bytes(chunk.body) for chunk in chunks if chunk.kind in (b"iCCP", b"eXIf")}
    pixels = orient(_pixels(content, chunks), _orientation(found.get(b"eXIf", b"")))
    profile = _profile(found[b"iCCP"]) if b"iCCP" in found else None
    return Raster(pixels, profile, widened=depth < 8 and color_type != _PALETTE)


def _header(chunk: _Chunk) -> tuple[int, int]:
    """Return bit depth and color type; what they may be is judged here, as libpng complains on stderr."""
    if chunk.kind != b"IHDR" or len(chunk.body) != 13:
        raise FormatError("is damaged: it does not begin with a header")
    width, height, depth, color_type, packing, filters, interlace = struct.unpack(">IIBBBBB", chunk.body)
    check_size(width, height)
    if depth not in _DEPTHS.get(color_type, ()) or packing or filters or interlace > 1:
        raise FormatError("is damaged: its header is not valid")
    return depth, color_type


def _chunks(content: bytes) -> Iterator[_Chunk]:
    """Walk all chunks with their checksums, to the end mark."""
    view, position, kind = memoryview(content), len(SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(content):
            raise FormatError("is cut off")
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            raise FormatError("is cut off")
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            raise FormatError(f"is damaged: the checksum of a {kind.decode('latin-1')} chunk is wrong")
        yield _Chunk(kind, view[position + 8 : end - 4], view[position:end])
        position = end


def _pixels(content: bytes, chunks: list[_Chunk]) -> Pixels:
    """Decode what makes the pixels, and nothing else: libpng complains about other chunks on stderr.

    Pillow would reduce 16-bit color to 8, and take missing rows for black ones.
    """
    needed = b"".join([content[:_HEADER_END], *(chunk.whole for chunk in chunks if chunk.kind in _OF_PIXELS)])
    try:
        pixels: Pixels = np.asarray(imagecodecs.png_decode(needed))
    except (imagecodecs.PngError, ValueError, RuntimeError) as error:
        raise FormatError(f"is damaged: {error}") from error
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _profile(body: bytes) -> bytes:
    """Unpack an embedded profile; a broken one comes back as it is, to be named where color needs it."""
    _, _, packed = body.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], MAX_PROFILE) or body
    except zlib.error:
        return body


def _orientation(exif: bytes) -> int:
    if not exif:
        return 1
    tags = Image.Exif()
    try:
        tags.load(exif)
    except (SyntaxError, ValueError, KeyError, struct.error, OSError):
        return 1  # what cannot be read turns nothing, as in every viewer
    value = tags.get(ORIENTATION, 1)
    return value if isinstance(value, int) else 1
