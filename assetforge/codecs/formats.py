"""The file formats that outputs are written in. Imports nothing heavy: pipelines are checked with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from assetforge.errors import did_you_mean
from assetforge.material.map_spec import MapSpec

Depth = Literal["8", "16", "half", "float"]
DEPTHS: tuple[Depth, ...] = ("8", "16", "half", "float")
Container = Literal["png", "jpg", "webp", "tga", "tiff", "hdr", "exr"]

HOLDS: dict[Container, tuple[Depth, ...]] = {
    "png": ("8", "16"),
    "jpg": ("8",),
    "webp": ("8",),
    "tga": ("8",),
    "tiff": ("8", "16", "float"),
    "hdr": ("float",),
    "exr": ("half", "float"),
}
"""The depths that each container holds, least first."""


@dataclass(frozen=True)
class Format:
    """A container, and a depth or None for that of the source."""

    container: Container
    depth: Depth | None = None

    @property
    def name(self) -> str:
        """The word that pipelines write; the container for a depth that needs no word."""
        return next((word for word, known in _WORDS.items() if known == self), self.container)

    @property
    def suffix(self) -> str:
        """The ending of file names."""
        return f".{self.container}"

    @property
    def holds_layers(self) -> bool:
        """Whether one file can hold several maps."""
        return self.container == "exr"

    @property
    def holds_alpha(self) -> bool:
        """Whether a file can hold alpha."""
        return self.container not in ("jpg", "hdr")

    @property
    def is_linear(self) -> bool:
        """Whether color is stored as linear light: float files do, integer files are sRGB-encoded."""
        return self.container in ("hdr", "exr") or self.depth in ("half", "float")

    def resolve(self, source: Depth | None, spec: MapSpec) -> Format:
        """Return the format with a depth: its own, else the least that holds all of the source's depth.

        A map that no source gave gets 8 bits, normals and heights 16, photographs float, as far as the container can.
        """
        if self.depth is not None:
            return self
        wanted = DEPTHS.index(source or _default_depth(spec))
        held = HOLDS[self.container]
        enough = [depth for depth in held if DEPTHS.index(depth) >= wanted]
        # Half holds 11 bits: enough for color, whose eye-visible steps are relative, but not for 16-bit data.
        if wanted == DEPTHS.index("16") and not spec.is_color and "float" in enough:
            enough = [depth for depth in enough if depth != "half"]
        return replace(self, depth=enough[0] if enough else held[-1])


def _default_depth(spec: MapSpec) -> Depth:
    if spec.kind == "photo":
        return "float"
    return "16" if spec.kind in ("vector", "id") or spec.name == "height" else "8"


_WORDS: dict[str, Format] = {
    "png": Format("png"),
    "png8": Format("png", "8"),
    "png16": Format("png", "16"),
    "jpg": Format("jpg"),
    "webp": Format("webp"),
    "tga": Format("tga"),
    "tiff": Format("tiff"),
    "tiff8": Format("tiff", "8"),
    "tiff16": Format("tiff", "16"),
    "tiff32": Format("tiff", "float"),
    "hdr": Format("hdr"),
    "exr": Format("exr"),
    "exr16": Format("exr", "half"),
    "exr32": Format("exr", "float"),
}
FORMATS: tuple[str, ...] = tuple(_WORDS)
READABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tga", ".tif", ".tiff", ".hdr", ".exr"})


def parse(word: str) -> Format:
    """Return the format that a word names; raise ValueError where it names none."""
    if word not in _WORDS:
        raise ValueError(f"unknown format {word!r}; {did_you_mean(word, _WORDS)}")
    return _WORDS[word]
