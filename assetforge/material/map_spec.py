"""The vocabulary of maps: what each is called, how many channels it has, and how it may be treated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assetforge.material.color_space import ColorSpace

MapKind = Literal["color", "data", "vector", "id", "photo"]
MAX_CHANNELS = 4


@dataclass(frozen=True)
class MapSpec:
    """One word of the vocabulary.

    `kind` rules the treatment: color and photo are decoded to linear light, data is taken as it is, a vector is
    renormalized after resampling, an id is never averaged. A vector whose `neutral` has no height is a direction in
    the plane of the surface, and stays in it.
    """

    name: str
    channels: int
    kind: MapKind
    valid: tuple[float, float]
    neutral: tuple[float, ...]
    meaning: str

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise ValueError(f"map {self.name!r}: not a lowercase identifier; write 'base_color', for instance")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise ValueError(f"map {self.name!r}: {self.channels} channels; a map has 1 to {MAX_CHANNELS}")
        if len(self.neutral) != self.channels:
            raise ValueError(f"map {self.name!r}: neutral {self.neutral} must have {self.channels} values")
        if self.valid[0] >= self.valid[1]:
            raise ValueError(f"map {self.name!r}: valid range {self.valid} is empty; write (least, greatest)")

    @property
    def is_color(self) -> bool:
        """Whether the map holds light, so that its files are decoded to linear Rec.709."""
        return self.kind in ("color", "photo")

    @property
    def is_in_plane(self) -> bool:
        """Whether the map holds directions along the surface, (x, y, 0), and not normals, which stand on it."""
        return self.kind == "vector" and self.neutral[2:] == (0.0,)

    @property
    def color_space(self) -> ColorSpace:
        """The color space that the map has inside AssetForge."""
        return ColorSpace.LIN_REC709 if self.is_color else ColorSpace.NONE


_UNIT = (0.0, 1.0)
_HDR = (0.0, math.inf)
_GRAY, _BLACK, _WHITE = (0.5,) * 3, (0.0,) * 3, (1.0,) * 3

MAPS: Mapping[str, MapSpec] = {
    spec.name: spec
    for spec in (
        MapSpec("base_color", 3, "color", _UNIT, _GRAY, "Color of the surface without light or shadow."),
        MapSpec("metalness", 1, "data", _UNIT, (0.0,), "1 where the surface is metal, 0 where it is not."),
        MapSpec("roughness", 1, "data", _UNIT, (0.5,), "0 is a mirror, 1 is chalk (perceptual, α = roughness²)."),
        MapSpec("normal", 3, "vector", (-1.0, 1.0), (0.0, 0.0, 1.0), "Unit normal in tangent space, +Y up."),
        MapSpec("height", 1, "data", _UNIT, (0.5,), "Displacement, 0 deepest, 1 highest."),
        MapSpec("ambient_occlusion", 1, "data", _UNIT, (1.0,), "Share of the sky that reaches the surface."),
        MapSpec("opacity", 1, "data", _UNIT, (1.0,), "0 is clear, 1 is solid."),
        MapSpec("emission", 3, "color", _HDR, _BLACK, "Light that the surface gives off."),
        MapSpec("specular_color", 3, "color", _UNIT, _WHITE, "Tint of the reflection at normal incidence."),
        MapSpec("anisotropy", 1, "data", _UNIT, (0.0,), "0 reflects alike in all directions, 1 is fully brushed."),
        MapSpec(
            "anisotropy_direction",
            3,
            "vector",
            (-1.0, 1.0),
            (1.0, 0.0, 0.0),
            "Where highlights are stretched to, in the plane: right, up, 0.",
        ),
        MapSpec("diffuse_albedo", 3, "color", _UNIT, _GRAY, "Diffuse part of the color."),
        MapSpec(
            "specular_albedo",
            3,
            "color",
            _UNIT,
            (0.04,) * 3,
            "Reflectance at normal incidence.",
        ),
        MapSpec("glossiness", 1, "data", _UNIT, (0.5,), "1 − roughness, as two-shot captures store it."),
        MapSpec("flash", 3, "photo", _HDR, _GRAY, "Photograph lit by the camera's flash."),
        MapSpec("guide", 3, "photo", _HDR, _GRAY, "Photograph of the same place in ambient light."),
        MapSpec("id", 1, "id", (0.0, 65535.0), (0.0,), "Whole numbers that name regions."),
    )
}
"""The maps that every pipeline knows; plugins may add to them."""

ALIASES: Mapping[str, str] = {
    alias: name
    for name, aliases in {
        "base_color": "albedo alb basecolor base_colour bc color colour col diff diffuse d",
        "metalness": "metallic metal metallness mtl m",
        "roughness": "rough rgh r",
        "normal": "normals normalmap nrm nor norm nml n bump_normal",
        "height": "displacement disp bump depth h",
        "ambient_occlusion": "ao occlusion occ ambientocclusion",
        "opacity": "alpha transparency mask",
        "emission": "emissive glow emit",
        "specular_albedo": "specular spec specularcolor",
        "glossiness": "gloss smoothness smooth",
        "id": "ids mask_id material_id",
    }.items()
    for alias in aliases.split()
}
"""What other programs call the maps: not understood, as packages differ in what they mean, but suggested."""
