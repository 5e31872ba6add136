"""Texture multiplier: one material in, as many new ones as wanted, which tile and whose maps belong together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

import assetforge as af

Side = Annotated[int, Field(ge=32, le=8192)]


class Params(af.Params):
    """What `multiply` can be told."""

    method: Literal["patches", "blend"] = "patches"
    """`patches` puts the exemplar together anew, piece by piece; `blend` mixes it at random within a fraction of a
    second, which is right only for materials without any structure."""
    size: Side | tuple[Side, Side] | None = None
    """Width and height of the result in pixels, one number for both; by default as large as the exemplar. Texels keep
    their size."""
    tileable: Literal["xy", "x", "y", "none"] = "xy"
    """Along which axes the result continues at its opposite edge."""
    variation: af.Fraction = 1.0
    """How new the result is: 1 is all new; less keeps pieces near where they were; 0 only removes the seams, and leaves
    the middle as it is, to the bit. Below 1, the result is as large as the exemplar."""
    keep: af.File | None = None
    """A picture that is white where the exemplar stays as it is; only the rest is made anew, and of what is kept."""
    ignore: af.File | None = None
    """A picture that is white where nothing is taken from the exemplar: at stains, and what would be seen to repeat."""
    regular: Literal["auto", "no"] = "auto"
    """`auto` finds out whether the exemplar repeats itself, as bricks do, and keeps its rows and columns."""
    candidates: Annotated[int, Field(ge=1, le=32)] = 8
    """How many layouts are tried at a low resolution; the best is carried out."""
    polish: af.Fraction = 1.0
    """How far contrast and grain are brought back to the exemplar's after pieces were joined."""


@af.step("multiply", Params, reads="every map", writes="every map", resources=af.Resources(memory=2 * 2**30))
def multiply(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a new material that looks like the given one; another seed makes another."""
    from assetforge_multiply._multiply import multiply_material

    return multiply_material(material, params, context)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(multiply)
