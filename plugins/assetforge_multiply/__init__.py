"""Texture multiplier: one material in, as many new ones as wanted, which tile and whose maps belong together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

import assetforge as af

_MARGIN = 16
"""Pixels that are made beyond an edge that is not to tile, and cut off."""
Side = Annotated[int, Field(ge=32, le=8192)]


class Other(af.Params):
    """One more exemplar."""

    maps: dict[str, af.File]
    """A file for each map of the material, by the map's name."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How much of the result is to be made of it; the material itself counts 1."""
    green: Literal["up", "down"] = "up"
    """Its normal map: `up` for OpenGL, `down` for DirectX."""


class Guide(af.Params):
    """Pictures that say what goes where."""

    target: af.File
    """A picture of the result: pieces go where it looks as the exemplar's own picture does where they are from."""
    source: af.File | None = None
    """The exemplar's own picture; by default the brightness of its color, and that of `target` is brought to its
    range."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How much it counts beside the likeness of pieces."""


class Reroll(af.Params):
    """A part of the result that is to be made anew, while the rest stays, to the bit."""

    region: af.File
    """A picture that is white where the result is made anew."""
    seed: Annotated[int, Field(ge=0)]
    """Another number makes another one."""


class Params(af.Params):
    """What `multiply` can be told."""

    method: Literal["patches", "blend", "neural"] = "patches"
    """`patches` puts the exemplar together anew, piece by piece; `blend` mixes it at random within a fraction of a
    second, which is right only for materials without any structure; `neural` draws a new picture whose features have
    the exemplar's statistics."""
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
    turn: Literal["no", "mirror", "quarter", "all"] = "no"
    """Whether pieces may be mirrored left to right, turned by quarters, or both. Normals turn with them."""
    flatten: af.Fraction = 0.0
    """How far large differences in brightness and height are taken out of the exemplar, which would be seen to
    repeat."""
    others: tuple[Other, ...] = ()
    """More exemplars of the same maps, that the result is made of as well."""
    mix: af.File | None = None
    """Which of the exemplars goes where: black is the material itself, white the last of `others`; by default patches
    of each by their weights."""
    guide: Guide | None = None
    """Pictures that say what goes where."""
    edges: Annotated[int, Field(ge=0)] | None = None
    """Results of the same material and the same number here tile with one another, whatever their seeds. They share
    their edges: an eighth of the side at each, from 8 to 32 pixels."""
    reroll: Reroll | None = None
    """A part that is to be made anew."""
    candidates: Annotated[int, Field(ge=1, le=32)] = 8
    """How many layouts are tried at a low resolution; the best is carried out."""
    polish: af.Fraction = 1.0
    """How far contrast and grain are brought back to the exemplar's after pieces were joined."""
    polish_by: Literal["ranks", "neural"] = "ranks"
    """`ranks` moves values to those of the same rank in the exemplar, along random directions; `neural` goes by the
    statistics of features, as the method of that name does, and takes longer."""
    features: Literal["forge", "random", "vgg19"] = "random"
    """What gives features where something is `neural`: random filters, the network `forge` that comes with AssetForge,
    or VGG-19, which you add with `assetforge weights add vgg19 FILE`."""
    loss: Literal["moments", "gram", "sliced"] = "moments"
    """What is compared of features: means and covariances, Gram matrices, or whole distributions."""
    effort: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Multiplies the number of neural steps."""
    repair_normals: bool = False
    """Make the normals those of a height map again, all over: cuts between pieces leave steps that no surface has."""
    retries: Annotated[int, Field(ge=0, le=8)] = 1
    """How often another seed is tried where a check of a result of `patches` fails; what still fails is flagged."""
    save_map: bool = False
    """Also write the map `coordinates`, by which `apply_map` makes the same of other or larger maps. It wants 16 bits:
    `outputs: {format: {coordinates: png16}}`. Of the same maps, it makes the same to the bit; not so with `keep`,
    `variation` 0, `edges`, `reroll` and `ignore`, which leave pixels as they were or hide some from `polish`, nor with
    `polish_by: neural`."""
    report: bool = False
    """Also write the picture `multiply_report`: exemplar, result tiled twice, and where its pieces come from."""

    @model_validator(mode="after")
    def _fits_together(self) -> Params:
        """Refuse what excludes each other."""
        in_place = self.keep is not None or self.variation < 1
        wants = {
            "size": self.size is not None,
            "others": bool(self.others),
            "guide": self.guide is not None,
            "edges": self.edges is not None,
            "turn": self.turn != "no",
        }
        for name in (name for name, wanted in wants.items() if wanted and in_place):
            raise ValueError(f"{name!r} cannot be set with `keep` or with a variation below 1; leave one of them out")
        if self.mix is not None and not self.others:
            raise ValueError("'mix' says where `others` go, and there are none; add some, or leave it out")
        if self.guide is not None and self.guide.source is not None and self.others:
            raise ValueError("'guide.source' is of one exemplar, and there are `others`; leave one of them out")
        if self.reroll is not None and self.is_in_place:
            raise ValueError("'reroll' is of a result that is all new; leave it out, or `keep` and the variation of 0")
        others = (self.save_map, in_place, self.ignore is not None, self.reroll is not None)
        if self.method != "patches" and (any(others) or any(wants[n] for n in wants if n != "size")):
            raise ValueError(f"the method {self.method!r} knows only `size`, `tileable` and `flatten`; use 'patches'")
        return self

    @property
    def is_in_place(self) -> bool:
        """Whether only a part of the exemplar is made anew: at its seams, or where it is not kept."""
        return self.variation == 0 or self.keep is not None

    def result_size(self, source_size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the result, given those of the exemplar."""
        if self.size is None:
            return source_size
        width, height = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        return height, width

    def torus_size(self, source_size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the torus that the result is cut from: larger where an edge must not tile."""
        sides = zip("yx", self.result_size(source_size), strict=True)
        height, width = (side + (0 if axis in self.tileable else _MARGIN) for axis, side in sides)
        return height, width


class ApplyParams(af.Params):
    """What `apply_map` can be told."""

    scale: Annotated[float, Field(gt=0)] | None = None
    """How much larger the maps are than the exemplar that `coordinates` was made with; by default it is found out."""
    turn: Literal["no", "mirror", "quarter", "all"] = "no"
    """What `multiply` was told of the same name."""
    tileable: Literal["xy", "x", "y", "none"] = "xy"
    """What `multiply` was told of the same name."""
    flatten: af.Fraction = 0.0
    """What `multiply` was told of the same name."""
    polish: af.Fraction = 1.0
    """What `multiply` was told of the same name; 0 where it had a `guide` or `others`. Maps of another scale are put
    together without."""
    repair_normals: bool = False
    """What `multiply` was told of the same name."""

    def cropped_size(self, torus: tuple[int, int], scale: float) -> tuple[int, int]:
        """Return height and width of the result that is cut from a torus, so many times as large as `multiply` had."""
        margin = round(_MARGIN * scale)
        height, width = (
            side - (0 if axis in self.tileable else margin) for axis, side in zip("yx", torus, strict=True)
        )
        return height, width


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
    from assetforge_multiply._multiply import apply_coordinates

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
