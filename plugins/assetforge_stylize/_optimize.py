"""Style transfer by optimization, from coarse to fine.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016, on a pyramid of sizes: as
features reach only so far, large strokes are made where the picture is small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.descent import adam, lbfgs
from assetforge.ops.resample import resample
from assetforge.weights.distances import MEASURES, Loss, Measure, Moments
from assetforge.weights.features import Features, center
from assetforge_stylize._objective import Anchor, Near, Objective, Region, View, Worth
from assetforge_stylize._pieces import WHOLE, Piece, Pieces, collected, generator_of
from assetforge_stylize._sheet import Sheet
from assetforge_stylize._ties import ties
from assetforge_stylize._transport import whitened_colored

Start = Literal["content", "noise", "style"]

SMALLEST = 32
"""Shortest side of a picture that has a style to tell, in pixels."""
_RATE, _FIRST_RATE = 0.025, 0.1
"""How far a step may go, where black is 0 and white is 1, and at first, where all begins far from the goal."""
_AVERAGING = 0.9
_NOISE, _DITHER = 0.25, 0.01
"""Deviation of what all begins with, or begins with besides: of a flat picture, every pixel would go the same way."""
LEAST_SHARE = 1e-3
"""Part of all that has a style, from which on it counts what a region looks like."""
LEAST_CELL = 8
"""Shorter side of a cell of a sheet at the smallest size of the pyramid, in pixels."""


@dataclass(frozen=True, eq=False)
class Style:
    """A picture (C, h, w) with the channels of the content, and how much of it is wanted, and where."""

    picture: Tensor
    weight: float = 1.0
    seen: Tensor | None = None
    """(1, h, w): how much each place of the picture counts."""
    mask: Tensor | None = None
    """(1, H, W), as large as the content: where the style goes. Styles without one go where no mask is."""


@dataclass(frozen=True, eq=False)
class Settings:
    """How to optimize."""

    network: Features
    loss: Loss = "moments"
    strength: float = 1.0
    """How far statistics go from the content's own to those of the style: a mixture of both."""
    worth: Worth = field(default_factory=Worth)
    optimizer: Literal["adam", "lbfgs"] = "adam"
    steps: int = 100
    """At each size."""
    coarsest: int = 48
    """No size of the pyramid has a shorter side, in pixels."""
    whole: int = WHOLE
    """Pixels of a picture up to which all that its gradient needs is kept."""


def stylize(  # noqa: PLR0913
    content: Tensor,
    styles: Sequence[Style],
    settings: Settings,
    *,
    tiles: bool = False,
    seen: Tensor | None = None,
    views: Sequence[View] | None = None,
    start: Tensor | Start = "content",
    anchors: Sequence[Anchor] = (),
    planes: Mapping[str, Tensor] = MappingProxyType({}),
    sheet: Sheet | None = None,
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> Tensor:
    """Return a picture (C, H, W) with the content of one and the style of others, 0 to 1, sRGB-encoded where color.

    tiles: whether it continues at its opposite edges. seen: (1, H, W), how much each place counts, None for all alike.
    views: what the network sees; by default the three channels, or the one as gray. anchors: pictures to stay close
    to. planes: (H, W) of each other map, of which the brightness is to tell as much as before. sheet: cells that are
    set apart at every size.

    Statistics of several styles are averaged by their weights: they are those of a picture of which each style covers
    such a part.
    """
    views = views or [_as_it_is(content)]
    sizes = _pyramid((content.shape[1], content.shape[2]), settings.coarsest, sheet)
    costs = [height * width for height, width in sizes]
    whole = sum(costs)
    current: Tensor | None = None
    done = 0
    for size, cost in zip(sizes, costs, strict=True):
        laid = _Laid(size, tiles=tiles, sheet=sheet, around=2 * settings.network.reach + settings.network.stride)
        small = laid.picture(content)
        far = current is None and start != "content"
        counted = seen if seen is not None or sheet is None else torch.ones_like(content[:1])
        seen_here = None if counted is None else laid.weight(counted)
        styles_here = [one if one.mask is None else replace(one, mask=laid.weight(one.mask)) for one in styles]
        if current is not None or isinstance(start, Tensor):
            current = laid.picture(start if current is None else current)  # type: ignore[arg-type]
        else:
            current = _begin(start, small, styles_here, seen_here, settings.strength, seed)
        pieces = Pieces(
            settings.network, (small.shape[1], small.shape[2]), "repeat" if tiles else "reflect", settings.whole
        )
        regions = _regions(pieces, small, styles_here, size[0] / content.shape[1], seen_here, views, settings)
        near = [Anchor(laid.picture(one.picture), laid.weight(one.weight)) for one in anchors]
        planes_here = {name: laid.plane(plane[None])[0] for name, plane in planes.items()}
        brightness = views[0].of(small).mean(0)
        tied = ties(brightness, planes_here, seen_here, pieces.border) if planes_here else None
        worth = settings.worth if size == sizes[-1] else replace(settings.worth, near=None)
        objective = Objective(pieces, small, views, regions, worth, Near(near, tied), seed)

        def told(part: float, before: int = done, cost: int = cost) -> None:
            progress((before + cost * part) / whole)

        if settings.optimizer == "adam":
            rate = _FIRST_RATE if far else _RATE
            current = adam(
                current, objective, settings.steps, rate, averaging=_AVERAGING, project=laid.project, progress=told
            )
        else:
            current = lbfgs(current, objective, settings.steps, project=laid.project, progress=told)
        current = laid.back(current)
        done += cost
    assert current is not None  # noqa: S101  there is always one size
    return current


def style_distance(picture: Tensor, style: Tensor, network: Features, loss: Loss = "gram") -> float:
    """Return how far the features of a picture (3, H, W) are from a style's (3, h, w), as the mean over layers."""
    with torch.no_grad():
        measure = MEASURES[loss]
        pairs = zip(*(_statistics(one, None, 1.0, network, measure) for one in (style, picture)), strict=True)
        distances = [measure(wanted).distance(found).item() for wanted, found in pairs]
        return sum(distances) / len(distances)


def measures_of(
    pictures: Sequence[tuple[Tensor, Tensor | None, float]], network: Features, measure: type[Measure] = Moments
) -> list[Measure]:
    """Return what measures each layer by the statistics of pictures (3, h, w) together.

    Of each: how much each place counts, (1, h, w), None for all alike, and its share; shares make 1. Of a picture that
    is small there are fewer layers.
    """
    parts = [_statistics(picture, seen, share, network, measure) for picture, seen, share in pictures]
    return [measure(measure.together(layer)) for layer in zip(*parts, strict=False)]


def _statistics(
    picture: Tensor, seen: Tensor | None, share: float, network: Features, measure: type[Measure]
) -> list[Tensor]:
    """Return what is compared of each layer of a picture (3, H, W), which is such a share of all."""
    pieces = Pieces(network, (picture.shape[1], picture.shape[2]), "reflect")
    padded = pieces.padded(picture)
    weight = None if seen is None else seen[0]

    def seen_of(piece: Piece) -> list[Tensor]:
        layers = pieces.layers(padded[pieces.window(piece)])
        return collected(layers, measure, weight, share, piece, generator_of(0, 0, piece))

    return [measure.together(layer) for layer in zip(*pieces.each(seen_of, pieces), strict=True)]


def _as_it_is(content: Tensor) -> View:
    return View(None if content.shape[0] == 3 else torch.ones(3, 1).to(content))


@dataclass(frozen=True)
class _Laid:
    """How pictures lie at one size: as they are, or in cells that are set apart."""

    size: tuple[int, int]
    tiles: bool
    sheet: Sheet | None
    around: int
    """Pixels between cells: features of one see no other, nor do those that see it."""

    def picture(self, pixels: Tensor) -> Tensor:
        """Return a picture (C, H, W) in this size."""
        return self.plane(pixels).clamp(0, 1)

    def plane(self, values: Tensor) -> Tensor:
        """Return what another map holds, (1, H, W) of any range, in this size."""
        return self._resized(values, mirrored=True)

    def weight(self, weight: Tensor) -> Tensor:
        """Return a weight (1, H, W) in this size; between cells it is 0."""
        return self._resized(weight, mirrored=False).clamp_min(0)

    def project(self, pixels: Tensor) -> Tensor:
        """Return the nearest picture that may be: what lies around a cell mirrors it."""
        pixels = pixels.clamp(0, 1)
        return pixels if self.sheet is None else self._here.apart(self._here.together(pixels))

    def back(self, pixels: Tensor) -> Tensor:
        """Return the picture with its cells together."""
        return pixels if self.sheet is None else self._here.together(pixels)

    @property
    def _here(self) -> Sheet:
        assert self.sheet is not None  # noqa: S101  asked for where there is one
        return replace(self.sheet, size=self.size, around=self.around)

    def _resized(self, pixels: Tensor, *, mirrored: bool) -> Tensor:
        if self.sheet is None:
            return resample(pixels, self.size, repeat=self.tiles)
        cells = self.sheet.each(lambda cell: resample(cell, self._here.cell), pixels)
        return self._here.apart(cells, mirrored=mirrored)


def _pyramid(size: tuple[int, int], coarsest: int, sheet: Sheet | None = None) -> list[tuple[int, int]]:
    """Return sizes from coarse to fine, each √2 times as large as the one before. All but the last divide by four.

    Those of a sheet are as many times those of a cell.
    """
    if sheet is not None:
        cells = _pyramid(sheet.cell, max(LEAST_CELL, coarsest * min(sheet.cell) // min(size)))
        return [(height * sheet.rows, width * sheet.columns) for height, width in cells]
    count = max(0, math.floor(2 * math.log2(max(1.0, min(size) / coarsest))))
    smaller = [tuple(max(4, round(side / 2 ** (step / 2) / 4) * 4) for side in size) for step in range(count, 0, -1)]
    return [*((height, width) for height, width in smaller), size]


def _resized(pixels: Tensor, size: tuple[int, int], *, repeat: bool = False) -> Tensor:
    return resample(pixels, size, repeat=repeat).clamp(0, 1)


def _begin(
    start: Start, content: Tensor, styles: Sequence[Style], seen: Tensor | None, strength: float, seed: int
) -> Tensor:
    size = (content.shape[1], content.shape[2])
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(seed)).to(content)
    if start == "noise":
        return (0.5 + _NOISE * noise).clamp(0, 1)
    if start == "style":
        return covering(styles[0].picture, size)
    return (in_colors(content, parted(styles, size, seen), strength) + _DITHER * noise).clamp(0, 1)


def covering(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the middle of a picture (C, h, w) with the proportions of a size, in that size."""
    scale = min(picture.shape[1] / size[0], picture.shape[2] / size[1])
    height, width = (max(1, round(side * scale)) for side in size)
    return _resized(center(picture, height, width), size)


def in_colors(content: Tensor, parts: Sequence[tuple[Tensor | None, Sequence[Style]]], strength: float) -> Tensor:
    """Return the content (C, H, W) with the colors of the styles: the shortest way begins there."""
    result = content
    for weight, group in parts:
        own = Moments(collect_all([(content, weight, 1.0)]))
        total = sum(style.weight for style in group)
        wanted = Moments(collect_all([(one.picture, _plane(one.seen), one.weight / total) for one in group]))
        change = whitened_colored(own.moments(), wanted.moments())(content) - content
        result = result + strength * (change if weight is None else weight * change)
    return result.clamp(0, 1)


def collect_all(layers: Sequence[tuple[Tensor, Tensor | None, float]]) -> Tensor:
    """Return the raw moments of layers (D, H, W), each with a plane of weights of any size and its share of all."""
    parts = []
    for layer, weight, share in layers:
        size = (layer.shape[1], layer.shape[2])
        places = None if weight is None else F.adaptive_avg_pool2d(weight[None], size)[0]
        parts.append(Moments.collect(layer, places, share, torch.Generator()))
    return Moments.together(parts)


def _plane(seen: Tensor | None) -> Tensor | None:
    return None if seen is None else seen[0]


def _regions(
    pieces: Pieces,
    content: Tensor,
    styles: Sequence[Style],
    factor: float,
    seen: Tensor | None,
    views: Sequence[View],
    settings: Settings,
) -> list[Region]:
    """Return where which statistics are wanted, at one size."""
    regions = []
    for weight, group in parted(styles, pieces.size, seen):
        share = 1.0 if weight is None else float(weight.double().mean())
        wanted = _wanted(pieces, content, weight, group, factor, views, settings)
        own = _wanted(pieces, content, weight, group, factor, views, replace(settings, strength=0.0))
        regions.append(Region(own, wanted, weight, share))
    whole = sum(region.share for region in regions)
    return [replace(region, share=region.share / whole) for region in regions]


def parted(
    styles: Sequence[Style], size: tuple[int, int], seen: Tensor | None
) -> list[tuple[Tensor | None, list[Style]]]:
    """Return where each group of styles goes, (H, W), None where all is: those of one mask, and those of none.

    Groups that go nearly nowhere are left out.
    """
    masks: list[Tensor] = []
    for style in styles:
        if style.mask is not None and not any(torch.equal(style.mask, mask) for mask in masks):
            masks.append(style.mask)
    counts = None if seen is None else _resized(seen, size)[0]
    if not masks:
        return [(counts, list(styles))]
    weights = [_resized(mask, size)[0] for mask in masks]
    total = torch.stack(weights).sum(0).clamp_min(1)
    groups = [
        (weight / total, [style for style in styles if style.mask is not None and torch.equal(style.mask, mask)])
        for weight, mask in zip(weights, masks, strict=True)
    ]
    rest = [style for style in styles if style.mask is None]
    if rest:
        groups.append(((1 - torch.stack(weights).sum(0)).clamp_min(0), rest))
    parts = [(weight if counts is None else weight * counts, group) for weight, group in groups]
    shares = [float(weight.double().sum()) for weight, _ in parts]
    return [part for part, share in zip(parts, shares, strict=True) if share > LEAST_SHARE * sum(shares)]


def _wanted(
    pieces: Pieces,
    content: Tensor,
    weight: Tensor | None,
    styles: Sequence[Style],
    factor: float,
    views: Sequence[View],
    settings: Settings,
) -> list[list[Measure]]:
    """Return a measure for each view and layer: of the mixture of styles, and of the content as far as it stays."""
    measure = MEASURES[settings.loss]
    total = sum(style.weight for style in styles)
    mixture = [(style, settings.strength * style.weight / total) for style in styles]
    own = Style(content, seen=None if weight is None else weight[None])
    counted = [(_scaled(style, factor), share) for style, share in mixture if share > 0]
    counted += [(own, 1 - settings.strength)] if settings.strength < 1 else []
    return [
        measures_of([(view.of(style.picture), style.seen, share) for style, share in counted], pieces.network, measure)[
            : pieces.network.depth(pieces.size)
        ]
        for view in views
    ]


def _scaled(style: Style, factor: float) -> Style:
    """Return a style as much smaller as the content is, as far as it goes."""
    shortest = min(style.picture.shape[1:])
    factor = max(factor, min(1.0, SMALLEST / shortest))
    size = (round(style.picture.shape[1] * factor), round(style.picture.shape[2] * factor))
    seen = None if style.seen is None else _resized(style.seen, size)
    return replace(style, picture=_resized(style.picture, size), seen=seen)
