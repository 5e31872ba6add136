"""Upscale every map of a material, each as its kind asks for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

import assetforge as af

SHIPPED: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "color": {"fast": (2, 3, 4), "quality": (2, 3, 4), "drawn": (4,)},
    "data": {"fast": (2, 3, 4), "quality": (2, 3, 4)},
}
"""The networks that are shipped: for which kind of map, by which name, of which scales."""
DENOISER = "denoise_color_x1"
"""The file of the network that restores a picture in its own size before `quality` enlarges it."""
DETAIL = "detail_color_x4"
"""The file of the network that `quality` is mixed with for `detail`."""
AUTO = ("quality", "denoise", "drawn")
"""What `auto` chooses from, for each picture of colors."""
LARGEST_SCALE = 16
LARGEST_SIDE = 32768


Factor = Annotated[
    int | float,  # what is written without a point is shown without one
    Field(ge=1, le=LARGEST_SCALE),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": LARGEST_SCALE}),
]
"""How many times wider and higher."""


NetworkName = Literal["fast", "quality", "denoise", "drawn", "auto"] | af.File
"""A network for color that is shipped, or one of a file."""
DataNetworkName = Literal["fast", "quality"] | af.File
"""The same for data maps."""


class Params(af.Params):
    """What `upscale` can be told."""

    scale: Factor | None = None
    """How many times wider and higher the result is; by default as the network does it, and 2 by the shipped ones.
    What no network does is done by the next one above, or by several passes, and reduced in linear light."""
    size: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] | None = None
    """Longest side of the result in pixels, instead of `scale`: of every map."""
    method: Literal["network", "lanczos"] = "network"
    """`network` restores detail that was lost; `lanczos` only interpolates, in linear light."""
    network: NetworkName = "fast"
    """For color: `fast`; or `quality`, which restores more and takes six times as long; or `denoise` for old files that
    JPEG, BC1 (DXT1) or a palette damaged, which it restores before `quality` enlarges them (with `scale: 1`, nothing
    does); or `drawn` for line art, cel shading and flat fills; or `auto`, which chooses one of these three for each
    picture; or a file of weights, .pth or .safetensors, of ESRGAN, Compact,
    SPAN, RLFN, EFDN or SRResNet, and with `assetforge[spandrel]` of many more."""
    data_network: DataNetworkName = "fast"
    """The same for data maps, normals and alpha, each of whose channels goes through it by itself: `fast` or `quality`,
    or a file of weights."""
    detail: af.Fraction = 0.0
    """With `network: quality`, `denoise` or `auto`: how much fine detail is invented where none can be restored; it
    looks crisper, and is less like what there was. 0 is none, 1 about as much as surfaces have."""
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
        if self.detail and self.network not in ("quality", "denoise", "auto"):
            message = "`detail` is for the networks `quality`, `denoise` and `auto`; name one of them, or leave it out"
            raise ValueError(message)
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


def files_for(network: str, kind: str, factor: float | None, detail: float) -> tuple[str, ...]:
    """Name the files of a shipped network that a picture goes through, in this order; without a factor, all of them.

    What `detail` mixes `quality` with is there for the largest of its scales alone.
    """
    first, then = ((DENOISER,), "quality") if network == "denoise" else ((), network)
    scales = SHIPPED[kind][then]
    if detail and (then, kind) == ("quality", "color"):
        scales = scales[-1:]
    wanted = scales if factor is None else passes(factor, scales)
    return first + tuple(name_of(then, kind, scale) for scale in wanted)


def name_of(network: str, kind: str, scale: int) -> str:
    """Name the file of a shipped network for one scale."""
    return f"{network}_{kind}_x{scale}"


def weights_for(params: Params) -> tuple[str, ...]:
    """Name the networks that these parameters may need."""
    if params.method == "lanczos":
        return ()
    chosen = {kind: network for kind, network in params.networks.items() if isinstance(network, str)}
    told = params.size is None and (params.scale is not None or len(chosen) == len(SHIPPED))
    factor = (params.scale or 2) if told else None
    names = [
        name
        for kind, chosen_one in chosen.items()
        for network in (AUTO if chosen_one == "auto" else (chosen_one,))
        for name in files_for(network, kind, factor, params.detail)
    ]
    return tuple(dict.fromkeys([*names, DETAIL] if params.detail else names))


@af.step("upscale", Params, reads="every map", writes="every map", weights=weights_for)
def upscale(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make every map `scale` times as wide and high."""
    from assetforge_upscale._upscale import upscale_material

    return upscale_material(material, params, context)


@af.hookimpl
def register_evaluations(register: af.RegisterEvaluation) -> None:
    """Offer the evaluation."""
    from assetforge_upscale._comparison import evaluate_upscale

    register(evaluate_upscale)


@af.hookimpl
def register_recipes(register: af.RegisterRecipe) -> None:
    """Offer the recipe."""
    from assetforge_upscale._recipe import train_upscale

    register(train_upscale)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(upscale)
