"""What a descriptor says of a material: its files, and what they hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from assetforge.codecs.packing import Part
from assetforge.codecs.reading import Channel

Alpha = Literal["opaque", "mask", "blend"]
"""Whether nothing of a material is clear, or parts are altogether, or parts are a little."""
ALPHAS: tuple[Alpha, ...] = ("opaque", "mask", "blend")
Slot = tuple[tuple[Channel, Part], ...]
"""What a file must hold, channel by channel, to be what a program expects at one place of a material."""
Write = Callable[["Description", Alpha], Mapping[str, str]]
"""Gives the text of each file that describes a material, by its name."""


@dataclass(frozen=True)
class TextureFile:
    """One file of a material."""

    name: str
    is_color: bool
    """Whether its numbers are sRGB-encoded light, and not data."""
    is_normal: bool


@dataclass(frozen=True)
class Description:
    """A material as its files have it, all in one folder."""

    descriptor: str
    """Which program it is for, as `descriptors.DESCRIPTORS` has it."""
    name: str
    """Of the material; it may hold any character that a file's name may."""
    folder: str
    """Where the files are, from the pipeline's own folder; it tells materials of one name apart."""
    files: tuple[TextureFile, ...]
    filled: tuple[tuple[str, str], ...]
    """The descriptor's slots that files fill, each with the file's name."""
    longest: int | None = None
    """Pixels of the longer side that files have at most."""

    def file(self, slot: str) -> str:
        """Return the name of the file that fills a slot, or ""."""
        return dict(self.filled).get(slot, "")

    @property
    def colors(self) -> frozenset[str]:
        """The names of the files whose numbers are sRGB-encoded."""
        return frozenset(file.name for file in self.files if file.is_color)


def identifier(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for some texts: the same for the same texts, on every machine."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into the `{fields}` of a template; what looks like a field within a value stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda found: values[found.group(1)], template)
