"""The thresholds of all checks, and their names. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from assetforge.errors import did_you_mean
from assetforge.flags import Severity
from assetforge.params import Fraction, Params

FailOn = Literal["error", "warning", "never"]
"""What fails a material: an error, a warning or an error, or nothing."""
Code = Annotated[float, Field(ge=0, le=255)]
Positive = Annotated[float, Field(gt=0)]

CHECKS: Mapping[str, str] = {
    "albedo_black": "A large part of what is no metal is black.",
    "albedo_range": "Colors of what is no metal are darker or brighter than those of real materials.",
    "alpha_clear": "Nothing can be seen: alpha or opacity is 0 everywhere.",
    "banding": "Heights have steps that show: 8 bits, or fewer, are not enough for their slopes.",
    "clipped": "A large part of a map lies at the end of its range, as though it was cut off.",
    "color_gray": "A bright base color is gray everywhere: it may be occlusion.",
    "color_is_normal": "A base color has the colors of a normal map.",
    "constant": "A map is the same everywhere, and tells nothing.",
    "curve": "The numbers of an 8-bit map went through a color curve (sRGB or gamma 2.2).",
    "false_depth": "A file of 16 bits holds numbers of 8.",
    "green": "Green of the normals points down where up is told, or the other way around.",
    "height_fit": "The normals are not those of the height map.",
    "inside_out": "The normals are those of the height map turned inside out.",
    "light": "Brightness of a base color changes at large scale, as by light that was photographed.",
    "metal_range": "Colors of metal are darker than real metals.",
    "metalness_between": "A large part of the metalness is neither metal nor not.",
    "missing": "A map is not there, which is required or which nearly all other materials have.",
    "normal_axes": "Red and green of the normals are exchanged.",
    "normal_below": "Normals point into the surface.",
    "normal_gray": "A normal map is gray, as a height map is.",
    "normal_length": "The file's normals are far from length 1.",
    "normal_srgb": "The normals went through the sRGB curve.",
    "normal_tilt": "Normals lean to one side on average.",
    "occlusion": "Ambient occlusion is dark, or darkest on top of the relief: it may be inverted.",
    "out_of_range": "Numbers are outside the range of their map.",
    "power_of_two": "A side is no power of two.",
    "proportions": "Maps of one material have different proportions.",
    "repetition": "The texture repeats itself within its own size.",
    "resolution": "A side has few pixels.",
    "roughness_low": "What is no metal is nearly a mirror: the roughness may be glossiness.",
    "same_map": "Two maps hold the same picture.",
    "seam": "Opposite edges do not meet though the map is to tile, or other maps of the material do.",
    "size_differs": "Maps of one material differ in size.",
    "texel_density": "The texture has more or fewer pixels per meter than it should, or than the others of the set.",
    "unreadable": "A file cannot be read.",
}
"""Each check by name, with what it finds."""


class Thresholds(Params):
    """From where on something is flagged. The defaults, and where they come from, are explained in docs/validating."""

    severities: Mapping[str, Severity | Literal["off"]] = {}
    """Another severity for a check, by its name, or `off`: `{seam: error, albedo_range: off}`."""
    required: tuple[str, ...] = ()
    """Maps that must be there."""
    albedo: tuple[Code, Code] = (30, 240)
    """The darkest and the brightest sRGB luminance of what is no metal, 0 to 255."""
    metal: Code = 155
    """The darkest sRGB luminance of metal, 0 to 255."""
    share: Fraction = 0.1
    """The part of a map that may be outside such a range."""
    black: Fraction = 0.3
    """The part of what is no metal that may be black."""
    light: Positive = 0.1
    """Deviation of the large-scale brightness of a base color, over its mean."""
    metalness_between: Fraction = 0.2
    """The part of a metalness map that may be between 0.1 and 0.9."""
    roughness: Fraction = 0.2
    """The least mean roughness of what is no metal."""
    occlusion: Fraction = 0.4
    """The least mean ambient occlusion."""
    normal_length: tuple[Positive, Positive] = (0.6, 1.2)
    """The least and the greatest mean length of the normals of a file."""
    normal_tilt: Fraction = 0.15
    """How far the mean of normals may lean: 0 is straight up. From three times as much it is an error."""
    height_fit: Fraction = 0.2
    """The least correlation of the slopes of height and normals."""
    banding: Fraction = 0.3
    """The part of a height map that may lie on its terraces."""
    seam: Positive = 1.2
    """The greatest seam score of a map that tiles. From three times as much it is an error where the pipeline says
    that the map repeats."""
    repetition: Fraction = 0.95
    """The greatest correlation of a texture with itself, shifted."""
    power_of_two: bool = True
    """Whether sides are to be powers of two."""
    least_side: Annotated[int, Field(ge=1)] = 16
    """The fewest pixels of a side."""
    meters: Positive | None = None
    """How wide the texture is in the world. A `forge.yaml` beside the sources gives each its own."""
    texel_density: tuple[Positive, Positive] | None = None
    """The fewest and the most pixels per meter; needs `meters`."""
    density_ratio: Annotated[float, Field(gt=1)] = 2.0
    """How many times more or fewer pixels per meter than the median of its set a texture may have."""

    @field_validator("severities")
    @classmethod
    def _of_checks(cls, severities: Mapping[str, str]) -> Mapping[str, str]:
        for name in severities:
            if name not in CHECKS:
                raise ValueError(f"there is no check {name!r}; {did_you_mean(name, CHECKS)}")
        return severities

    def severity(self, check: str, usual: Severity) -> Severity | Literal["off"]:
        """Return how severe a check is in this project."""
        return self.severities.get(check, usual)
