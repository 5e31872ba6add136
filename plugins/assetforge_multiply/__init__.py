"""Texture multiplier: one material in, as many new ones as wanted, which tile and whose maps belong together."""

from __future__ import annotations

import assetforge as af
from assetforge_multiply._params import ApplyParams, Guide, Other, Params, Reroll

__all__ = ["COORDINATES", "REPORT", "ApplyParams", "Guide", "Other", "Params", "Reroll", "apply_map", "multiply"]


def _weights(params: Params) -> tuple[str, ...]:
    neural = params.method == "neural" or params.polish_by == "neural"
    return (params.features,) if neural and params.features != "random" else ()


def _on_demand(params: Params) -> list[str]:
    return ["coordinates"] * params.save_map + ["multiply_report"] * params.report


@af.step(
    "multiply",
    Params,
    reads="every map",
    writes="every map",
    on_demand=_on_demand,
    weights=_weights,
    resources=af.Resources(memory=3 * 2**30),  # what four maps of 2048² take
)
def multiply(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a new material that looks like the given one; another seed makes another."""
    from assetforge_multiply._multiply import multiply_material

    return multiply_material(material, params, context)


@af.step("apply_map", ApplyParams, reads="every map", writes="every map", resources=af.Resources(memory=2 * 2**30))
def apply_map(material: af.Material, params: ApplyParams, context: af.Context) -> af.Material:
    """Put maps together as `multiply` did, by the map `coordinates` that it saved; they may be other or larger ones.

    Of the same maps and parameters, it makes the same to the bit.
    """
    from assetforge_multiply._apply import apply_coordinates

    return apply_coordinates(material, params, context)


COORDINATES = af.MapSpec(
    "coordinates",
    4,
    "data",
    (0.0, 1.0),
    (0.0, 0.0, 0.0, 1.0),
    "Which piece lies where: right and down in the exemplar, 1/256 for each exemplar before it, and its weight.",
)
REPORT = af.MapSpec(
    "multiply_report",
    3,
    "color",
    (0.0, 1.0),
    (0.0, 0.0, 0.0),
    "Picture of what `multiply` did: exemplar, result tiled twice, and where its pieces come from.",
)


@af.hookimpl
def register_maps(register: af.RegisterMap) -> None:
    """Offer the maps that are written on demand."""
    register(COORDINATES)
    register(REPORT)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the steps."""
    register(multiply)
    register(apply_map)
