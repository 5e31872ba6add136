"""Upscale every map of a material, each as its kind asks for."""

from __future__ import annotations

from pathlib import Path
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


class Training(af.Params):
    """What the recipe `upscale` can be told."""

    network: Literal["color_x4", "color_x2", "data_x4", "data_x2"] = "color_x4"
    """Which of the shipped networks; all but the first start from another one of them."""


@af.recipe("upscale", Training)
def train_upscale(params: Training, data: Path, seed: int) -> af.Training:
    """Trains one of the networks of the step `upscale` on game textures and dead leaves."""
    from assetforge_upscale.training.recipe import training

    return training(params.network, data, seed)


@af.hookimpl
def register_recipes(register: af.RegisterRecipe) -> None:
    """Offer the recipe."""
    register(train_upscale)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(upscale)
