"""How maps are laid into the channels of one file. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assetforge.codecs.formats import GPU, Format
from assetforge.codecs.reading import Channel, Green
from assetforge.material.map_spec import MapSpec

PACKED = "packed"
"""What the channels of a file are called that are of no one map."""
_COLOR = 3


@dataclass(frozen=True)
class Part:
    """What a channel of a file holds, or all three of its color: a map, or a number where `map` is empty."""

    map: str = ""
    channel: int | None = None
    """Which one of a map that has several; all of them where it is None."""
    invert: bool = False
    """Whether it holds 1 − x; data maps alone may be turned around."""
    green: Green = "up"
    """Normal maps: where green points in the file."""
    constant: float = 0.0

    def left_out(self, spec: MapSpec | None, given: Mapping[str, Any]) -> bool:
        """Tell whether it is 1 everywhere, as its map is not given: as alpha, that is as good as none."""
        if spec is None:
            return self.constant == 1
        return self.map not in given and not self.invert and spec.neutral == (1.0,)


@dataclass(frozen=True)
class Packing:
    """What a file holds: each channel, or color as a whole, once. Channels between that nothing fills are 0."""

    parts: tuple[tuple[Channel, Part], ...]
    longest: int | None = None
    """Pixels of the longer side, at most."""
    power_of_two: bool = False
    """Whether each side is the nearest power of two."""

    @property
    def maps(self) -> tuple[str, ...]:
        """The maps that it is made of, each once."""
        return tuple(dict.fromkeys(part.map for _, part in self.parts if part.map))


def held(packing: Packing, specs: Mapping[str, MapSpec], output_format: Format, *, clear: bool) -> MapSpec:
    """Return what a file holds, as if it were one map: numbers, 0 to 1 where the format holds integers.

    Files for GPUs say whether they are color, and normals are compressed in a way of their own: there, what is of one
    map is that map. Normals that share a file with alpha are numbers.

    clear: whether it has alpha.
    """
    parts = dict(packing.parts)
    gray = not clear and parts.keys() - {"a"} == {"r"}
    channels = 1 if gray else _COLOR
    whole = parts.get("r" if gray else "rgb", Part())
    spec = specs.get(whole.map)
    is_whole = spec is not None and spec.channels == channels and whole.channel is None and not whole.invert
    if spec is not None and is_whole and output_format.container in GPU and (spec.is_color or not clear):
        return spec
    count = channels + clear
    return MapSpec(PACKED, count, "data", (0.0, 1.0), (0.0,) * count, "A file.")
