"""Give textures another look: the style of a picture, or its colors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

import assetforge as af


class MatchParams(af.Params):
    """What `match_color` can be told."""

    like: af.File
    """The picture whose colors are taken. Where it is transparent, it does not count."""
    method: Literal["mean", "covariance", "sliced"] = "covariance"
    """What becomes that of the picture: `mean`, the mean and the deviation of each channel; `covariance`, how channels
    go together, too, with the least change that does it; `sliced`, the whole distribution, for palettes of several
    colors, which may bring out noise and the blocks of JPEG."""
    space: Literal["lab", "luv", "yuv", "ycrcb"] = "lab"
    """The color space that it is done in: `lab` and `luv` go by what is seen, `yuv` and `ycrcb` by video signals."""
    brightness: Literal["match", "keep"] = "match"
    """`keep` changes hue and saturation only."""
    strength: af.Fraction = 1.0
    """How far colors go; with 0 nothing changes, to the bit."""
    maps: Annotated[tuple[str, ...], Field(min_length=1)] = ("base_color", "diffuse_albedo")
    """The color maps that it is done to."""


@af.step("match_color", MatchParams, reads="every color map", writes="every color map")
def match_color(material: af.Material, params: MatchParams, context: af.Context) -> af.Material:
    """Give a material the colors of a picture, so that a library is of one palette."""
    from assetforge_stylize._match import match_material

    return match_material(material, params, context)


class Style(af.Params):
    """One of several styles."""

    file: af.File
    """The picture. Where it is transparent, it does not count."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """How much of the result is to look like it, beside the others that go to the same place."""
    mask: af.File | None = None
    """A picture that is white where the style goes, and gray where it goes in part. Styles without a mask go where no
    mask is; where none goes, nothing changes."""
    maps: Mapping[str, af.File] = Field(default_factory=dict)
    """The other maps of a style that is a material, by name, for `other_maps: style`."""
    green: Literal["up", "down"] = "up"
    """The style's normal map: `up` for OpenGL, `down` for DirectX."""


class StylizeParams(af.Params):
    """What `stylize` can be told."""

    style: af.File | Annotated[tuple[Style, ...], Field(min_length=1)]
    """A picture whose style is taken, or several with weights and masks. The statistics of several are averaged by
    their weights: they are those of a picture of which each style covers such a part."""
    method: Literal["optimize", "wct", "adain"] = "optimize"
    """`optimize` draws the texture anew until its features are those of the style: the best, within minutes. `wct` and
    `adain` move its features there and decode them, within seconds: `wct` moves how features go together, `adain` only
    their means and deviations. They know neither `loss`, `content`, `coherence` nor what else the optimization is
    told, and only the features `forge`."""
    strength: af.Fraction = 1.0
    """How far the statistics go from the texture's own to those of the style; with 0 nothing changes, to the bit."""
    preserve_color: Literal["none", "luma", "histogram", "both"] = "none"
    """`luma` changes brightness only: hue and saturation stay; `histogram` gives the style the colors of the texture
    before; `both` does one before and the other after."""
    space: Literal["lab", "luv", "yuv", "ycrcb"] = "lab"
    """The color space in which colors are preserved."""
    content: Annotated[float, Field(ge=0, le=100)] = 1.0
    """How firmly the texture's own structure is held; with less, the style moves more."""
    coherence: Annotated[float, Field(ge=0, le=100)] = 2.0
    """How firmly the brightness of the color goes on telling of each map that stays: what lies deep was dark, say."""
    style_scale: Annotated[float, Field(gt=0, le=8)] = 1.0
    """How large strokes are: the size of the style's picture, where 1 covers as many pixels as the texture does."""
    style_size: Annotated[int, Field(ge=64, le=8192)] | None = None
    """Longer side of the style's picture in pixels, instead of `style_scale`: so textures of all sizes get strokes of
    one size and the same statistics, and come as near to them, small ones too: a library looks of one hand."""
    smoothness: Annotated[float, Field(ge=0, le=100)] = 0.0
    """How much noise is kept down: the mean squared difference of neighbors."""
    features: Literal["forge", "random", "vgg19"] = "forge"
    """What gives features: the network that comes with AssetForge, random filters, or VGG-19, which you add with
    `assetforge weights add vgg19 FILE`."""
    loss: Literal["moments", "gram", "sliced"] = "moments"
    """What is compared of features: means and covariances, Gram matrices, or whole distributions."""
    layers: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """How much each layer of features counts, the finest first; those that are not named count 1."""
    start: Literal["content", "noise", "style"] | af.File = "content"
    """What the optimization begins with: the texture, noise, the style's picture, or a picture of your own."""
    optimizer: Literal["adam", "lbfgs"] = "adam"
    """`lbfgs` gets further in few iterations, and wants more memory."""
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 100
    """At each size of the pyramid."""
    coarsest: Annotated[int, Field(ge=32, le=4096)] = 48
    """Shorter side of the smallest size of the pyramid, in pixels; each is √2 times as large as the one before."""
    maps: Annotated[tuple[str, ...], Field(min_length=1)] = ("base_color", "diffuse_albedo")
    """The color maps that are stylized."""
    other_maps: Literal["keep", "follow", "style"] = "keep"
    """What becomes of height, normal and the rest. `keep`: they stay, to the bit. `follow`: what the style drew
    brighter rises and what it drew darker sinks, in height and normals, by `relief`. `style`: they take the style of
    the style's own maps, together with the color."""
    relief: Annotated[float, Field(ge=0, le=4)] = 0.3
    """How far height and slopes follow, in parts of their own deviation."""
    islands: af.File | None = None
    """A picture that is white on the islands of a UV atlas. What lies between them does not count, and the result is
    spread into it by `gutter`."""
    gutter: Annotated[int, Field(ge=0, le=256)] = 16
    """Pixels by which colors are spread beyond islands and into what is transparent."""
    cells: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    """Columns and rows of a sheet of sprites: no cell bleeds into the next, and all are of one style."""
    photorealistic: bool = False
    """Keep the texture's own gradients: the style's light and color without its strokes."""
    tileable: Literal["auto"] | bool = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""

    @model_validator(mode="after")
    def _styles_fit(self) -> StylizeParams:
        """Refuse styles that leave nothing to do, or have not what is asked of them."""
        if not self.styles:
            raise ValueError("the weights of all styles are 0; give one of them more")
        if self.other_maps == "style" and not all(style.maps for style in self.styles):
            what = "'other_maps: style' needs the `maps` of each style"
            raise ValueError(f"{what}; write 'style: [{{file: …, maps: {{height: …}}}}]'")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> StylizeParams:
        """Refuse what excludes each other."""
        if self.layers and not any(self.layers):
            raise ValueError("the weights of all layers are 0; give one of them more")
        if self.method != "optimize" and (self.features != "forge" or self.other_maps == "style"):
            raise ValueError(f"{self.method!r} works with the features 'forge', and on color; use 'optimize'")
        if self.optimizer == "lbfgs" and self.loss == "sliced":
            raise ValueError("'sliced' draws new directions at each iteration, which 'lbfgs' cannot follow; use 'adam'")
        if self.cells is not None and self.tileable is True:
            raise ValueError("a sheet of `cells` does not tile; leave one of them out")
        return self

    @property
    def styles(self) -> tuple[Style, ...]:
        """The styles that have a weight, one or several."""
        told = self.style if isinstance(self.style, tuple) else (Style(file=self.style),)
        return tuple(style for style in told if style.weight > 0)


def _weights(params: StylizeParams) -> tuple[str, ...]:
    if params.method != "optimize":
        return ("forge", "decoder")
    return () if params.features == "random" else (params.features,)


@af.step(
    "stylize",
    StylizeParams,
    reads="every map",
    writes="every map",
    weights=_weights,
    resources=af.Resources(memory=4 * 2**30, time_limit=24 * 3600.0),
)
def stylize(material: af.Material, params: StylizeParams, context: af.Context) -> af.Material:
    """Give a material the look of a picture: its strokes, its contrasts and, unless preserved, its colors."""
    from assetforge_stylize._stylize import stylize_material

    return stylize_material(material, params, context)


class PixelArtParams(af.Params):
    """What `pixel_art` can be told."""

    reduce: Annotated[int, Field(ge=1, le=64)] = 4
    """By how much it becomes smaller: of so many pixels along each axis, one stays."""
    colors: Annotated[int, Field(ge=2, le=256)] | None = 16
    """How many colors each color map has; null for all."""
    palette: af.File | None = None
    """A picture that holds the colors to use, up to 256, instead of `colors`."""
    maps: Annotated[tuple[str, ...], Field(min_length=1)] = ("base_color", "diffuse_albedo")
    """The maps that get few colors; the others only become smaller."""


@af.step("pixel_art", PixelArtParams, reads="every map", writes="every map")
def pixel_art(material: af.Material, params: PixelArtParams, _: af.Context) -> af.Material:
    """Make pixel art: the nearest pixels of every map, and color maps in few colors or those of a palette."""
    from assetforge_stylize._pixel_art import pixelate

    return pixelate(material, params)


class FastParams(af.Params):
    """What `stylize_fast` can be told."""

    network: af.File
    """The network of a style: what `assetforge train style` made."""
    strength: af.Fraction = 1.0
    """How much of the result is mixed into the texture; with 0 nothing changes, to the bit."""
    preserve_color: Literal["none", "luma"] = "none"
    """`luma` changes brightness only: hue and saturation stay."""
    space: Literal["lab", "luv", "yuv", "ycrcb"] = "lab"
    """The color space in which colors are preserved."""
    maps: Annotated[tuple[str, ...], Field(min_length=1)] = ("base_color", "diffuse_albedo")
    """The color maps that are stylized."""
    gutter: Annotated[int, Field(ge=0, le=256)] = 16
    """Pixels by which colors are spread into what is transparent."""
    tileable: Literal["auto"] | bool = "auto"
    """Whether the texture continues at its opposite edge. `auto`: as the input says, else measured at its edges."""


@af.step(
    "stylize_fast",
    FastParams,
    reads="every color map",
    writes="every color map",
    resources=af.Resources(memory=2 * 2**30),
)
def stylize_fast(material: af.Material, params: FastParams, context: af.Context) -> af.Material:
    """Give textures the one style that a network was trained for, within seconds."""
    from assetforge_stylize._fast import stylize_material

    return stylize_material(material, params, context)


@af.hookimpl
def register_recipes(register: af.RegisterRecipe) -> None:
    """Offer the recipes."""
    from assetforge_stylize._recipes import train_decoder, train_forge, train_style

    register(train_forge)
    register(train_decoder)
    register(train_style)


@af.hookimpl
def register_steps(register: af.Register) -> None:
    """Offer the step."""
    register(match_color)
    register(stylize)
    register(stylize_fast)
    register(pixel_art)
