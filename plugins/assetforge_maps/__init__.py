"""The small steps of every library of textures: size, seams, light, relief, levels, normals, workflows, mip maps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

import assetforge as af
from assetforge.validation.thresholds import FailOn, Thresholds

Side = Annotated[int, Field(ge=1, le=16384)]
Tileable = Literal["auto"] | bool
Depth = Annotated[float, Field(gt=0, le=10)]

_WIDE = af.Resources(memory=2 * 2**30)
"""Of steps that need a whole map several times over; measured at 4096 × 4096 pixels."""


class ResizeParams(af.Params):
    """What `resize` can be told."""

    size: tuple[Side, Side] | None = None
    """Width and height in pixels. Give one of `size`, `scale` and `longer`, or `power_of_two` alone."""
    scale: Annotated[float, Field(gt=0, le=64)] | None = None
    """How many times as wide and high each map becomes."""
    longer: Side | None = None
    """Pixels along the longer side; the proportions stay."""
    power_of_two: Literal["up", "down", "nearest"] | None = None
    """Make each side a power of two: the next one up, the next one down, or the nearest by ratio. It comes after the
    others, and by itself takes the size that a map has."""
    filter: Literal["auto", "nearest"] = "auto"
    """`auto`: Lanczos, in linear light; normals stay unit, and ids are taken from the nearest pixel. `nearest` takes
    every map from the nearest pixel, as pixel art wants."""
    tileable: Tileable = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""

    @model_validator(mode="after")
    def _one_size(self) -> ResizeParams:
        """Refuse no size, and several."""
        told = [name for name in ("size", "scale", "longer") if getattr(self, name) is not None]
        if len(told) > 1:
            raise ValueError(f"{' and '.join(told)} exclude each other; leave one of them")
        if not told and self.power_of_two is None:
            raise ValueError("nothing says how large it becomes; give `size`, `scale`, `longer` or `power_of_two`")
        return self


@af.step("resize", ResizeParams, reads="every map", writes="every map")
def resize(material: af.Material, params: ResizeParams, context: af.Context) -> af.Material:
    """Make every map larger or smaller, by a filter that fits its kind."""
    from assetforge_maps._size import resize_material

    return resize_material(material, params, context)


class CropParams(af.Params):
    """What `crop` can be told."""

    size: tuple[Side, Side] | None = None
    """Width and height of what stays, in pixels of the largest map. Give `size` or `parts`."""
    parts: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] | None = None
    """Width and height of what stays, in parts of the whole: 0.5 is half."""
    at: Literal["center"] | tuple[float, float] = "center"
    """Where the upper left corner is: from the left and from the top, in the units of `size` or `parts`."""

    @model_validator(mode="after")
    def _one_size(self) -> CropParams:
        """Refuse no size, several, and corners outside."""
        if (self.size is None) == (self.parts is None):
            raise ValueError("give `size` in pixels or `parts` of the whole, one of them")
        if self.at != "center" and min(self.at) < 0:
            raise ValueError(f"`at` is {list(self.at)}, which lies outside; its numbers are from 0")
        return self


@af.step("crop", CropParams, reads="every map", writes="every map")
def crop(material: af.Material, params: CropParams, _: af.Context) -> af.Material:
    """Cut a rectangle out of every map."""
    from assetforge_maps._size import crop_material

    return crop_material(material, params)


class TileableParams(af.Params):
    """What `make_tileable` can be told."""

    axes: Literal["both", "x", "y"] = "both"
    """Along which axes the maps are to continue at their opposite edges: `x` from left to right, `y` from top to
    bottom."""
    force: bool = False
    """Cut also where the edges of all maps meet already; without it, nothing changes there, to the bit."""
    size: Literal["cut", "keep"] = "cut"
    """`cut`: maps become smaller by what is cut off. `keep`: they are resampled to the size that they had, so that what
    they show becomes larger by as much."""


@af.step("make_tileable", TileableParams, reads="every map", writes="every map")
def make_tileable(material: af.Material, params: TileableParams, context: af.Context) -> af.Material:
    """Make opposite edges meet, by one cut of least error for all maps."""
    from assetforge_maps._tileable import tile_material

    return tile_material(material, params, context)


class DelightParams(af.Params):
    """What `delight` can be told."""

    strength: af.Fraction = 1.0
    """How much of the large-scale light is taken out; with 0, none of it."""
    radius: Annotated[float, Field(gt=0, le=1)] = 0.125
    """What is large, in parts of the longer side: the deviation of the Gaussian that finds the light."""
    occlusion: af.Fraction = 0.0
    """How much of the shadow in hollows is taken out, as the map `ambient_occlusion` has it, which must be there."""
    maps: Annotated[tuple[str, ...], Field(min_length=1)] = ("base_color", "diffuse_albedo")
    """The color maps that it is done to."""
    tileable: Tileable = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


@af.step("delight", DelightParams, reads="every map", writes="every color map", resources=_WIDE)
def delight(material: af.Material, params: DelightParams, context: af.Context) -> af.Material:
    """Take light and shadow out of a photographed color, and keep its hue."""
    from assetforge_maps._light import delight_material

    return delight_material(material, params, context)


class HeightParams(af.Params):
    """What `height_from_normal` can be told."""

    depth: Depth | None = None
    """What the height of 1 stands for, in parts of the longer side; heights lie around 0.5 then, and what does not fit
    into 0 to 1 is cut. By default the relief fills 0 to 1, and the step notes its depth."""
    largest: Annotated[float, Field(gt=0, le=1)] | None = None
    """Leave out hills that are larger, in parts of the longer side: small errors of normals add up to them."""
    tileable: Tileable = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


@af.step("height_from_normal", HeightParams, reads={"normal"}, writes={"height"}, resources=_WIDE)
def height_from_normal(material: af.Material, params: HeightParams, context: af.Context) -> af.Material:
    """Find the height map whose normals are nearest to those of the normal map, by least squares."""
    from assetforge_maps._relief import add_height

    return add_height(material, params, context)


class NormalParams(af.Params):
    """What `normal_from_height` can be told."""

    depth: Depth = 0.05
    """How deep the relief is: what the height of 1 stands for, in parts of the longer side. Twice the depth makes
    slopes twice as steep; another resolution changes nothing."""
    tileable: Tileable = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


@af.step("normal_from_height", NormalParams, reads={"height"}, writes={"normal"})
def normal_from_height(material: af.Material, params: NormalParams, _: af.Context) -> af.Material:
    """Make the normal map of a height map."""
    from assetforge_maps._relief import add_normal

    return add_normal(material, params)


class OcclusionParams(af.Params, title="Ambient occlusion from height"):
    """What `ao_from_height` can be told."""

    depth: Depth | None = None
    """How deep the relief is: what the height of 1 stands for, in parts of the longer side. By default as the normal
    map says, where there is one that fits, else 0.05."""
    radius: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """How far away what hides the sky may be, in parts of the longer side."""
    strength: Annotated[float, Field(gt=0, le=10)] = 1.0
    """The power to which the share of the sky is raised: 1 is what the relief has, more is darker."""
    tileable: Tileable = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


@af.step("ao_from_height", OcclusionParams, reads="every map", writes={"ambient_occlusion"})
def ao_from_height(material: af.Material, params: OcclusionParams, context: af.Context) -> af.Material:
    """Compute ambient occlusion: how much of the sky the relief leaves to each of its points."""
    from assetforge_maps._relief import add_occlusion

    return add_occlusion(material, params, context)


CURVATURE = af.MapSpec("curvature", 1, "data", (0.0, 1.0), (0.5,), "Above 0.5 on edges (convex), below in grooves.")


class CurvatureParams(af.Params):
    """What `curvature` can be told."""

    source: Literal["auto", "normal", "height"] = "auto"
    """The map that it is computed from; `auto` takes the normal where there is one."""
    depth: Depth = 0.05
    """For `height`: how deep the relief is, in parts of the longer side."""
    radius: Annotated[float, Field(gt=0, le=0.25)] = 0.004
    """How wide the edges are that are looked for, in parts of the longer side: 4 pixels of 1024."""
    strength: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Multiplies how far values are from 0.5; with 1, an edge of a right angle gets near 0 or 1."""
    tileable: Tileable = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


@af.step("curvature", CurvatureParams, reads="every map", writes={"curvature"})
def curvature(material: af.Material, params: CurvatureParams, _: af.Context) -> af.Material:
    """Compute where the relief is convex and where it is concave, as the map `curvature`."""
    from assetforge_maps._relief import add_curvature

    return add_curvature(material, params)


class Levels(af.Params):
    """Levels of one map, as painting programs have them: of color maps, they are of sRGB values."""

    black: float = 0.0
    """The value that becomes `low`."""
    white: float = 1.0
    """The value that becomes `high`."""
    gamma: Annotated[float, Field(gt=0, le=10)] = 1.0
    """More than 1 makes the middle brighter, less makes it darker."""
    low: float = 0.0
    """The least value of the result."""
    high: float = 1.0
    """The greatest value of the result."""
    invert: bool = False
    """Exchange `low` and `high`."""
    clamp: bool = True
    """Cut what lies below `black` or above `white`. Without it, which needs a gamma of 1, the line goes on."""

    @model_validator(mode="after")
    def _has_range(self) -> Levels:
        """Refuse levels that have no meaning."""
        if self.white <= self.black:
            raise ValueError(f"white ({self.white}) must be above black ({self.black}); 'invert: true' inverts")
        if not self.clamp and self.gamma != 1:
            raise ValueError("values below black have no power; write 'clamp: true', or 'gamma: 1'")
        return self


class LevelsParams(af.Params):
    """What `levels` can be told."""

    maps: Annotated[Mapping[str, Levels], Field(min_length=1)]
    """The levels of each map, by its name: `{roughness: {black: 0.2, white: 0.9}}`."""


@af.step("levels", LevelsParams, reads="every map", writes="every map")
def levels(material: af.Material, params: LevelsParams, context: af.Context) -> af.Material:
    """Set black, white and gamma of maps, or invert them."""
    from assetforge_maps._levels import level_material

    return level_material(material, params, context)


DETAIL = af.MapSpec(
    "normal_detail", 3, "vector", (-1.0, 1.0), (0.0, 0.0, 1.0), "Detail normals for `combine_normals`, unit, +Y up."
)


class CombineParams(af.Params):
    """What `combine_normals` can be told."""

    detail: af.File | None = None
    """A normal map of details. By default the material's own map `normal_detail`."""
    green: Literal["up", "down"] = "up"
    """The file's green: `up` for OpenGL, `down` for DirectX."""
    method: Literal["reoriented", "whiteout", "udn"] = "reoriented"
    """`reoriented` turns details so that they stand on the surface, and keeps all of both; `whiteout` adds slopes
    nearly as well, `udn` is cheap and flattens details where the surface is steep: what engines do in their shaders."""
    strength: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Multiplies the slopes of the details; with 0 nothing changes, to the bit."""
    repeats: tuple[Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)]] = (1, 1)
    """How often the details repeat across and down."""


@af.step("combine_normals", CombineParams, reads="every map", writes={"normal"})
def combine_normals(material: af.Material, params: CombineParams, _: af.Context) -> af.Material:
    """Lay detail normals over those of the material."""
    from assetforge_maps._detail import combine_material

    return combine_material(material, params)


class ConvertParams(af.Params):
    """What `convert` can be told."""

    to: Literal["roughness", "glossiness", "metalness", "specular"]
    """The maps to make. `roughness` is 1 − `glossiness`, and back. `metalness` makes `base_color` and `metalness` of
    `diffuse_albedo` and `specular_albedo`; `specular` makes those of these, and of `specular_color` where it is there.
    A material that has `base_color` and nothing of the specular workflow stays as it is, and gets a `metalness` of 0
    where it has none. The maps that it starts from stay; `outputs.maps` says what is written."""


_MADE = {
    "roughness": ("roughness",),
    "glossiness": ("glossiness",),
    "metalness": ("base_color", "metalness"),
    "specular": ("diffuse_albedo", "specular_albedo"),
}


def _made(params: ConvertParams) -> tuple[str, ...]:
    return _MADE[params.to]


@af.step("convert", ConvertParams, reads="every map", writes=(), on_demand=_made)
def convert(material: af.Material, params: ConvertParams, _: af.Context) -> af.Material:
    """Turn glossiness into roughness, or the specular workflow into metalness, and back."""
    from assetforge_maps._convert import convert_material

    return convert_material(material, params)


class MipsParams(af.Params):
    """What `mips` can be told."""

    levels: Annotated[int, Field(ge=1, le=32)] | None = None
    """How many levels there are, with the largest; by default all, down to 1 pixel."""
    smallest: Side = 1
    """The least length of the longer side of a level."""
    filter: Literal["box", "lanczos"] = "box"
    """`box`: a pixel is the mean of what it covers. `lanczos` keeps colors and numbers sharper, and may ring; where
    the texture repeats, so does what it sees. Normals, and colors with alpha, always take the mean."""
    roughness: Literal["lobe", "toksvig", "mean"] = "lobe"
    """How the roughness of a level makes up for the bumps that its normals have lost, so that metal does not get
    brighter and flicker far away. `lobe`: half of the microfacets of all that a pixel covers lie within its lobe.
    `toksvig`: by the length of the mean normal, as many engines do. `mean`: it does not."""
    alpha: Literal["auto", "coverage", "mean"] = "auto"
    """`coverage`: alpha, or `opacity`, of each level is scaled so that as much of it is above the cutoff as of the
    largest, and leaves do not get thinner far away. `auto`: where nearly all of it is 0 or 1."""
    cutoff: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """The alpha from which on the renderer shows a pixel."""
    tileable: Tileable = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


@af.step("mips", MipsParams, reads="every map", writes="every map", resources=_WIDE)
def mips(material: af.Material, params: MipsParams, context: af.Context) -> af.Material:
    """Give every map its smaller levels (mip maps), by its kind, for the formats that hold them: DDS and KTX2."""
    from assetforge_maps._mips import add_mips

    return add_mips(material, params, context)


PACKED = af.MapSpec("packed", 3, "data", (0.0, 1.0), (0.5,) * 3, "Three maps of numbers in one, as `pack` has them.")
PACKED_RGBA = af.MapSpec("packed_rgba", 4, "data", (0.0, 1.0), (0.5,) * 4, "Four maps of numbers in one.")

_CHANNEL = r"^(1 - )?[a-z_]\w*(\.[rgb])?$"
Source = Annotated[str, Field(pattern=_CHANNEL)] | af.Fraction


class PackParams(af.Params):
    """What `pack` can be told. A channel is `MAP`, `1 - MAP`, `MAP.r`, `.g` or `.b` of maps of three, or a number."""

    r: Source
    """What red holds."""
    g: Source
    """What green holds."""
    b: Source
    """What blue holds."""
    a: Source | None = None
    """What alpha holds; the map is `packed_rgba` then, and else `packed`."""

    @field_validator("r", "g", "b", "a", mode="before")
    @classmethod
    def _spelled(cls, told: object) -> object:
        """Refuse what spells no channel, in words: the field's pattern is for editors."""
        if isinstance(told, str) and not re.search(_CHANNEL, told):
            raise ValueError("should be a map or '1 - MAP', with '.r', '.g' or '.b' if it has three channels")
        return told

    @model_validator(mode="after")
    def _holds_a_map(self) -> PackParams:
        """Refuse numbers alone, which have no size."""
        if not self.sources:
            raise ValueError("packs numbers alone; name a map for one channel at least")
        return self

    @property
    def channels(self) -> tuple[str | float, ...]:
        """What the channels hold, as it is spelled."""
        return tuple(one for one in (self.r, self.g, self.b, self.a) if one is not None)

    @property
    def sources(self) -> frozenset[str]:
        """The maps that are packed."""
        return frozenset(one.removeprefix("1 - ").partition(".")[0] for one in self.channels if isinstance(one, str))


def packed_name(params: PackParams) -> str:
    """Return the map that is written."""
    return "packed" if params.a is None else "packed_rgba"


@af.step(
    "pack",
    PackParams,
    reads=lambda params: params.sources,
    writes=(),
    on_demand=lambda params: (packed_name(params),),
)
def pack(material: af.Material, params: PackParams, context: af.Context) -> af.Material:
    """Put channels of several maps into one, as files of engines have them; the largest gives the size."""
    from assetforge_maps._pack import pack_material

    return pack_material(material, params, context)


class UnpackParams(af.Params):
    """What `unpack` can be told."""

    maps: Annotated[Mapping[str, Annotated[str, Field(pattern="^((1 - )?[rgba]|[rgba]{2})$")]], Field(min_length=1)]
    """The channel of each map: `{roughness: g, metalness: 1 - b}`. `normal: rg` has x and y in two, and z made of them.
    With `a`, the map `packed_rgba` is read, and else `packed`."""


def _packed_for(params: UnpackParams) -> tuple[str, ...]:
    return ("packed_rgba",) if any("a" in channel for channel in params.maps.values()) else ("packed",)


@af.step("unpack", UnpackParams, reads=_packed_for, writes=(), on_demand=lambda params: tuple(params.maps))
def unpack(material: af.Material, params: UnpackParams, context: af.Context) -> af.Material:
    """Take maps out of the channels of a packed one."""
    from assetforge_maps._pack import unpack_material

    return unpack_material(material, params, context)


class Strip(af.Params):
    """One more strip of a trim sheet."""

    maps: Mapping[str, af.File]
    """A file for each map of the material, by the map's name."""
    name: str = ""
    """What the report calls it; by default its number."""
    across: Annotated[int, Field(ge=1, le=64)] = 1
    """How often it repeats across the sheet: 2 halves its size."""
    green: Literal["up", "down"] = "up"
    """Its normal map: `up` for OpenGL, `down` for DirectX."""


class TrimSheetParams(af.Params):
    """What `trim_sheet` can be told."""

    strips: Annotated[tuple[Strip, ...], Field(min_length=1)]
    """What lies below the material itself, in this order."""
    width: Side | None = None
    """Pixels across; by default as many as the material has. Each strip is scaled to it, and keeps its proportions."""
    height: Side | None = None
    """Pixels down; by default as many as are needed. What is left below the last strip goes on as that does."""
    padding: Annotated[int, Field(ge=0, le=256)] = 8
    """Rows around each strip in which it goes on, so that small mips mix it with itself: 8 are enough for three."""
    ids: bool = Field(False, title="IDs")
    """Write the map `id`, too: the number of the strip, from 1, and 0 between them."""


def _ids_of(params: TrimSheetParams) -> tuple[str, ...]:
    return ("id",) if params.ids else ()


@af.step("trim_sheet", TrimSheetParams, reads="every map", writes="every map", on_demand=_ids_of)
def trim_sheet(material: af.Material, params: TrimSheetParams, context: af.Context) -> af.Material:
    """Lay strips of several materials below each other in one sheet, which goes on tiling across."""
    from assetforge_maps._trim_sheet import lay_out

    return lay_out(material, params, context)


class ValidateParams(Thresholds):
    """What `validate` can be told."""

    fail_on: FailOn = "error"
    """What fails the material, so that nothing of it is written: `error`, `warning` (and errors), or `never`."""


@af.step("validate", ValidateParams, reads="every map", writes=(), resources=_WIDE)
def validate(material: af.Material, params: ValidateParams, context: af.Context) -> af.Material:
    """Check that the maps are sound; flag what is doubtful, and fail where it is as severe as `fail_on`."""
    from assetforge_maps._validate import validate_material

    return validate_material(material, params, context)


@af.hookimpl
def register_maps(register: af.RegisterMap) -> None:
    """Offer the maps that the steps add."""
    register(CURVATURE)
    register(DETAIL)
    register(PACKED)
    register(PACKED_RGBA)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the steps."""
    register(resize)
    register(crop)
    register(make_tileable)
    register(delight)
    register(height_from_normal)
    register(normal_from_height)
    register(ao_from_height)
    register(curvature)
    register(levels)
    register(combine_normals)
    register(convert)
    register(mips)
    register(validate)
    register(pack)
    register(unpack)
    register(trim_sheet)
