"""Show what a material looks like under lights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

import assetforge as af


class Light(af.Params):
    """A light above the surface, which it lights white and evenly."""

    kind: Literal["sun", "point"] = "sun"
    """A `sun` is far away, a `point` as near as `distance` says."""
    azimuth: Annotated[float, Field(ge=-360, le=360)] = 135.0
    """Degrees from the right, counterclockwise: 90 lights from above in the picture."""
    elevation: Annotated[float, Field(gt=0, le=90)] = 45.0
    """Degrees above the surface: at 90 the light is where the camera is."""
    distance: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Of a `point` from the middle of the picture; the camera's is 1."""
    strength: Annotated[float, Field(ge=0, le=1000)] = 1.0
    """With 1, white paper in the middle that faces the light is white in the picture."""


class Params(af.Params):
    """What `render` can be told."""

    lights: tuple[Light, ...] = (Light(),)
    """The lights; more than one add up."""
    environment: Literal["auto", "even", "studio"] = "auto"
    """Where light from all sides comes from. `even`: from everywhere alike, which leaves metal dull and dark. `studio`:
    from a large soft box at the upper left, a strip across from it and dim walls, which gloss reflects; they turn with
    the lights. `auto`: `studio` for what has metal in it, else `even`."""
    ambient: Annotated[float, Field(ge=0, le=10)] | None = None
    """Light from all sides, which ambient occlusion keeps from hollows: with 1, white paper that lies flat is white. By
    default 0.1 if it is `even`, and 0.4 in the `studio`."""
    frames: Annotated[int, Field(ge=1, le=100)] = 1
    """With more than one, a sheet of pictures between which all lights turn once around, row by row."""
    size: Annotated[int, Field(ge=8, le=8192)] | None = None
    """Pixels along the longer side of each picture; by default that of the largest map. Of maps that are larger, up to
    4 × 4 pixels are rendered for one, so that what is bumpy does not sparkle."""
    fov: float = Field(40.0, ge=1, le=120, title="Field of view")
    """Degrees that the camera sees along the longer side: few see all points alike, many as from close by."""


RENDER = af.MapSpec("render", 3, "color", (0.0, 1.0), (0.0, 0.0, 0.0), "The material as a camera above it sees it.")


@af.step("render", Params, reads="every map", writes={"render"})
def render(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a picture of the material under lights, as the map `render`."""
    from assetforge_render._render import render_material

    return render_material(material, params, context)


@af.hookimpl
def register_maps(register: af.RegisterMap) -> None:
    """Offer the map that the step writes."""
    register(RENDER)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(render)
