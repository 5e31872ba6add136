"""Whether a picture's file has its end, told without decoding it: a file that is still being copied has not.

The size does not tell: network drives and browsers reserve all of it before they write the first byte.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from assetforge.codecs import exr_chunks
from assetforge.codecs.raster import FormatError

End = Literal["there", "missing", "unknown"]

_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_TAIL = 2**16
"""Bytes that programs may append to a PNG or JPEG file."""
_ZEROS = 4096
"""A file that ends in so many zeros was reserved and is not written yet; or it is black and not compressed."""
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_SIZES = {1: "B", 3: "H", 4: "I"}
"""TIFF types of unsigned integers."""
_OFFSETS, _COUNTS = (273, 324), (279, 325)
"""TIFF tags: where strips and tiles are, and how long each is."""


def end_of(path: Path) -> End:
    """Tell whether the end of a file is there; raise OSError where it cannot be read."""
    if path.stat().st_size == 0:
        return "missing"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return "there" if _is_whole(content) else "missing" if _is_known(content) else "unknown"


def _is_known(content: mmap.mmap) -> bool:
    start = content[:4]
    return start in (b"\x89PNG", b"RIFF", b"\x76\x2f\x31\x01", *_TIFF) or start[:3] == b"\xff\xd8\xff" or not any(start)


def _is_whole(content: mmap.mmap) -> bool:
    start = content[:4]
    tail = max(0, len(content) - _TAIL)
    if start == b"\x89PNG":
        return content.rfind(_PNG_END, tail) >= 0
    if start[:3] == b"\xff\xd8\xff":
        return content.rfind(_JPEG_END, tail) >= 0
    if not any(content[-_ZEROS:]):
        return False
    if start == b"RIFF":
        return len(content) >= int.from_bytes(content[4:8], "little") + 8
    if start == b"\x76\x2f\x31\x01":
        return _is_whole_exr(content)
    return start in _TIFF and _is_whole_tiff(content, _TIFF[start])


def _is_whole_exr(content: mmap.mmap) -> bool:
    try:
        exr_chunks.check(content[:])
    except FormatError as error:
        return "cut off" not in str(error)  # whatever else is wrong with it, it will stay so
    return True


def _is_whole_tiff(content: mmap.mmap, order: str) -> bool:
    try:
        (directory,) = struct.unpack_from(f"{order}I", content, 4)
        entries = dict(_entries(content, order, directory))
        pieces = [
            (offset, count)
            for offsets, counts in zip(_OFFSETS, _COUNTS, strict=True)
            for offset, count in zip(entries.get(offsets, ()), entries.get(counts, ()), strict=False)
        ]
    except struct.error:
        return False
    return bool(pieces) and all(offset > 0 and offset + count <= len(content) for offset, count in pieces)


def _entries(content: mmap.mmap, order: str, directory: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the tags of a TIFF directory that hold unsigned integers."""
    if directory == 0:  # it is written last
        return
    (count,) = struct.unpack_from(f"{order}H", content, directory)
    for index in range(count):
        at = directory + 2 + 12 * index
        tag, kind, length = struct.unpack_from(f"{order}HHI", content, at)
        if kind in _SIZES and tag in (*_OFFSETS, *_COUNTS):
            layout = f"{order}{length}{_SIZES[kind]}"
            if struct.calcsize(layout) > 4:
                (at_values,) = struct.unpack_from(f"{order}I", content, at + 8)
            else:
                at_values = at + 8
            yield tag, struct.unpack_from(layout, content, at_values)
