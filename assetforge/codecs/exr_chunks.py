"""The chunk table of an OpenEXR file, checked before the library opens it.

The library reports a file that is cut off on stdout, where a program may be writing its own report, and goes on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from assetforge.codecs.raster import FormatError, check_size

_VERSION_AT, _HEADERS_AT = 4, 8
_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32)
"""Rows in a chunk, by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB, HTJ2K256, HTJ2K32."""


@dataclass(frozen=True)
class _Header:
    attributes: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def chunks(self) -> int:
        """Number of chunks of scanlines."""
        if b"chunkCount" in self.attributes:
            (count,) = struct.unpack("<i", self.attributes[b"chunkCount"])
            return max(int(count), 0)
        left, top, right, bottom = struct.unpack("<4i", self.attributes[b"dataWindow"])
        check_size(right - left + 1, bottom - top + 1)
        lines = _LINES[self.attributes[b"compression"][0]]
        return int(-(-(bottom - top + 1) // lines))


def check(content: bytes) -> None:
    """Raise FormatError where a file of scanlines does not hold all that its headers and its table announce."""
    try:
        (version,) = struct.unpack_from("<I", content, _VERSION_AT)
        if version & _DEEP:
            raise FormatError("holds deep pixels; flatten it")
        headers, position = _headers(content, multipart=bool(version & _MULTIPART))
        if version & _TILED or any(b"tiles" in header.attributes for header in headers):
            return  # how many tiles there are depends on levels and rounding: the library knows
        for header in headers:
            _check_table(content, position, header.chunks, 4 if version & _MULTIPART else 0)
            position += 8 * header.chunks
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise FormatError("is cut off or damaged: its headers cannot be read") from error


def _headers(content: bytes, *, multipart: bool) -> tuple[list[_Header], int]:
    headers, position = [], _HEADERS_AT
    while True:
        header, position = _header(content, position)
        headers.append(header)
        if not multipart:
            return headers, position
        if content[position] == 0:  # an empty header ends the list
            return headers, position + 1


def _header(content: bytes, position: int) -> tuple[_Header, int]:
    """Read one header: name, type, size and value of each attribute, up to an empty name."""
    attributes: dict[bytes, bytes] = {}
    while content[position]:
        end = content.index(b"\0", position)
        name, position = content[position:end], content.index(b"\0", end + 1) + 1
        (size,) = struct.unpack_from("<i", content, position)
        if size < 0 or position + 4 + size > len(content):
            raise FormatError("is cut off")
        attributes[name] = content[position + 4 : position + 4 + size]
        position += 4 + size
    return _Header(attributes), position + 1


def _check_table(content: bytes, position: int, count: int, part_bytes: int) -> None:
    """Follow each offset to its chunk: part (of several), row, size, data."""
    if position + 8 * count > len(content):
        raise FormatError("is cut off")
    for offset in struct.unpack_from(f"<{count}Q", content, position):
        start = offset + part_bytes + 8
        if offset == 0 or start > len(content):
            raise FormatError("is cut off")
        (size,) = struct.unpack_from("<i", content, start - 4)
        if size < 0 or start + size > len(content):
            raise FormatError("is cut off")
