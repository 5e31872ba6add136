"""Where the five sections of a Photoshop document are, told without decoding it.

Adobe, "Photoshop File Formats Specification", 2019: header, color mode data, image resources, layers and masks, merged
picture. All numbers are big-endian. A large document (PSB, version 2) has longer lengths in some places.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from assetforge.codecs.raster import CutOffError, FormatError, exactly

SIGNATURE = b"8BPS"
RAW, RLE = 0, 1
_LARGE = 2
_LONG = (b"LMsk", b"Lr16", b"Lr32", b"Layr", b"Mt16", b"Mt32", b"Mtrn", b"Alph", b"FMsk", b"lnk2", b"FEid", b"FXid",
         b"PxSD")  # fmt: skip
"""Blocks whose lengths are longer in a large document."""
_LAYERS = (b"Layr", b"Lr16", b"Lr32")
_MERGED_ALPHA = (b"Mtrn", b"Mt16", b"Mt32")

Span = tuple[int, int]
"""Where something begins in a file, and its length."""


@dataclass(frozen=True)
class Sections:
    """What the header says, and where the other sections are."""

    is_large: bool
    channels: int
    height: int
    width: int
    depth: int
    mode: int
    colors: Span
    resources: Span
    layers: Span
    start: int
    """Where the merged picture begins."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of one channel that is not compressed."""
        return (self.width * self.depth + 7) // 8

    @property
    def rows(self) -> int:
        """Rows of all channels of the merged picture."""
        return self.height * self.channels


def read_sections(file: BinaryIO) -> Sections:
    """Find all before the merged picture, where the file then stands; raise FormatError where it is damaged."""
    signature, version, channels, height, width, depth, mode = struct.unpack(">4sH6xHIIHH", exactly(file, 26))
    if signature != SIGNATURE or version not in (1, _LARGE):
        raise FormatError("is damaged, or a kind of PSD that is not read")
    wide = ">Q" if version == _LARGE else ">I"
    colors, others, layers = _skip(file, ">I"), _skip(file, ">I"), _skip(file, wide)
    return Sections(version == _LARGE, channels, height, width, depth, mode, colors, others, layers, file.tell())


def end(file: BinaryIO) -> int:
    """Return the size that a file must have at least; raise CutOffError where what tells it is missing."""
    parts = read_sections(file)
    compression = _number(file, ">H")
    if compression == RLE:
        return sum(row_counts(file, parts)) + file.tell()
    return file.tell() + (parts.rows * parts.row_bytes if compression == RAW else 0)


def row_counts(file: BinaryIO, parts: Sections) -> tuple[int, ...]:
    """Return the bytes of each packed row of the merged picture."""
    counts = exactly(file, parts.rows * (4 if parts.is_large else 2))  # checks a number of rows that may be a lie
    return struct.unpack(f">{parts.rows}{'I' if parts.is_large else 'H'}", counts)


def _number(file: BinaryIO, layout: str) -> int:
    (number,) = struct.unpack(layout, exactly(file, struct.calcsize(layout)))
    return int(number)


def _skip(file: BinaryIO, layout: str) -> Span:
    """Read a length and pass over as many bytes."""
    length = _number(file, layout)
    start = file.tell()
    if start + length > file.seek(0, os.SEEK_END):
        raise CutOffError
    file.seek(start + length)
    return start, length


def resources(content: bytes) -> dict[int, bytes]:
    """Return the image resources by their numbers: signature, number, name and size, each padded to two bytes."""
    found: dict[int, bytes] = {}
    position = 0
    while position + 12 <= len(content) and content[position : position + 4] in (b"8BIM", b"MeSa", b"AgHg", b"PHUT"):
        (number, length) = struct.unpack_from(">HB", content, position + 4)
        position += 6 + (length + 2) // 2 * 2
        if position + 4 > len(content):
            break
        (size,) = struct.unpack_from(">I", content, position)
        found.setdefault(number, content[position + 4 : position + 4 + size])
        position += 4 + (size + 1) // 2 * 2
    return found


def has_merged_alpha(file: BinaryIO, parts: Sections) -> bool:
    """Tell whether the first channel beyond the colors is the merged picture's own alpha.

    A negative count of layers says so, or one of the blocks that 16 and 32 bits have in place of the layers.
    """
    start, length = parts.layers
    wide = ">Q" if parts.is_large else ">I"
    if length < struct.calcsize(wide) + 2:
        return False
    file.seek(start)
    if _number(file, wide):
        return _number(file, ">h") < 0
    blocks = _blocks(file, start + length, large=parts.is_large)
    return any(kind in _MERGED_ALPHA or (kind in _LAYERS and count < 0) for kind, count in blocks)


def _blocks(file: BinaryIO, stop: int, *, large: bool) -> Iterator[tuple[bytes, int]]:
    """Yield kind and first number of the blocks that follow the mask of all layers; each is padded to four bytes."""
    position = file.tell() + 4 + _number(file, ">I")
    while position + 12 <= stop:
        file.seek(position)
        signature, kind = struct.unpack(">4s4s", exactly(file, 8))
        if signature not in (b"8BIM", b"8B64"):
            return
        length = _number(file, ">Q" if large and kind in _LONG else ">I")
        begin = file.tell()
        yield kind, int.from_bytes(file.read(min(length, 2)), "big", signed=True)
        position = begin + (length + 3) // 4 * 4
