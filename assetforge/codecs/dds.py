"""DirectDraw Surface, the container of textures of DirectX, with its header of Direct3D 10.

Microsoft, "DDS_HEADER structure" and "DDS_HEADER_DXT10 structure". Numbers are little-endian. Files of one picture are
read, with or without smaller ones, of which the largest is taken; cube maps, arrays and volumes are not.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from assetforge.codecs import gpu_pixels
from assetforge.codecs.gpu_formats import LAYOUTS, Layout
from assetforge.codecs.raster import CutOffError, FormatError, Pixels, Raster, check_size, widen

SIGNATURE = b"DDS "
_HEADER = "<4s7I44x8I5I"
_HEADER_SIZE, _DX10_SIZE = 128, 20
HEADERS = _HEADER_SIZE + _DX10_SIZE
"""Bytes of the longest headers."""
_ALPHA_PIXELS, _ALPHA, _FOURCC, _RGB, _LUMINANCE = 0x1, 0x2, 0x4, 0x40, 0x20000
_CUBE_OR_VOLUME = 0x20FE00
_TEXTURE_2D, _CUBE = 3, 0x4
_PREMULTIPLIED, _OPAQUE = 2, 3
_NAMED: dict[bytes, int] = {
    b"DXT1": 71, b"DXT3": 74, b"DXT5": 77, b"ATI1": 80, b"BC4U": 80, b"BC4S": 81, b"ATI2": 83, b"BC5U": 83,
    b"BC5S": 84,
}  # fmt: skip
"""The layouts of old files by their four letters."""
_NUMBERED = {36: 11, 111: 54, 112: 34, 113: 10, 114: 41, 115: 16, 116: 2}
"""The layouts of old files by their `D3DFORMAT`."""
_MOST_BITS = 32


class _Masks(NamedTuple):
    """A layout of old files: which bits of a pixel are which channel."""

    bits: int
    channels: tuple[int, ...]


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    start: int
    """Where the pixels begin."""
    layout: Layout | _Masks
    opaque: bool
    """Whether the file says that it has no alpha."""

    @property
    def has_alpha(self) -> bool:
        channels = len(self.layout.channels) if isinstance(self.layout, _Masks) else self.layout.channels
        return channels in (2, 4) and not self.opaque and not (isinstance(self.layout, Layout) and channels == 2)

    @property
    def end(self) -> int:
        """Bytes that the file has at least: those of its largest picture."""
        if isinstance(self.layout, Layout):
            return self.start + self.layout.level_bytes(self.width, self.height)
        return self.start + (self.width * self.layout.bits + 7) // 8 * self.height


def end(content: bytes) -> int:
    """Return the bytes that a file must have by its headers; raise FormatError where these are damaged."""
    return _header(content).end


def has_alpha(content: bytes) -> bool:
    """Tell by the headers whether there is alpha."""
    return _header(content).has_alpha


def _header(content: bytes) -> _Header:
    if len(content) < _HEADER_SIZE:
        raise CutOffError
    (
        _, size, _, height, width, _, _, _,
        pixel_size, flags, fourcc, bits, *masks,
        _, caps2, _, _, _,
    ) = struct.unpack_from(_HEADER, content)  # fmt: skip
    if size != _HEADER_SIZE - len(SIGNATURE) or pixel_size != 32:
        raise FormatError("is damaged, or a kind of DDS that is not read")
    if caps2 & _CUBE_OR_VOLUME:
        raise FormatError("is a cube map or a volume; write its faces or slices as files of their own")
    name = fourcc.to_bytes(4, "little")
    start, opaque = _HEADER_SIZE, False
    if flags & _FOURCC and name == b"DX10":
        start += _DX10_SIZE
        number, opaque = _number_of_dx10(content)
    elif flags & _FOURCC:
        if name in (b"DXT2", b"DXT4"):
            raise FormatError("has colors that are multiplied by alpha; write DXT3 or DXT5")
        number = _NAMED.get(name, _NUMBERED.get(fourcc, 0))
    else:
        return _Header(width, height, start, _masks(flags, bits, masks), opaque)
    layout = next((one for one in LAYOUTS if number and one.dxgi == number), None)
    if layout is None:
        what = name.decode("ascii", "replace") if name.isalnum() and name != b"DX10" else f"format {number or fourcc}"
        raise FormatError(f"has pixels of {what}, which is not read; write BC1 to BC7, or RGBA")
    return _Header(width, height, start, layout, opaque)


def _number_of_dx10(content: bytes) -> tuple[int, bool]:
    """Return the layout's number, and whether the file says that it is opaque."""
    if len(content) < HEADERS:
        raise CutOffError
    number, dimension, misc, count, misc2 = struct.unpack_from("<5I", content, _HEADER_SIZE)
    if dimension != _TEXTURE_2D or misc & _CUBE or count > 1:
        raise FormatError("is a cube map, an array or a volume; write its pictures as files of their own")
    if misc2 & 7 == _PREMULTIPLIED:
        raise FormatError("has colors that are multiplied by alpha; write straight alpha")
    return number, misc2 & 7 == _OPAQUE


def _masks(flags: int, bits: int, masks: Sequence[int]) -> _Masks:
    refused = FormatError(f"has {bits} bits in a pixel of a kind that is not read; write BC1 to BC7, or RGBA")
    if bits not in (8, 16, 24, _MOST_BITS):  # before anything is shifted by them
        raise refused
    *colors, alpha = masks
    channels = colors if flags & _RGB else []
    if flags & _LUMINANCE:  # whose masks some programs write wrong
        share = bits // (2 if flags & _ALPHA_PIXELS else 1)
        channels, alpha = [(1 << share) - 1], (1 << share) - 1 << share
    if flags & (_ALPHA_PIXELS | _ALPHA) and alpha:
        channels = [*channels, alpha]
    if not channels or not all(channels):
        raise refused
    for mask in channels:
        low = mask & -mask
        if mask >> bits or (mask // low + 1) & (mask // low):
            raise FormatError("is damaged: its masks have gaps")
    return _Masks(bits, tuple(channels))


def read(content: bytes) -> Raster:
    """Read the largest picture of a file; raise FormatError where it is damaged or cut off.

    Integers are what DirectX calls UNORM. Files rarely say truly whether their color is sRGB-encoded: it is taken so.
    """
    header = _header(content)
    check_size(header.width, header.height)
    if len(content) < header.end:
        raise CutOffError
    data = memoryview(content)[header.start :]
    if isinstance(header.layout, _Masks):
        pixels, widened = _unmasked(data, header.layout, header.width, header.height)
        return Raster(pixels, widened=widened)
    pixels = gpu_pixels.read(data, header.layout, header.width, header.height)
    punched = isinstance(header.layout, Layout) and header.layout.compression == "bc1"
    if pixels.shape[2] == 4 and (header.opaque or (punched and bool((pixels[:, :, 3] == 255).all()))):
        pixels = pixels[:, :, :3]
    return Raster(pixels, widened=header.layout.compression == "bc4")


def _unmasked(data: memoryview, layout: _Masks, width: int, height: int) -> tuple[Pixels, bool]:
    """Return the pixels of an old layout, and whether channels were widened to 8 or 16 bits."""
    size = layout.bits // 8
    raw = np.frombuffer(data[: width * height * size], np.uint8).reshape(height, width, size)
    words = np.zeros((height, width), np.uint32)
    for place in range(size):
        words |= raw[:, :, place].astype(np.uint32) << np.uint32(8 * place)
    most = max(mask.bit_count() for mask in layout.channels)
    kind = np.uint8 if most <= 8 else np.uint16
    if most > 16:
        raise FormatError(f"has channels of {most} bits; write 8 or 16")
    planes = []
    for mask in layout.channels:
        shift = (mask & -mask).bit_length() - 1
        codes = (words & np.uint32(mask)) >> np.uint32(shift)
        planes.append(widen(codes, mask.bit_count(), kind))
    wide = any(mask.bit_count() not in (8, 16) for mask in layout.channels)
    return np.stack(planes, 2), wide


def write(levels: Sequence[Pixels], layout: Layout, *, opaque: bool) -> bytes:
    """Write pictures (H, W, C), the largest first, each half the size of the one before.

    opaque: whether the file says that it has no alpha.
    """
    height, width = levels[0].shape[:2]
    many = len(levels) > 1
    first = layout.level_bytes(width, height)
    # Caps, height, width, pixel format and count of levels; then the bytes of a row, or of the largest picture.
    flags = 0x1 | 0x2 | 0x4 | 0x1000 | 0x20000 * many | (0x80000 if layout.numbers == "block" else 0x8)
    pitch = first if layout.numbers == "block" else width * layout.size
    caps = 0x1000 | 0x400008 * many
    header = struct.pack(
        _HEADER, SIGNATURE, 124, flags, height, width, pitch, 0, len(levels),
        32, _FOURCC, int.from_bytes(b"DX10", "little"), 0, 0, 0, 0, 0,
        caps, 0, 0, 0, 0,
    )  # fmt: skip
    extended = struct.pack("<5I", layout.dxgi, _TEXTURE_2D, 0, 1, _OPAQUE if opaque else 1)
    return header + extended + b"".join(gpu_pixels.written(level, layout) for level in levels)
