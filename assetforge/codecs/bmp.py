"""BMP of 1 to 32 bits, as Windows and OS/2 write it.

Microsoft, "Bitmap Storage" and "BITMAPV5HEADER", Win32 API. Numbers are little-endian; rows are padded to 4 bytes and
stored from the bottom up, unless the height is negative.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from assetforge.codecs.raster import CutOffError, FormatError, Pixels, Raster, check_size, look_up, widen

_FILE_HEADER, _CORE, _INFO, _V3, _V5 = 14, 12, 40, 56, 124
"""Sizes of headers: of the file, OS/2's, Windows 3's, that with a mask of alpha, and that with a profile."""
HEADERS = _FILE_HEADER + _V5
"""Bytes of the longest headers."""
HEADER_SIZES = (_CORE, _INFO, 52, _V3, 64, 108, _V5)
RAW, RLE8, RLE4, MASKS, MASKS_AND_ALPHA = 0, 1, 2, 3, 6
_EMBEDDED = b"DEBM"
"""`MBED`, little-endian: the file has a profile."""
_BITS = (1, 2, 4, 8, 16, 24, 32)
_USUAL_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 24: (0xFF0000, 0xFF00, 0xFF, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}


@dataclass(frozen=True)
class Header:
    """What the headers say."""

    size: int
    """Bytes of the second header, which tells its kind."""
    start: int
    """Where the pixels begin in the file."""
    width: int
    height: int
    is_upward: bool
    """Whether the last row of the picture is stored first."""
    bits: int
    compression: int
    stored: int
    """Bytes of compressed pixels; 0 where it is not said."""
    colors: int
    """Entries of the palette; 0 for all that the bits allow."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row that is not compressed."""
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def end(self) -> int:
        """Bytes that the file has at least, as far as headers tell."""
        if self.compression in (RLE8, RLE4):
            return self.start + self.stored
        return self.start + self.height * self.row_bytes - (self.row_bytes - (self.width * self.bits + 7) // 8)


def header(content: bytes) -> Header:
    """Read the headers from the start of a file; raise FormatError where they are damaged."""
    try:
        start, size = struct.unpack_from("<II", content, 10)
        if size == _CORE:
            width, height, _, bits = struct.unpack_from("<HHHH", content, _FILE_HEADER + 4)
            compression = stored = colors = 0
        elif size in HEADER_SIZES:
            width, height, _, bits, compression, stored, _, _, colors = struct.unpack_from(
                "<iiHHIIiiI", content, _FILE_HEADER + 4
            )
        else:
            raise FormatError("is damaged, or a kind of BMP that is not read")
    except struct.error as error:
        raise CutOffError from error
    if bits not in _BITS:
        raise FormatError(f"has {bits} bits in a pixel; write 24")
    if bits <= 8 and start in (0, _FILE_HEADER + size):  # some programs forget that the palette comes before the pixels
        start = _FILE_HEADER + size + _entry_bytes(size) * (colors or 2**bits)
    return Header(size, start, width, abs(height), height > 0, bits, compression, stored, colors)


def _entry_bytes(size: int) -> int:
    """Return the bytes of a palette's entry, by the size of the second header."""
    return 3 if size == _CORE else 4


def read(content: bytes) -> Raster:
    """Read a file; a palette becomes RGB, and what masks take from 16 or 32 bits fills 8 or 16."""
    head = header(content)
    check_size(head.width, head.height)
    if head.bits <= 8:  # then there is a palette
        indices = _turned(_indices(content, head), head)
        pixels, flags = look_up(indices, _palette(content, head))
        return Raster(pixels, _profile(content, head), indices=indices, flags=flags)
    parts, masks = _turned(_parts(content, head), head), _masks(content, head)
    counts = [mask.bit_count() for mask in masks if mask]
    kind = np.uint8 if max(counts) <= 8 else np.uint16
    pixels = np.concatenate([_channel(parts, mask, kind) for mask in masks if mask], 2)
    flags = _flags_of_unnamed(parts, masks)
    return Raster(pixels, _profile(content, head), widened=any(count not in (8, 16) for count in counts), flags=flags)


def has_alpha(content: bytes) -> bool:
    """Tell from the first HEADERS bytes of a file whether its pixels have alpha."""
    head = header(content)
    return head.bits > 8 and any(_masks(content, head)[3:])


def _turned(pixels: Pixels, head: Header) -> Pixels:
    return np.ascontiguousarray(pixels[::-1]) if head.is_upward else pixels


def _rows(content: bytes, head: Header) -> Pixels:
    """Return the stored bytes, (H, row bytes); raise CutOffError where some are missing.

    What fills up the last row may be missing: some programs leave it out.
    """
    size = head.height * head.row_bytes
    if len(content) < head.end:
        raise CutOffError
    stored = content[head.start : head.start + size].ljust(size, b"\0")
    return np.frombuffer(stored, np.uint8).reshape(head.height, head.row_bytes)


def _indices(content: bytes, head: Header) -> Pixels:
    """Return the indices (H, W, 1) in the order in which rows are stored."""
    if (head.compression, head.bits) in ((RLE8, 8), (RLE4, 4)):
        return _unpacked(content[head.start :], head)[:, :, None]
    if head.compression != RAW or head.bits > 8:
        raise FormatError("is damaged, or a kind of BMP that is not read")
    rows = _rows(content, head)
    each = 8 // head.bits
    shifts = np.arange(each - 1, -1, -1, dtype=np.uint8) * head.bits
    indices: Pixels = (rows[:, :, None] >> shifts) & np.uint8(2**head.bits - 1)
    return indices.reshape(head.height, -1)[:, : head.width, None]


def _palette(content: bytes, head: Header) -> Pixels:
    """Return the palette, (N, 3); it stands between the headers and the pixels, blue first."""
    entry = _entry_bytes(head.size)
    begin = _FILE_HEADER + head.size
    most = min(head.colors or 2**head.bits, 2**head.bits, max(head.start - begin, 0) // entry)
    entries = np.frombuffer(content, np.uint8, most * entry, begin).reshape(most, entry)
    return entries[:, 2::-1]


def _unpacked(packed: bytes, head: Header) -> Pixels:
    """Undo run lengths: a count and what to repeat, or 0 and an escape. Pixels that are jumped over are 0."""
    out = np.zeros((head.height, head.width), np.uint8)
    row = column = position = 0
    while row < head.height:
        if position + 2 > len(packed):
            raise CutOffError
        count, value = packed[position : position + 2]
        position += 2
        if count:
            column = _put(out, row, column, _repeated(value, count, head.bits))
        elif value == 0:  # end of the row
            row, column = row + 1, 0
        elif value == 1:  # end of the picture
            break
        elif value == 2:  # a jump
            if position + 2 > len(packed):
                raise CutOffError
            row, column = row + packed[position + 1], column + packed[position]
            position += 2
        else:  # so many pixels as they are, filled up to two bytes
            size = (value * head.bits + 7) // 8
            column = _put(out, row, column, _spread(packed[position : position + size], head.bits)[:value])
            position += size + size % 2
    return out


def _put(out: Pixels, row: int, column: int, values: bytes) -> int:
    """Write values into a row, as far as it goes; return the column after them."""
    end = min(column + len(values), out.shape[1])
    out[row, column:end] = np.frombuffer(values, np.uint8)[: max(end - column, 0)]
    return column + len(values)


def _repeated(value: int, count: int, bits: int) -> bytes:
    """Repeat one index, or the two in a byte by turns."""
    return bytes([value]) * count if bits == 8 else (bytes([value >> 4, value & 15]) * count)[:count]


def _spread(packed: bytes, bits: int) -> bytes:
    return packed if bits == 8 else bytes(part for byte in packed for part in (byte >> 4, byte & 15))


def _parts(content: bytes, head: Header) -> Pixels:
    """Return the bytes of each pixel, (H, W, 2 to 4), in the order in which rows are stored."""
    if head.compression not in (RAW, MASKS, MASKS_AND_ALPHA):
        raise FormatError("is damaged, or a kind of BMP that is not read")
    size = head.bits // 8
    return _rows(content, head)[:, : head.width * size].reshape(head.height, head.width, size)


def _masks(content: bytes, head: Header) -> tuple[int, ...]:
    """Return which bits are red, green, blue and alpha; 0 where there is none."""
    if head.compression == RAW or head.bits == 24:
        return _USUAL_MASKS[head.bits]
    count = 4 if head.size >= _V3 or head.compression == MASKS_AND_ALPHA else 3
    try:
        masks = struct.unpack_from(f"<{count}I", content, _FILE_HEADER + _INFO)
    except struct.error as error:
        raise CutOffError from error
    if not all(masks[:3]) or any(_gaps(mask) for mask in masks):
        raise FormatError("is damaged: its masks of red, green and blue make no sense")
    return masks


def _gaps(mask: int) -> bool:
    """Whether the bits of a mask are not side by side, or more than 16."""
    return bool(mask) and (bin(mask).strip("0b").count("0") > 0 or mask.bit_count() > 16)


def _channel(parts: Pixels, mask: int, kind: type) -> Pixels:
    """Return the bits of a mask as a channel (H, W, 1) that fills the range of `kind`."""
    shift = (mask & -mask).bit_length() - 1
    if mask == 0xFF << shift and shift % 8 == 0 and kind is np.uint8:
        return parts[:, :, shift // 8, None]
    words = np.zeros((*parts.shape[:2], 1), np.uint32)
    for index in range(parts.shape[2]):
        words |= parts[:, :, index, None].astype(np.uint32) << (8 * index)
    return widen((words & mask) >> shift, mask.bit_count(), kind)


def _flags_of_unnamed(parts: Pixels, masks: tuple[int, ...]) -> tuple[str, ...]:
    """Programs write alpha without a mask for it, and readers take it or leave it."""
    last = parts[:, :, 3:]
    if sum(masks) >> 24 or last.size == 0 or last.min() == last.max():
        return ()
    return ("has a fourth number in each pixel that it does not call alpha, and which is left out",)


def _profile(content: bytes, head: Header) -> bytes | None:
    """Return the embedded ICC profile; its place is counted from the second header."""
    if head.size != _V5 or content[_FILE_HEADER + 56 : _FILE_HEADER + 60] != _EMBEDDED:
        return None
    place, size = struct.unpack_from("<II", content, _FILE_HEADER + 112)
    return content[_FILE_HEADER + place : _FILE_HEADER + place + size] or None
