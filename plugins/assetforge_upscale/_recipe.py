"""The recipe that trains networks for `upscale`, and what it can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

import assetforge as af

Weight = Annotated[float, Field(ge=0)]
"""Of a loss, or of one of several choices."""


class Losses(af.Params):
    """What the result is compared with the truth by, each with its weight; those of 0 are not computed."""

    charbonnier: Weight = 0.0
    """Mean absolute error, smooth at 0."""
    l1: Weight = 0.0
    """Mean absolute error."""
    mse: Weight = 0.0
    """Mean squared error."""
    psnr: Weight = 0.0
    """Hundredths of the dB that a picture's PSNR lacks to 60."""
    hfen: Weight = 0.0
    """Error of fine detail, seen through a Laplacian of a Gaussian."""
    broad: Weight = 0.0
    """Error of the means of squares of 4 pixels. Beside `gan`, it keeps tones where they are."""
    gradient: Weight = 0.0
    """Error of the differences between neighbors."""
    perceptual: Weight = 0.0
    """Error of the features of `perceptual_network`."""
    gan: Weight = 0.0
    """How well a discriminator tells results from real pictures, which invents detail. Try 0.005 beside `l1: 1`, from
    a network that was trained without."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("no loss has a weight above 0; give one, such as {charbonnier: 1}")
        return self


class Reductions(af.Params):
    """How sources were reduced from what is to be restored, each with its weight."""

    bicubic: Weight = 0.0
    """Bicubic, antialiased, as picture editors and the benchmarks do it."""
    box: Weight = 0.0
    """The mean of codes."""
    lanczos: Weight = 0.0
    """Lanczos of three lobes, which leaves edges sharp."""
    mip: Weight = 0.0
    """The mean of light, as mip maps of sRGB textures are made; of data maps, the mean of codes."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("no reduction has a weight above 0; give one, such as {bicubic: 1}")
        return self


class Damage(af.Params):
    """What may have happened to a source after it was reduced."""

    kind: Literal["jpeg", "bc1", "palette"]
    """JPEG; blocks of 4 × 4 pixels of BC1 (DXT1); or few colors."""
    probability: af.Fraction = 0.5
    """That it happened."""
    quality: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]] = (30, 95)
    """Of `jpeg`: the least and the greatest."""
    colors: tuple[Annotated[int, Field(ge=2, le=256)], Annotated[int, Field(ge=2, le=256)]] = (16, 256)
    """Of `palette`: the fewest and the most."""
    dithered: af.Fraction = 0.5
    """Of `palette`: the probability that it was dithered, as Floyd and Steinberg do."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.quality[0] > self.quality[1] or self.colors[0] > self.colors[1]:
            raise ValueError("`quality` and `colors` are the least and the greatest, in this order")
        return self


Shipped = Literal[
    "fast_color_x4",
    "quality_color_x4",
    "quality_color_x2",
    "quality_color_x3",
    "detail_color_x4",
    "denoise_color_x1",
    "drawn_color_x4",
    "fast_color_x2",
    "fast_color_x3",
    "fast_data_x4",
    "fast_data_x2",
    "fast_data_x3",
    "quality_data_x4",
    "quality_data_x2",
    "quality_data_x3",
]
"""The files of the shipped networks. What starts from another one stands behind it."""


class Training(af.Params):
    """What the recipe `upscale` can be told."""

    network: Shipped | None = None
    """Train one of the shipped networks, as it was trained; what is given beside it goes before that."""
    architecture: Literal["compact", "span", "srresnet", "msrresnet"] = "compact"
    """Of a network from scratch. `compact` is the fastest; `srresnet` is the generator of SRGAN, for 2 and 4 times, and
    `msrresnet` the same without batch normalization, over a bilinear base."""
    width: Annotated[int, Field(ge=4, le=256)] = 32
    """Channels of its hidden layers."""
    depth: Annotated[int, Field(ge=1, le=64)] = 8
    """Its hidden layers, or blocks of them; SPAN always has 6."""
    channels: Literal["color", "data"] = "color"
    """What it is for: colors, or data maps, each channel by itself."""
    scale: Literal[2, 3, 4] = 4
    """How many times it enlarges."""
    start: Literal["scratch", "fast"] | af.File = "scratch"
    """Start from random weights, from the shipped network of these `channels` and `scale`, or from a file of weights
    (fine-tuning)."""
    enlarged_by: af.File | None = None
    """A file of a network that enlarges what this one restores. This one then keeps the size of pictures, and learns
    what the other makes most of; `scale` is that of the other."""
    steps: Annotated[int, Field(ge=1)] = 8_000
    """Optimizer steps; `--steps` goes before it."""
    batch: Annotated[int, Field(ge=1)] = 16
    """Crops in a step."""
    crop: Annotated[int, Field(ge=8, le=256)] = 32
    """Their side in source pixels."""
    rate: Annotated[float, Field(gt=0)] | None = None
    """Greatest learning rate; 0.002 from scratch and 0.0005 from a start, if it is not given."""
    optimizer: Literal["muon", "adam"] | None = None
    """`muon` needs several times fewer steps from scratch; `adam` leaves more of a start as it is, and may be steadier
    beside a discriminator. If it is not given, `muon` from scratch and `adam` from a start."""
    half: bool = False
    """Write the weights as float16, in half the space; results differ in one pixel of a thousand, by one code."""
    losses: Losses = Losses(charbonnier=1.0)
    """What the result is compared by."""
    perceptual_network: af.File | None = None
    """A file of VGG-19 for the loss `perceptual`; by default, the feature network that comes with AssetForge."""
    discriminator: Literal["unet", "patch"] = "unet"
    """Of the loss `gan`: it judges each pixel, or squares of some 30 pixels, which is faster."""
    discriminator_width: Annotated[int, Field(ge=4, le=256)] = 32
    """Channels of its first layer."""
    discriminator_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Greatest learning rate of it."""
    judgement: Literal["relativistic", "softplus", "hinge"] = "relativistic"
    """Whether the discriminator compares what is made with what is real, or judges each by itself."""
    reductions: Reductions = Reductions(bicubic=1.0)
    """How sources were reduced: one way, or several with their weights."""
    damages: tuple[Damage, ...] = ()
    """What else happened to sources, one after the other: train with it what is to restore old files."""
    smaller: str = ""
    """Files, as `photographs/*`, that are learned from in nine smaller sizes as well, where there are few of them."""
    leaves: Annotated[int, Field(ge=0)] = 160
    """How many "dead leaves" pictures are drawn: overlapping shapes with the colors of your textures."""
    leaves_share: af.Fraction = 0.5
    """Their part of each batch. Textures alone hold too few sharp edges."""
    flats_share: af.Fraction = 0.0
    """Part of each batch that is even color, on which the loss `gan` would invent grain."""
    colors_share: af.Fraction = 0.0
    """Of networks for data maps: the part of each batch that is color pictures, channel by channel. There are more of
    them than of other maps."""
    drawings: Annotated[int, Field(ge=0)] = 160
    """How many line drawings, flat fills, sprites, texts and the like are drawn."""
    drawings_share: af.Fraction = 0.0
    """Their part of each batch."""
    reliefs: Annotated[int, Field(ge=0)] = 160
    """How many surfaces of tiles, waves, pebbles and grain are made, as normals or heights."""
    reliefs_share: af.Fraction = 0.0
    """Their part of each batch. Networks that see nothing round make steps of what is."""
    teachers: tuple[af.File, ...] = ()
    """Files of larger networks of the same scale, whose mean is learned from (distillation). They see clean sources,
    also where the network is shown damaged ones."""
    teacher_share: af.Fraction = 1.0
    """How much what teachers make of textures counts beside the truth. Leaves and drawings are learned from them alone:
    so fine that nobody can restore them as they are, they are worth what teachers make of them."""

    @property
    def own_scale(self) -> int:
        """How many times the trained network itself enlarges."""
        return 1 if self.enlarged_by else self.scale

    @property
    def textures_share(self) -> float:
        """The part of each batch that is left for textures."""
        made = self.leaves_share + self.drawings_share + self.reliefs_share
        return 1 - (made + self.flats_share + self.colors_share)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.enlarged_by and self.architecture == "srresnet":
            raise ValueError("`srresnet` always enlarges; beside `enlarged_by`, take another one")
        if self.enlarged_by and self.losses.gan:
            raise ValueError("a network is trained by the loss `gan`, or to be `enlarged_by` another; leave one out")
        if self.architecture == "srresnet" and self.scale == 3:
            raise ValueError("`srresnet` enlarges 2 or 4 times; take `msrresnet` for 3")
        if self.textures_share < 0:
            raise ValueError("the shares of leaves, drawings and so on are more than the whole batch together")
        if self.colors_share and self.channels == "color":
            raise ValueError("`colors_share` is for data maps; leave it out, or say `channels: data`")
        counts, shares = (
            (self.leaves, self.drawings, self.reliefs),
            (self.leaves_share, self.drawings_share, self.reliefs_share),
        )
        if sum(shares) == 1 and not any(share and count for share, count in zip(shares, counts, strict=True)):
            raise ValueError("there is nothing to learn from: the whole batch is drawn, and nothing is drawn")
        return self


@af.recipe("upscale", Training)
def train_upscale(params: Training, data: Path, seed: int) -> af.Training:
    """Trains a network for the step `upscale`, from scratch or from another one, on the textures in a folder."""
    from assetforge_upscale.training.recipe import training

    return training(params, data, seed)
