"""Upscale every map of a material, each as its kind asks for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

import assetforge as af

SHIPPED: Mapping[str, Mapping[str, tuple[int, ...]]] = {"color": {"fast": (2, 4)}, "data": {"fast": (2, 4)}}
"""The networks that are shipped: for which kind of map, by which name, of which scales."""
LARGEST_SCALE = 16
LARGEST_SIDE = 32768


Factor = Annotated[
    int | float,  # what is written without a point is shown without one
    Field(ge=1, le=LARGEST_SCALE),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": LARGEST_SCALE}),
]
"""How many times wider and higher."""


class Params(af.Params):
    """What `upscale` can be told."""

    scale: Factor | None = None
    """How many times wider and higher the result is; by default as the network does it, and 2 by the shipped ones.
    What no network does is done by the next one above, or by several passes, and reduced in linear light."""
    size: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] | None = None
    """Longest side of the result in pixels, instead of `scale`: of every map."""
    method: Literal["network", "lanczos"] = "network"
    """`network` restores detail that was lost; `lanczos` only interpolates, in linear light."""
    network: Literal["fast"] | af.File = "fast"
    """For color: `fast` is shipped; or a file of weights, .pth or .safetensors, of ESRGAN, Compact, SPAN or SRResNet,
    and with `assetforge[spandrel]` of many more."""
    data_network: Literal["fast"] | af.File = "fast"
    """The same for data maps, normals and alpha, each of whose channels goes through it by itself."""
    mix: af.File | None = None
    """Weights that are averaged with those of the file `network`, of the same architecture."""
    mix_share: af.Fraction = 0.5
    """How much `mix` counts: 0 leaves it out, 1 is `mix` alone."""
    correct: Literal["no", "color", "all"] = "no"
    """What the result, reduced again, must have of the source: `color` brings back broad tones, which networks that
    invent detail shift; `all` brings back whatever the source shows, and may ring at edges."""
    alpha: Literal["soft", "cutout"] = "soft"
    """`cutout` makes alpha 0 or 1 everywhere, for leaves and fences whose pixels are shown or not."""
    tileable: Literal["auto"] | bool = "auto"
    """Whether a texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""

    @property
    def networks(self) -> dict[str, str | Path]:
        """The network for each kind of map."""
        return {"color": self.network, "data": self.data_network}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.scale is not None and self.size is not None:
            raise ValueError("`scale` and `size` both say how large the result is; leave one out")
        if self.mix is not None and isinstance(self.network, str):
            raise ValueError("`mix` needs a file of weights as `network`")
        return self


def passes(factor: float, scales: Iterable[int]) -> tuple[int, ...]:
    """Return the scales of passes that together enlarge by a factor or more: few passes, and little more than that.

    The largest comes first, so that it has the smallest picture to work on.
    """
    for count in itertools.count():
        chains = itertools.combinations_with_replacement(sorted(scales, reverse=True), count)
        if enough := [chain for chain in chains if math.prod(chain) >= factor - 1e-9]:
            return min(enough, key=math.prod)
    raise AssertionError  # the loop has no end


def name_of(network: str, kind: str, scale: int) -> str:
    """Name the file of a shipped network."""
    return f"{network}_{kind}_x{scale}"


def weights_for(params: Params) -> tuple[str, ...]:
    """Name the networks that these parameters may need."""
    if params.method == "lanczos":
        return ()
    chosen = {kind: network for kind, network in params.networks.items() if isinstance(network, str)}
    told = params.size is None and (params.scale is not None or len(chosen) == len(SHIPPED))
    names = []
    for kind, network in chosen.items():
        scales = SHIPPED[kind][network]
        needed = sorted(set(passes(params.scale or 2, scales))) if told else scales
        names += [name_of(network, kind, scale) for scale in needed]
    return tuple(names)


@af.step("upscale", Params, reads="every map", writes="every map", weights=weights_for)
def upscale(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make every map `scale` times as wide and high."""
    from assetforge_upscale._upscale import upscale_material

    return upscale_material(material, params, context)


class Training(af.Params):
    """What the recipe `upscale` can be told."""

    network: Literal["fast_color_x4", "fast_color_x2", "fast_data_x4", "fast_data_x2"] = "fast_color_x4"
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
