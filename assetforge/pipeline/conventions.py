"""Naming conventions of material libraries and engines: the words by which files tell which map they hold.

These tables are the one place where they stand. What a word stands for is spelled as in a pipeline file: the name of a
map, `1 - MAP` where the numbers are the other way around, `normal up` (OpenGL) and `normal down` (DirectX) where the
word says where green points, or `unused` for maps that the vocabulary lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

from assetforge.codecs.reading import Channel, Green

Parts = Mapping[Channel, str]
UNUSED = "unused"
NORMAL = "normal"

WORDS: Mapping[str, str] = {
    "base_color": "albedo alb basecolor basecolour basemap bc color colour col col1 diff diffuse d maintex "
    "albedotransparency",
    "metalness": "metalness metallic metal met mtl m",
    "roughness": "roughness rough rgh r",
    "1 - roughness": "gloss glossiness smoothness",
    "normal": "normal normals normalmap nrm nor norm nml n local",
    "normal up": "normalgl norgl nrmgl normgl normalogl normalopengl",
    "normal down": "normaldx nordx nrmdx normdx normaldirectx",
    "height": "height heightmap displacement disp h",
    "ambient_occlusion": "ambientocclusion ao occlusion occ o mixedao",
    "opacity": "opacity alpha transparency opacitymask",
    "emission": "emission emissive emissivecolor emit e glow luma",
    "specular_albedo": "specular specularcolor spec s",
    UNUSED: "bump cavity curvature fuzz translucency thickness preview thumbnail thumb",
}
"""Words of each map, in lower case and without separators: `basecolor` is `BaseColor`, `Base_Color`, `base-color`."""

SPECULAR, DIFFUSE = "specular_albedo", "diffuse_albedo"
"""The maps of the specular workflow: what names call a base color is the diffuse part beside a specular one."""

_ORM: Parts = {"r": "ambient_occlusion", "g": "roughness", "b": "metalness"}
_METAL_SMOOTH: Parts = {"r": "metalness", "a": "1 - roughness"}
_SPECULAR_GLOSS: Parts = {"rgb": "specular_albedo", "a": "1 - roughness"}

PACKED: Mapping[str, Parts] = {
    "orm": _ORM,
    "arm": _ORM,
    "occlusionroughnessmetallic": _ORM,
    "rma": {"r": "roughness", "g": "metalness", "b": "ambient_occlusion"},
    "mra": {"r": "metalness", "g": "roughness", "b": "ambient_occlusion"},
    "maskmap": {"r": "metalness", "g": "ambient_occlusion", "a": "1 - roughness"},
    "metallicroughness": {"g": "roughness", "b": "metalness"},
    "metallicsmoothness": _METAL_SMOOTH,
    "metallicgloss": _METAL_SMOOTH,
    "specularsmoothness": _SPECULAR_GLOSS,
    "specularglossiness": _SPECULAR_GLOSS,
}
"""Words of packed files, with what each channel holds."""

GREEN_BY_WORD: Mapping[str, tuple[Green, str]] = {
    "maskmap": ("up", "Unity"),
    "metallicsmoothness": ("up", "Unity"),
    "specularsmoothness": ("up", "Unity"),
    "albedotransparency": ("up", "Unity"),
    "maintex": ("up", "Unity"),
    "metallicroughness": ("up", "glTF"),
    "specularglossiness": ("up", "glTF"),
}
"""Words that only one program uses, and where green points in all of its normal maps."""

GREEN_BY_PREFIX: Mapping[str, tuple[Green, str]] = {"t": ("down", "Unreal")}
"""First words of names, which are no part of them, likewise."""

_FORMATS = "png jpg jpeg tif tiff tga exr webp bmp psd hdr dds ktx2"
_DEPTHS = "8bit 16bit 32bit 8b 16b 32b"
_SIDES = "256 512 1024 2048 4096 8192 16384"
NOT_WORDS = frozenset(f"{_FORMATS} {_DEPTHS} {_SIDES}".split())
"""What says how large a file is or of which format, besides `1k`, `2048x2048` and `lod0`."""


class Target(NamedTuple):
    """What a word, or a channel of a packed file, stands for."""

    map: str
    invert: bool = False
    green: Green | None = None
    """Where a normal map's green points, if the word says so."""


def parse_target(text: str) -> Target:
    """Parse what the tables say that a word stands for; whether there is such a map is not checked."""
    if text.replace(" ", "").startswith("1-"):
        return Target(text.partition("-")[2].strip(), invert=True)
    name, _, green = text.partition(" ")
    if name == NORMAL and green in ("up", "down"):
        return Target(NORMAL, green=cast("Green", green))
    return Target(text)
