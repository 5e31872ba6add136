"""How GPUs lay out pixels: the numbers by which DDS and KTX2 name that, and what a piece of it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assetforge.codecs.formats import Compression

Numbers = Literal["u8", "u16", "f16", "f32", "block"]
BLOCK = 4
"""Pixels along the side of a compressed block, but for some of ASTC."""
_SIDES: dict[Compression, int] = {"astc6x6": 6, "astc8x8": 8}


@dataclass(frozen=True)
class Layout:
    """One layout of pixels, of one color encoding."""

    compression: Compression
    channels: int
    numbers: Numbers
    size: int
    """Bytes of a pixel, or of a block."""
    dxgi: int
    """`DXGI_FORMAT`, as Microsoft's "DXGI_FORMAT enumeration" has it; 0 where there is none."""
    vk: int
    """`VkFormat`, as the Vulkan specification has it; 0 where there is none."""
    srgb: bool = False
    bgr: bool = False
    """Whether blue comes first."""
    signed: bool = False
    """Whether numbers stand for −1 to 1, or light may be negative."""

    @property
    def side(self) -> int:
        """Pixels along the side of what `size` is the size of."""
        return _SIDES.get(self.compression, BLOCK) if self.numbers == "block" else 1

    def level_bytes(self, width: int, height: int) -> int:
        """Return the bytes of a picture of this size."""
        return -(-width // self.side) * -(-height // self.side) * self.size


LAYOUTS: tuple[Layout, ...] = (
    Layout("bc1", 3, "block", 8, 0, 131),
    Layout("bc1", 3, "block", 8, 0, 132, srgb=True),
    Layout("bc1", 4, "block", 8, 71, 133),
    Layout("bc1", 4, "block", 8, 72, 134, srgb=True),
    Layout("bc2", 4, "block", 16, 74, 135),
    Layout("bc2", 4, "block", 16, 75, 136, srgb=True),
    Layout("bc3", 4, "block", 16, 77, 137),
    Layout("bc3", 4, "block", 16, 78, 138, srgb=True),
    Layout("bc4", 1, "block", 8, 80, 139),
    Layout("bc4", 1, "block", 8, 81, 140, signed=True),
    Layout("bc5", 2, "block", 16, 83, 141),
    Layout("bc5", 2, "block", 16, 84, 142, signed=True),
    Layout("bc6h", 3, "block", 16, 95, 143),
    Layout("bc6h", 3, "block", 16, 96, 144, signed=True),
    Layout("bc7", 4, "block", 16, 98, 145),
    Layout("bc7", 4, "block", 16, 99, 146, srgb=True),
    Layout("astc", 4, "block", 16, 0, 157),
    Layout("astc", 4, "block", 16, 0, 158, srgb=True),
    Layout("astc6x6", 4, "block", 16, 0, 165),
    Layout("astc6x6", 4, "block", 16, 0, 166, srgb=True),
    Layout("astc8x8", 4, "block", 16, 0, 171),
    Layout("astc8x8", 4, "block", 16, 0, 172, srgb=True),
    Layout("etc2", 1, "block", 8, 0, 153),
    Layout("etc2", 2, "block", 16, 0, 155),
    Layout("etc2", 3, "block", 8, 0, 147),
    Layout("etc2", 3, "block", 8, 0, 148, srgb=True),
    Layout("etc2", 4, "block", 16, 0, 151),
    Layout("etc2", 4, "block", 16, 0, 152, srgb=True),
    Layout("etc2", 4, "block", 8, 0, 149),  # alpha of one bit: read and not written
    Layout("etc2", 4, "block", 8, 0, 150, srgb=True),
    Layout("uncompressed", 1, "u8", 1, 61, 9),
    Layout("uncompressed", 1, "u8", 1, 0, 15, srgb=True),
    Layout("uncompressed", 2, "u8", 2, 49, 16),
    Layout("uncompressed", 3, "u8", 3, 0, 23),
    Layout("uncompressed", 3, "u8", 3, 0, 29, srgb=True),
    Layout("uncompressed", 4, "u8", 4, 28, 37),
    Layout("uncompressed", 4, "u8", 4, 29, 43, srgb=True),
    Layout("uncompressed", 4, "u8", 4, 87, 44, bgr=True),
    Layout("uncompressed", 4, "u8", 4, 91, 50, srgb=True, bgr=True),
    Layout("uncompressed", 1, "u16", 2, 56, 70),
    Layout("uncompressed", 2, "u16", 4, 35, 77),
    Layout("uncompressed", 3, "u16", 6, 0, 84),
    Layout("uncompressed", 4, "u16", 8, 11, 91),
    Layout("uncompressed", 1, "f16", 2, 54, 76),
    Layout("uncompressed", 2, "f16", 4, 34, 83),
    Layout("uncompressed", 3, "f16", 6, 0, 90),
    Layout("uncompressed", 4, "f16", 8, 10, 97),
    Layout("uncompressed", 1, "f32", 4, 41, 100),
    Layout("uncompressed", 2, "f32", 8, 16, 103),
    Layout("uncompressed", 3, "f32", 12, 6, 106),
    Layout("uncompressed", 4, "f32", 16, 2, 109),
)
"""The layouts that are read."""


def written(
    compression: Compression, numbers: Numbers, channels: int, *, srgb: bool, known_as: Literal["dxgi", "vk"]
) -> Layout:
    """Return the layout that is written for pixels; three channels become four, which all hardware has."""
    for layout in LAYOUTS:
        if layout.compression != compression or layout.srgb != srgb or layout.bgr or layout.signed:
            continue
        if _holds(layout, numbers, channels) and getattr(layout, known_as):
            return layout
    raise ValueError(f"{known_as} has no {compression} of {channels} channels of {numbers}{' in sRGB' * srgb}")


def _holds(layout: Layout, numbers: Numbers, channels: int) -> bool:
    match layout.compression:
        case "uncompressed":
            return (layout.numbers, layout.channels) == (numbers, 4 if channels == 3 else channels)
        case "etc2":
            return layout.channels == channels
        case _:
            return True
