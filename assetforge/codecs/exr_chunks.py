"""The headers and the chunk table of an OpenEXR file, checked before the library opens it.

The library reports a file that is cut off on stdout, where a program may be writing its own report, and goes on.
OpenEXR, "File Layout" and "Technical Introduction", 2024.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, overload

from assetforge.codecs.raster import CutOffError, FormatError, check_size

_VERSION_AT, _HEADERS_AT = 4, 8
_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32)
"""Rows in a chunk, by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB, HTJ2K256, HTJ2K32."""
_MIPMAP, _RIPMAP = 1, 2
_CHANNEL_BYTES = 16
"""What follows the name of a channel in the list of channels."""
_LONGEST_NAME, _LARGEST_VALUE = 256, 2**26
"""Bytes of the name and the value of an attribute: names have 255 at most, and the largest value is a preview."""
_AT_ONCE = 2**16
"""Entries of a table that are looked at together."""


class Content(Protocol):
    """A file's bytes: all of them, or those that are asked for."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    @overload
    def __getitem__(self, key: int, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...


class FileContent:
    """The bytes of an opened file, of which only those are read that are asked for."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Keep a file of such a size, in bytes."""
        self._file, self._size = file, size

    def __len__(self) -> int:
        """Return its size."""
        return self._size

    @overload
    def __getitem__(self, key: int, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    def __getitem__(self, key: int | slice, /) -> int | bytes:
        """Read a byte, or several that follow each other."""
        if isinstance(key, int):
            return self[key : key + 1][0]
        start, stop, _ = key.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(0, stop - start))


@dataclass(frozen=True)
class _Header:
    attributes: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def is_tiled(self) -> bool:
        return b"tiles" in self.attributes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        left, top, right, bottom = struct.unpack("<4i", self.attributes[b"dataWindow"])
        check_size(right - left + 1, bottom - top + 1)
        return right - left + 1, bottom - top + 1

    @property
    def chunks(self) -> int:
        """Number of chunks of scanlines or tiles, of all levels."""
        if b"chunkCount" in self.attributes:
            (count,) = struct.unpack("<i", self.attributes[b"chunkCount"])
            return max(int(count), 0)
        if self.is_tiled:
            return _tiles(*self.size, *struct.unpack("<IIB", self.attributes[b"tiles"]))
        return self.needed

    @property
    def needed(self) -> int:
        """Number of chunks that the picture is made of: those of the first level, which come first in the table.

        Programs leave out other levels, the library's own among them.
        """
        if self.is_tiled:
            width, height, _ = struct.unpack("<IIB", self.attributes[b"tiles"])
            return _tiles(*self.size, width, height, 0)
        return int(-(-self.size[1] // _LINES[self.attributes[b"compression"][0]]))

    @property
    def channels(self) -> Iterator[bytes]:
        """The names of the channels."""
        listed = self.attributes[b"channels"]
        position = 0
        while listed[position]:
            end = listed.index(b"\0", position)
            yield listed[position:end]
            position = end + 1 + _CHANNEL_BYTES


def check(content: Content) -> None:
    """Raise FormatError where a file does not hold all that its headers and its table announce."""
    with _naming_damage():
        headers, position, part_bytes = _read_headers(content)
        for header in headers:
            if header.chunks < header.needed or position + 8 * header.chunks > len(content):
                raise CutOffError
            _check_chunks(content, position, header.needed, part_bytes + (16 if header.is_tiled else 4))
            position += 8 * header.chunks


def channel_names(content: Content) -> list[str]:
    """Return the names of the channels of all parts; raise FormatError where the headers cannot be read."""
    with _naming_damage():
        headers, _, _ = _read_headers(content)
        return [name.decode("utf-8", "replace") for header in headers for name in header.channels]


@contextmanager
def _naming_damage() -> Iterator[None]:
    """Turn what reading a broken header raises into an error that says so."""
    try:
        yield
    except (struct.error, LookupError, ValueError, ZeroDivisionError) as error:
        raise CutOffError("is cut off or damaged: its headers cannot be read") from error


def _read_headers(content: Content) -> tuple[list[_Header], int, int]:
    """Return the headers, the place of the first table, and the bytes by which a chunk names its part."""
    (version,) = struct.unpack("<I", content[_VERSION_AT : _VERSION_AT + 4])
    if version & _DEEP:
        raise FormatError("holds deep pixels; flatten it")
    headers, position = _headers(content, multipart=bool(version & _MULTIPART))
    if version & _TILED and not headers[0].is_tiled:
        raise FormatError("is damaged: it does not say how large its tiles are")
    return headers, position, 4 if version & _MULTIPART else 0


def _headers(content: Content, *, multipart: bool) -> tuple[list[_Header], int]:
    headers, position = [], _HEADERS_AT
    while True:
        header, position = _header(content, position)
        headers.append(header)
        if not multipart:
            return headers, position
        if content[position] == 0:  # an empty header ends the list
            return headers, position + 1


def _header(content: Content, position: int) -> tuple[_Header, int]:
    """Read one header: name, type, size and value of each attribute, up to an empty name."""
    attributes: dict[bytes, bytes] = {}
    while content[position]:
        name, position = _name(content, position)
        _, position = _name(content, position)
        (size,) = struct.unpack("<i", content[position : position + 4])
        if not 0 <= size <= _LARGEST_VALUE or position + 4 + size > len(content):
            raise CutOffError
        attributes[name] = content[position + 4 : position + 4 + size]
        position += 4 + size
    return _Header(attributes), position + 1


def _name(content: Content, position: int) -> tuple[bytes, int]:
    """Return a name that ends with 0, and the place after it."""
    name, end, _ = content[position : position + _LONGEST_NAME].partition(b"\0")
    if not end:
        raise CutOffError
    return name, position + len(name) + 1


def _tiles(width: int, height: int, tile_width: int, tile_height: int, mode: int) -> int:
    """Count the tiles of all levels: one, those of a mipmap, or those of a ripmap, halved in each axis alone."""
    levels, up = mode & 15, bool(mode >> 4)
    if levels == _RIPMAP:
        across = sum(-(-size // tile_width) for size in _halved(width, width, up=up))
        return across * sum(-(-size // tile_height) for size in _halved(height, height, up=up))
    longest = max(width, height) if levels == _MIPMAP else 1
    sizes = zip(_halved(width, longest, up=up), _halved(height, longest, up=up), strict=True)
    return sum(-(-wide // tile_width) * -(-high // tile_height) for wide, high in sizes)


def _halved(size: int, longest: int, *, up: bool) -> list[int]:
    """Return a size at each of the levels that a longest side has, rounded up or down."""
    levels = (longest - 1).bit_length() if up else longest.bit_length() - 1
    return [max(-(-size // 2**level) if up else size >> level, 1) for level in range(levels + 1)]


def _check_chunks(content: Content, position: int, count: int, leader: int) -> None:
    """Follow offsets to their chunks: `leader` bytes of where it belongs, size, data."""
    for first in range(0, count, _AT_ONCE):
        table = content[position + 8 * first : position + 8 * min(first + _AT_ONCE, count)]
        for (offset,) in struct.iter_unpack("<Q", table):
            start = offset + leader + 4
            if offset == 0 or start > len(content):
                raise CutOffError
            (size,) = struct.unpack("<i", content[start - 4 : start])
            if size < 0 or start + size > len(content):
                raise CutOffError
