"""How maps are laid into the channels of one file. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assetforge.codecs.reading import Channel, Green
from assetforge.material.map_spec import MapSpec


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
