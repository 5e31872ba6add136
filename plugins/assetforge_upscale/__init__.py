"""Upscale every map of a material, each as its kind asks for."""

from __future__ import annotations

from typing import Literal

import assetforge as af


class Params(af.Params):
    """What `upscale` can be told."""

    scale: Literal[2, 4] = 2
    """How many times wider and higher the result is."""
    method: Literal["network", "lanczos"] = "network"
    """`network` restores detail that was lost; `lanczos` only interpolates, in linear light."""
    tileable: Literal["auto"] | bool = "auto"
    """Whether a texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


def weights_for(params: Params) -> tuple[str, ...]:
    """Name the networks that these parameters need."""
    return () if params.method == "lanczos" else (f"color_x{params.scale}", f"data_x{params.scale}")


@af.step("upscale", Params, reads="every map", writes="every map", weights=weights_for)
def upscale(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make every map `scale` times as wide and high."""
    from assetforge_upscale._upscale import upscale_material

    return upscale_material(material, params, context)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(upscale)
