"""The value between a file and a texture: numbers as the file holds them, and what the file says of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from assetforge.codecs.allowance import declare, most_pixels
from assetforge.codecs.formats import Depth

MAX_SIDE = 1_000_000
"""Most pixels in a row or column: libpng reads no more."""

ORIENTATION = 0x0112
"""The EXIF and TIFF tag that says how the pixels are turned."""

PROFILE_IGNORED = "says in which color space it is, which `profile: srgb` ignores"
"""The flag of a file whose own color space is not asked for."""

Pixels = NDArray[Any]
Primaries = tuple[tuple[float, float], ...]
"""The chromaticities (x, y) of red, green, blue and white."""


class FormatError(Exception):
    """A file is not what it claims to be; the text says how."""


class LimitError(FormatError):
    """A file asks for more than is allowed."""


class CutOffError(FormatError):
    """The end of a file is missing."""

    def __init__(self, text: str = "is cut off") -> None:
        super().__init__(text)


@dataclass(frozen=True)
class Raster:
    """Pixels (H, W, C), row 0 on top: uint8, uint16, float16 or float32.

    The channels are gray, gray and alpha, RGB or RGBA; alpha is straight.
    """

    pixels: Pixels
    profile: bytes | None = None
    """The embedded ICC profile."""
    primaries: Primaries | None = None
    """Those of a linear file that names them."""
    widened: bool = False
    """Whether the file had fewer bits than 8, or between 8 and 16: the numbers are scaled, and no codes any more."""
    indices: Pixels | None = None
    """Of a file with a palette: the entry of each pixel, (H, W, 1), uint8 or uint16."""
    shot: Mapping[str, float] = field(default_factory=dict)
    """What a photograph says of how it was taken, by the names of a `Camera`'s fields; it may be nonsense."""
    flags: tuple[str, ...] = ()
    """What is doubtful about the file though it can be read; each goes on where its name ends, as errors do."""

    is_linear: bool = False
    """Whether integers stand for linear light where they are color; else they are sRGB-encoded."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or not 1 <= self.pixels.shape[2] <= 4:
            raise FormatError(f"has pixels of shape {self.pixels.shape}; write gray or RGB, with or without alpha")

    @property
    def is_float(self) -> bool:
        """Whether the numbers are floating-point, so that color is linear."""
        return self.pixels.dtype.kind == "f"

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.pixels.shape[2] in (2, 4)

    @property
    def color(self) -> Pixels:
        """The channels without alpha."""
        return self.pixels[:, :, :-1] if self.has_alpha else self.pixels

    @property
    def alpha(self) -> Pixels | None:
        """The alpha channel, (H, W, 1)."""
        return self.pixels[:, :, -1:] if self.has_alpha else None


_DEPTHS: dict[str, Depth] = {"uint8": "8", "uint16": "16", "float16": "half", "float32": "float"}


def depth_of(pixels: Pixels) -> Depth:
    """Return the depth of a file's numbers."""
    return _DEPTHS[pixels.dtype.name]


def check_size(width: int, height: int) -> None:
    """Refuse a declared size that is empty or too large, before anything is allocated for it."""
    if width < 1 or height < 1:
        raise FormatError(f"declares a size of {width}×{height} pixels")
    if width * height > most_pixels() or max(width, height) > MAX_SIDE:
        most = f"more than {most_pixels()} (`limits: {{pixels: …}}`), or {MAX_SIDE} on a side,"
        raise LimitError(f"declares {width}×{height} pixels; {most} are not read")
    declare(width * height)


def orient(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror pixels as an EXIF orientation (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def exactly(file: BinaryIO, size: int) -> bytes:
    """Read so many bytes; raise CutOffError where there are less, before room is made for them."""
    here = file.tell()
    if here + size > file.seek(0, os.SEEK_END):
        raise CutOffError
    file.seek(here)
    return file.read(size)


def look_up(indices: Pixels, palette: Pixels) -> tuple[Pixels, tuple[str, ...]]:
    """Return the colors (H, W, C) of indices (H, W, 1) into a palette (N, C), and flags.

    An index beyond the palette is black and opaque, as browsers and libpng show it.
    """
    most = int(indices.max())
    if most < len(palette):
        return palette[indices[:, :, 0]], ()
    missing = np.zeros((most + 1 - len(palette), palette.shape[1]), palette.dtype)
    missing[:, 3:] = np.iinfo(palette.dtype).max
    flags = (f"has pixels of color {most} in a palette of {len(palette)}, which are taken as black",)
    return np.concatenate([palette, missing])[indices[:, :, 0]], flags


def widen(codes: Pixels, bits: int, kind: type) -> Pixels:
    """Scale integers of a number of bits to all of uint8 or uint16, as `kind` says."""
    top = int(np.iinfo(kind).max)
    steps = np.rint(np.arange(2**bits) * (top / (2**bits - 1))).astype(kind)
    widened: Pixels = steps[codes]
    return widened
