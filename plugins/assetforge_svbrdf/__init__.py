"""Photo to material: two photographs of a surface, one with the flash and one without, become its maps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

import assetforge as af

Light = Annotated[float, Field(gt=0, le=4)]

WRITES = frozenset({
    "diffuse_albedo", "specular_albedo", "normal", "glossiness", "roughness", "anisotropy", "anisotropy_direction",
    "height", "base_color", "metalness",
})  # fmt: skip


class Params(af.Params, title="SVBRDF"):
    """What `svbrdf` can be told."""

    fov: Annotated[float, Field(gt=5, lt=150)] | None = Field(None, title="Field of view")
    """Degrees that the camera sees along the longer side of the photographs; by default as the file says, and 60 where
    it says nothing."""
    gray_card: Light | tuple[Light, Light, Light] | None = None
    """Linear value, or red, green and blue, of a gray card of 18 % in the middle of the flash photo. It says how bright
    the flash is, and of what color; by default the highlight and a typical albedo say about how bright."""
    metal: Literal["auto", "yes", "no"] = "auto"
    """Whether the surface is bare metal, which reflects with its color; `auto` takes it for metal only where that
    explains the photographs clearly better."""
    anisotropy: Literal["auto", "no"] = "auto"
    """`auto` looks for stretched highlights, as brushed metal has, and keeps them only where they explain clearly
    more."""
    output: Literal["photo", "tile"] = "photo"
    """Maps of all that the guide shows, or of the part that stands for the rest best."""
    tileable: bool = False
    """Cut the maps, all by the same cut, so that they continue at their opposite edges; they become smaller."""
    longest: Annotated[int, Field(ge=96, le=16384)] = 1536
    """Pixels along the longer side of the photographs, at most: larger ones are made smaller first, and so are the
    maps. Memory and time grow with the pixels: 1536 take up to 4 GiB, and twice as many four times that."""
    effort: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Multiplies the number of steps of the fit."""


@af.step(
    "svbrdf",
    Params,
    reads="every photo",
    writes=WRITES,
    weights=("features", "start"),
    resources=af.Resources(device="cpu", memory=4 * 2**30),  # a fit rounds its way elsewhere on another device
)
def svbrdf(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a material of the photographs `flash` and `guide`; one of them alone gives a less certain one."""
    from assetforge_svbrdf._svbrdf import capture

    return capture(material, params, context)


@af.hookimpl
def register_recipes(register: af.RegisterRecipe) -> None:
    """Offer the recipe."""
    from assetforge_svbrdf._recipe import train_svbrdf

    register(train_svbrdf)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(svbrdf)
