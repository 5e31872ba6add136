"""Whether a picture's file has its end, told without decoding it: a file that is still being copied has not.

The size does not tell: network drives and browsers reserve all of it before they write the first byte.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from assetforge.codecs import bmp, dds, exr_chunks, ktx2, psd_sections
from assetforge.codecs.raster import CutOffError, FormatError
from assetforge.codecs.regular import open_regular

End = Literal["there", "missing", "unknown"]

LFS_POINTER = b"version https://git-lfs"
"""What Git-LFS writes in place of a file that was not fetched begins so."""
_PNG_END = b"IEND\xaeB`\x82"
_KTX = ktx2.SIGNATURE[:4]
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
    """Tell whether the end of a file is there; raise OSError where it cannot be read.

    Nothing is mapped into memory: a file that another program truncates meanwhile would end this one.
    """
    size = path.stat().st_size
    if size == 0:
        return "missing"
    with open_regular(path) as file:
        start, tail = _piece(file, 0, 4), _piece(file, max(0, size - _TAIL), _TAIL)
        if _is_whole(file, size, start, tail):
            return "there"
    return "missing" if _is_known(start) else "unknown"


def is_lfs_pointer(path: Path) -> bool:
    """Tell whether a file stands for one that Git-LFS has not fetched."""
    try:
        with open_regular(path) as file:
            return file.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False


def _piece(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _is_known(start: bytes) -> bool:
    marks = (b"\x89PNG", b"RIFF", b"\x76\x2f\x31\x01", psd_sections.SIGNATURE, dds.SIGNATURE, _KTX, *_TIFF)
    return start in marks or start[:3] == b"\xff\xd8\xff" or start[:2] == b"BM" or not any(start)


def _is_whole(file: BinaryIO, size: int, start: bytes, tail: bytes) -> bool:
    if start == b"\x89PNG":
        return _PNG_END in tail
    if start[:3] == b"\xff\xd8\xff":
        return _JPEG_END in tail
    if not any(tail[-_ZEROS:]):
        return False
    if start == b"RIFF":
        return size >= int.from_bytes(_piece(file, 4, 4), "little") + 8
    if start in _TIFF:
        return _is_whole_tiff(file, size, _TIFF[start])
    try:
        return size >= _least_size(file, size, start)
    except FormatError as error:
        return not isinstance(error, CutOffError)  # whatever else is wrong with it, it will stay so


def _least_size(file: BinaryIO, size: int, start: bytes) -> float:
    """Return the size that the headers of the other formats ask for; raise CutOffError where they are not whole."""
    file.seek(0)
    if start == b"\x76\x2f\x31\x01":
        exr_chunks.check(exr_chunks.FileContent(file, size))
        return size
    if start == psd_sections.SIGNATURE:
        return psd_sections.end(file)
    if start == dds.SIGNATURE:
        return dds.end(file.read(dds.HEADERS))
    if start == _KTX:
        headers = file.read(ktx2.HEADERS)
        return ktx2.end(headers) if headers.startswith(ktx2.SIGNATURE) else size
    return bmp.header(file.read(bmp.HEADERS)).end if start[:2] == b"BM" else math.inf


def _is_whole_tiff(file: BinaryIO, size: int, order: str) -> bool:
    try:
        (directory,) = struct.unpack(f"{order}I", _piece(file, 4, 4))
        entries = dict(_entries(file, size, order, directory))
    except struct.error:
        return False
    pieces = [
        (offset, count)
        for offsets, counts in zip(_OFFSETS, _COUNTS, strict=True)
        for offset, count in zip(entries.get(offsets, ()), entries.get(counts, ()), strict=False)
    ]
    return bool(pieces) and all(offset > 0 and offset + count <= size for offset, count in pieces)


def _entries(file: BinaryIO, size: int, order: str, directory: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the tags of a TIFF directory that hold unsigned integers, and lie within the size of the file."""
    if directory == 0:  # it is written last
        return
    (count,) = struct.unpack(f"{order}H", _piece(file, directory, 2))
    for tag, kind, length, value in struct.iter_unpack(f"{order}HHI4s", _piece(file, directory + 2, 12 * count)):
        if kind in _SIZES and tag in (*_OFFSETS, *_COUNTS):
            layout = f"{order}{length}{_SIZES[kind]}"
            needed = struct.calcsize(layout)
            (at,) = struct.unpack(f"{order}I", value)
            if needed <= len(value):
                yield tag, struct.unpack(layout, value[:needed])
            elif at + needed <= size:  # or a header could ask for all the memory that there is
                yield tag, struct.unpack(layout, _piece(file, at, needed))
