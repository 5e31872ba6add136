"""Give textures another look: for now, the colors of another picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

import assetforge as af


class MatchParams(af.Params):
    """What `match_color` can be told."""

    like: af.File
    """The picture whose colors are taken. Where it is transparent, it does not count."""
    method: Literal["mean", "covariance", "sliced"] = "covariance"
    """What becomes that of the picture: `mean`, the mean and the deviation of each channel; `covariance`, how channels
    go together, too, with the least change that does it; `sliced`, the whole distribution, for palettes of several
    colors, which may bring out noise and the blocks of JPEG."""
    space: Literal["lab", "luv", "yuv", "ycrcb"] = "lab"
    """The color space that it is done in: `lab` and `luv` go by what is seen, `yuv` and `ycrcb` by video signals."""
    brightness: Literal["match", "keep"] = "match"
    """`keep` changes hue and saturation only."""
    strength: af.Fraction = 1.0
    """How far colors go; with 0 nothing changes, to the bit."""
    maps: Annotated[tuple[str, ...], Field(min_length=1)] = ("base_color", "diffuse_albedo")
    """The color maps that it is done to."""


@af.step("match_color", MatchParams, reads="every color map", writes="every color map")
def match_color(material: af.Material, params: MatchParams, context: af.Context) -> af.Material:
    """Give a material the colors of a picture, so that a library is of one palette."""
    from assetforge_stylize._match import match_material

    return match_material(material, params, context)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(match_color)
