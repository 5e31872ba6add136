"""The value between a file and a texture: numbers as the file holds them, and what the file says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assetforge.codecs.formats import Depth

MAX_PIXELS = 2**28
"""Most pixels that a file may declare, 16384²: larger headers are lies or bombs."""

ORIENTATION = 0x0112
"""The EXIF and TIFF tag that says how the pixels are turned."""

Pixels = NDArray[Any]


class FormatError(Exception):
    """A file is not what it claims to be; the text says how."""


@dataclass(frozen=True)
class Raster:
    """Pixels (H, W, C), row 0 on top: uint8, uint16, float16 or float32.

    The channels are gray, gray and alpha, RGB or RGBA; alpha is straight.
    """

    pixels: Pixels
    profile: bytes | None = None
    """The embedded ICC profile."""
    to_rec709: Pixels | None = None
    """For linear files of other primaries: the 3×3 matrix to Rec.709."""
    widened: bool = False
    """Whether the file had fewer bits than 8, or between 8 and 16: the numbers are scaled, and no codes any more."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or not 1 <= self.pixels.shape[2] <= 4:
            raise FormatError(f"has pixels of shape {self.pixels.shape}; write gray or RGB, with or without alpha")

    @property
    def depth(self) -> Depth:
        """The depth of the file's numbers."""
        return _DEPTHS[self.pixels.dtype.name]

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


def check_size(width: int, height: int) -> None:
    """Refuse a declared size that is empty or too large, before anything is allocated for it."""
    if width < 1 or height < 1:
        raise FormatError(f"declares a size of {width}×{height} pixels")
    if width * height > MAX_PIXELS:
        raise FormatError(f"declares {width}×{height} pixels; more than {MAX_PIXELS} are not read")


def orient(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror pixels as an EXIF orientation (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
