"""PNG: its structure is checked in full, as readers pass over what is cut off.

W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 2025.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import BinaryIO

import imagecodecs
import numpy as np

from assetforge.codecs import exif
from assetforge.codecs.raster import (
    CutOffError,
    FormatError,
    Pixels,
    Raster,
    check_size,
    exactly,
    look_up,
    orient,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 2**24
GRAY, PALETTE, ALPHA_BIT = 0, 3, 4
"""Color types, and the bit that those with alpha have."""
_HEADER_END, _COLOR_TYPE_AT = 33, 25
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bit depths by color type: gray, RGB, palette, gray and alpha, RGBA."""
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By the number of channels."""
_LAST_FILTER = 4
_AT_ONCE = 2**28
"""Bytes of pixels that are packed in one piece."""
_BAND = 64
"""Rows that are filtered at a time, which a core's cache holds."""
_READ = (b"IDAT", b"IEND", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL", b"cICP")
"""Chunks that are looked at; of others there may be any number."""
_SRGB = bytes([1, 13, 0, 1])
"""The code points of sRGB in a chunk cICP: primaries, transfer, matrix, full range (ITU-T H.273)."""


@dataclass(frozen=True)
class _Header:
    """What the first chunk says."""

    width: int
    height: int
    depth: int
    color_type: int
    interlace: int

    @property
    def chunk(self) -> bytes:
        """The chunk as it stands in a file."""
        body = struct.pack(">IIBBBBB", self.width, self.height, self.depth, self.color_type, 0, 0, self.interlace)
        return b"".join(_chunk(b"IHDR", body))


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
    header = _header(next(walk))
    chunks = [chunk for chunk in walk if chunk.kind in _READ]
    if not any(chunk.kind == b"IDAT" for chunk in chunks):
        raise FormatError("is damaged: it has no pixels")
    found = {chunk.kind: bytes(chunk.body) for chunk in chunks if chunk.kind != b"IDAT"}
    profile = _profile(found[b"iCCP"]) if b"iCCP" in found else None
    tags, flags = exif.load(found.get(b"eXIf", b"")), _flags(found)
    orientation, shot = exif.orientation_in(tags), exif.shot_in(tags)
    if header.color_type == PALETTE:
        indices = orient(_indices(header, chunks), orientation)
        pixels, beyond = look_up(indices, _palette(found))
        return Raster(pixels, profile, indices=indices, shot=shot, flags=(*flags, *beyond))
    pixels = orient(_decoded(header, chunks, (b"tRNS", b"IDAT", b"IEND")), orientation)
    return Raster(pixels, profile, widened=header.depth < 8, shot=shot, flags=flags)


def write(pixels: Pixels, effort: int) -> bytes:
    """Write (H, W, C), uint8 or uint16, with an effort of 0 to 9.

    libpng tries five filters on each row, and packs by zlib: three filters and libdeflate make files of the same size
    in a fifth of the time. A very large picture is packed by zlib, as libdeflate would need all of it at once.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, _COLOR_TYPES[channels], 0, 0, 0)
    data = (_chunk(b"IDAT", part) for part in _packed(_filtered(pixels), pixels.nbytes, effort))
    return b"".join(chain([SIGNATURE], _chunk(b"IHDR", header), *data, _chunk(b"IEND", b"")))


def _packed(filtered: Iterable[memoryview], size: int, effort: int) -> Iterator[bytes]:
    """Pack rows of so many bytes in all."""
    if size <= _AT_ONCE:
        yield bytes(imagecodecs.deflate_encode(b"".join(filtered), level=effort))
        return
    squeeze = zlib.compressobj(effort)
    for rows in filtered:
        if packed := squeeze.compress(rows):
            yield packed
    yield squeeze.flush()


def checked(content: bytes) -> tuple[int, int, int]:
    """Return the height, width and channels of a file of `write`; raise FormatError unless its pixels can be unpacked.

    All is unpacked and compared with its checksums, as a reader would, but for the sums over neighbors.
    """
    walk = _chunks(content)
    header = _header(next(walk))
    channels = {color_type: count for count, color_type in _COLOR_TYPES.items()}[header.color_type]
    line = 1 + header.width * channels * header.depth // 8
    packed = b"".join(chunk.body for chunk in walk if chunk.kind == b"IDAT")
    try:
        rows = np.frombuffer(imagecodecs.deflate_decode(packed, out=header.height * line), np.uint8)
    except (imagecodecs.DeflateError, ValueError, RuntimeError) as error:
        raise FormatError("is damaged: its pixels cannot be unpacked") from error
    if rows.size != header.height * line or (rows[::line] > _LAST_FILTER).any():
        raise FormatError("is damaged: its rows are not whole")
    return header.height, header.width, channels


def _filtered(pixels: Pixels) -> Iterator[memoryview]:
    """Replace each byte by how it differs from its neighbors, so that it packs well; rows tell from which.

    Of the filters Sub, Up and Average, a row has the one of the least sum. Paeth's would gain nothing beside them.
    """
    _, width, channels = pixels.shape
    step = channels * pixels.dtype.itemsize
    above = np.zeros((1, width * step), np.uint8)
    for top in range(0, len(pixels), _BAND):
        part = pixels[top : top + _BAND]
        band = np.ascontiguousarray(part, part.dtype.newbyteorder(">")).view(np.uint8).reshape(len(part), -1)
        over, above = np.concatenate([above, band[:-1]]), band[-1:]
        left = np.zeros_like(band)
        left[:, step:] = band[:, :-step]
        filters = {1: band - left, 2: band - over, 3: band - ((left & over) + ((left ^ over) >> 1))}
        sums = [np.minimum(one, -one).sum(1, dtype=np.uint64) for one in filters.values()]
        least = np.argmin(sums, 0) + 1
        made = np.empty((len(band), band.shape[1] + 1), np.uint8)
        made[:, 0] = least
        for kind, values in filters.items():
            made[least == kind, 1:] = values[least == kind]
        yield made.data


def _chunk(kind: bytes, body: bytes | memoryview) -> tuple[bytes, bytes, bytes | memoryview, bytes]:
    return struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def has_alpha(file: BinaryIO) -> bool:
    """Tell from what stands before the pixels whether there is transparency."""
    color_type = exactly(file, _HEADER_END)[_COLOR_TYPE_AT]
    while not color_type & ALPHA_BIT:
        length, kind = struct.unpack(">I4s", exactly(file, 8))
        if kind in (b"tRNS", b"IDAT", b"IEND"):
            return bool(kind == b"tRNS")
        file.seek(length + 4, os.SEEK_CUR)
    return True


def _header(chunk: _Chunk) -> _Header:
    """Read the first chunk; what may be in it is judged here, as libpng complains on stderr."""
    if chunk.kind != b"IHDR" or len(chunk.body) != 13:
        raise FormatError("is damaged: it does not begin with a header")
    width, height, depth, color_type, packing, filters, interlace = struct.unpack(">IIBBBBB", chunk.body)
    check_size(width, height)
    if depth not in _DEPTHS.get(color_type, ()) or packing or filters or interlace > 1:
        raise FormatError("is damaged: its header is not valid")
    return _Header(width, height, depth, color_type, interlace)


def _chunks(content: bytes) -> Iterator[_Chunk]:
    """Walk all chunks with their checksums, to the end mark."""
    view, position, kind = memoryview(content), len(SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(content):
            raise CutOffError
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 12 + length
        if end > len(content):
            raise CutOffError
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            raise FormatError(f"is damaged: the checksum of a {kind.decode('latin-1')} chunk is wrong")
        yield _Chunk(kind, view[position + 8 : end - 4], view[position:end])
        position = end


def _decoded(header: _Header, chunks: list[_Chunk], kinds: tuple[bytes, ...]) -> Pixels:
    """Decode the chunks that make the pixels, and no others: libpng complains about some on stderr.

    Pillow would reduce 16-bit color to 8, and take missing rows for black ones.
    """
    needed = b"".join([SIGNATURE, header.chunk, *(chunk.whole for chunk in chunks if chunk.kind in kinds)])
    try:
        pixels: Pixels = np.asarray(imagecodecs.png_decode(needed))
    except (imagecodecs.PngError, ValueError, RuntimeError) as error:
        raise FormatError("is damaged: its pixels cannot be unpacked") from error
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _indices(header: _Header, chunks: list[_Chunk]) -> Pixels:
    """Return what the pixels of a palette file are: read as gray, of which libpng fills the range."""
    gray = _decoded(replace(header, color_type=GRAY), chunks, (b"IDAT", b"IEND"))
    indices: Pixels = gray // (255 // (2**header.depth - 1))
    return indices


def _palette(found: dict[bytes, bytes]) -> Pixels:
    """Return the palette (N, 3), or (N, 4) with its transparency; entries without one are opaque."""
    packed = found.get(b"PLTE", b"")
    if not packed or len(packed) % 3:
        raise FormatError("is damaged: its palette is missing or not whole")
    colors = np.frombuffer(packed, np.uint8).reshape(-1, 3)
    if b"tRNS" not in found:
        return colors
    alpha = np.full((len(colors), 1), 255, np.uint8)
    given = np.frombuffer(found[b"tRNS"], np.uint8)[: len(colors)]
    alpha[: len(given), 0] = given
    return np.concatenate([colors, alpha], 1)


def _flags(found: dict[bytes, bytes]) -> tuple[str, ...]:
    flags = []
    if int.from_bytes(found.get(b"acTL", b"")[:4], "big") > 1:
        flags.append("is animated; its first frame is read")
    if found.get(b"cICP", _SRGB) != _SRGB:
        flags.append("names by cICP a color space that is not applied; color is read as if it did not")
    return tuple(flags)


def _profile(body: bytes) -> bytes:
    """Unpack an embedded profile; a broken one comes back as it is, to be named where color needs it."""
    _, _, packed = body.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], MAX_PROFILE) or body
    except zlib.error:
        return body
