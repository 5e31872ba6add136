"""How to read a file, beyond what its map says. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from assetforge.material.texture import Wrap

Green = Literal["up", "down"]
Channel = Literal["r", "g", "b", "a", "rgb"]
ProfileUse = Literal["embedded", "srgb"]


@dataclass(frozen=True)
class Reading:
    """What a pipeline says of the files of one map."""

    green: Green = "up"
    """Normal maps: `down` is DirectX, and is turned."""
    channel: Channel | None = None
    """Channel of a packed file that a one-channel map takes; `rgb` takes the color without the file's alpha."""
    layer: str | None = None
    """Layer or part of an OpenEXR file."""
    wrap: Wrap = "unknown"
    profile: ProfileUse = "embedded"
    """`srgb` takes color as sRGB, and floats as linear light of sRGB's primaries, whatever the file says of itself."""
    invert: bool = False
    """Data maps: numbers are taken as 1 − x, as roughness is of a file of smoothness."""


PLAIN = Reading()
"""A file that is read as it is."""
