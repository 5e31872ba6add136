"""What a picture is optimized for: the content of one, the statistics of others, smoothness, and closeness to others.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016. We depart from it:

- The features of the content are carried over to the statistics that are wanted before they are held on to. So content
  and style do not pull against each other, and all layers can tell of content, which keeps edges where they are.
- Content is measured in parts of its own variance, and style by `weights.distances`, relative to what is wanted, so
  that weights mean the same at every size and in every network.
- Regions are weighted inside the network, layer by layer, and each is measured for itself, as by Gatys et al.,
  "Controlling Perceptual Factors in Neural Style Transfer", 2017.

Where a picture is cut into pieces, the statistics of all are put together first, and then each piece is led down the
slope of the whole's: the gradient is that of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.weights.distances import Measure
from assetforge_stylize._pieces import Piece, Pieces, collected, generator_of
from assetforge_stylize._ties import Ties
from assetforge_stylize._transport import Transport, whitened_colored

_LEAST_VARIANCE = 0.02
"""Of the content's features, in parts of their power: what is flat is not held to the last bit."""
_MOST_URGE = 8.0
"""How many times as much the style counts as usual, where it is far: more would leave nothing of the content."""
_TINY = 1e-12

Seen = Sequence[Sequence[Tensor]]
"""For each view, the layers."""


@dataclass(frozen=True, eq=False)
class View:
    """What the network sees of a picture's channels (C, H, W): a mixture of them, (3, C), that is worth so much."""

    matrix: Tensor | None = None
    weight: float = 1.0

    def of(self, picture: Tensor) -> Tensor:
        """Return what is seen of a picture: (3, H, W), all three channels where there is no matrix."""
        if self.matrix is None:
            return picture
        return torch.einsum("dc,chw->dhw", self.matrix, picture)


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the picture, and what its statistics are and should be: for each view, a measure for each layer."""

    own: Sequence[Sequence[Measure]]
    wanted: Sequence[Sequence[Measure]]
    weight: Tensor | None = None
    """(H, W): how much each place belongs to it; None where all does."""
    share: float = 1.0
    """How much of the whole it is worth."""


@dataclass(frozen=True, eq=False)
class Anchor:
    """A picture (C, H, W) to stay close to, where a weight (1, H, W) says so: the frame before, warped, in a film."""

    picture: Tensor
    weight: Tensor


@dataclass(frozen=True, eq=False)
class Near:
    """What a picture is to stay close to, and what it is to tell of."""

    anchors: Sequence[Anchor] = ()
    ties: Ties | None = None


@dataclass(frozen=True)
class Worth:
    """What counts how much, where the distance to the style counts 1."""

    content: float = 0.08
    ties: float = 1.0
    smoothness: float = 0.0
    """Of the mean squared difference of neighbors, times 1000."""
    layers: tuple[float, ...] = ()
    """How much each layer counts, the finest first; those that are not named count 1."""
    near: float | None = None
    """Distance to the style that all pictures are to come to: of what is farther, the content yields."""

    def of_layers(self, count: int) -> list[float]:
        """Return how much each layer counts, in parts of all."""
        weights = [*self.layers[:count], *[1.0] * (count - len(self.layers))]
        return [weight / max(sum(weights), _TINY) for weight in weights]


@dataclass(frozen=True, eq=False)
class _Look:
    """The window of a piece, its layers, the same cut off from it, and what was collected of those."""

    window: Tensor
    seen: Seen
    leaves: Seen
    found: Sequence[Tensor]


class Objective:
    """What is minimized, as a function of a picture (C, H, W) and the number of the step: a `descent.Slope`."""

    def __init__(
        self,
        pieces: Pieces,
        content: Tensor,
        views: Sequence[View],
        regions: Sequence[Region],
        worth: Worth = Worth(),
        near: Near = Near(),
        seed: int = 0,
    ) -> None:
        """Measure the content (C, H, W)."""
        self._pieces, self._views, self._regions, self._worth = pieces, views, regions, worth
        self._seed, self._kin = seed, near
        self._carriers = [_carriers(region) for region in regions]
        deepest = max(len(measures) for region in regions for measures in region.own)
        self._powers = [[_power(regions, view, at) for at in range(deepest)] for view in range(len(views))]
        with torch.no_grad():
            self._content = pieces.padded(content)
            self._kept = dict(zip(pieces, pieces.each(self._carried, pieces), strict=True)) if pieces.kept else {}

    def __call__(self, picture: Tensor, step: int) -> tuple[float, Tensor]:
        """Return what is minimized, and its gradient (C, H, W)."""
        with torch.enable_grad():
            picture = picture.detach().requires_grad_()
            padded, near = self._pieces.padded(picture), self._near(picture)
            ground, gradient = padded.detach(), torch.zeros_like(padded)
            with torch.set_grad_enabled(self._pieces.kept):
                looks = self._pieces.each(lambda piece: self._look(ground, piece, step), self._pieces)
            parts = [[one.detach().requires_grad_() for one in look.found] for look in looks]
            style = self._style(parts)
            if self._worth.near is not None:
                style = _urged(style, self._worth.near)
            value = float((style + near).detach())
            slopes = torch.autograd.grad(style, [one for part in parts for one in part])
            count = len(parts[0])

            def led(at: int, piece: Piece) -> tuple[float, Tensor]:
                look = looks[at] if self._pieces.kept else self._look(ground, piece, step)
                return self._led(look, piece, slopes[at * count : (at + 1) * count])

            ways = self._pieces.each(lambda one: led(*one), enumerate(self._pieces))
            for piece, (off, slope) in zip(self._pieces, ways, strict=True):
                gradient[self._pieces.window(piece)] += slope
                value += off
            total = torch.autograd.grad([padded, near], picture, [gradient, torch.ones_like(near)])[0]
        return value, total

    def _look(self, ground: Tensor, piece: Piece, step: int) -> _Look:
        window = ground[self._pieces.window(piece)].clone().requires_grad_()
        seen = self._seen(window)
        if not torch.is_grad_enabled():
            return _Look(window, (), (), self._collected(seen, piece, step))
        leaves = [[layer.detach().requires_grad_() for layer in layers] for layers in seen]
        return _Look(window, seen, leaves, self._collected(leaves, piece, step))

    def _led(self, look: _Look, piece: Piece, slopes: Sequence[Tensor]) -> tuple[float, Tensor]:
        """Return how far a piece is from its content, and its gradient, given that of what was collected of it."""
        leaves = [leaf for one in look.leaves for leaf in one]
        found = torch.autograd.grad(look.found, leaves, slopes, allow_unused=True)
        gradients = [torch.zeros_like(leaf) if one is None else one for one, leaf in zip(found, leaves, strict=True)]
        off = self._add_content(look.leaves, piece, iter(gradients))
        layers = [layer for one in look.seen for layer in one]
        return off, torch.autograd.grad(layers, look.window, gradients)[0]

    def _seen(self, window: Tensor) -> Seen:
        return [self._pieces.layers(view.of(window)) for view in self._views]

    def _carried(self, piece: Piece) -> Seen:
        """Return the content's layers with the statistics that are wanted in each region."""
        seen = self._seen(self._content[self._pieces.window(piece)])
        return [[self._carry(layer, piece, view, at) for at, layer in enumerate(one)] for view, one in enumerate(seen)]

    def _carry(self, layer: Tensor, piece: Piece, view: int, at: int) -> Tensor:
        result = layer
        for region, carriers in zip(self._regions, self._carriers, strict=True):
            if at < len(carriers[view]):  # a style that is small has fewer octaves
                change = carriers[view][at](layer) - layer
                if region.weight is not None:
                    height, width = layer.shape[1:]
                    change = change * F.adaptive_avg_pool2d(piece.of(region.weight)[None], (height, width))
                result = result + change
        return result

    def _collected(self, seen: Seen, piece: Piece, step: int) -> list[Tensor]:
        """Return what is compared of a piece: for each region, view and layer."""
        generator = generator_of(self._seed, step, piece)
        found = []
        for region in self._regions:
            for layers, measures in zip(seen, region.wanted, strict=True):
                found += collected(layers[: len(measures)], measures[0], region.weight, 1.0, piece, generator)
        return found

    def _style(self, parts: Sequence[Sequence[Tensor]]) -> Tensor:
        """Return how far the statistics are from those that are wanted, given what was collected of each piece."""
        total = torch.zeros((), device=self._content.device)
        at = 0
        for region in self._regions:
            for view, measures in zip(self._views, region.wanted, strict=True):
                for measure, weight in zip(measures, self._worth.of_layers(len(measures)), strict=True):
                    found = measure.together([part[at] for part in parts])
                    total = total + region.share * view.weight * weight * measure.distance(found)
                    at += 1
        return total

    def _add_content(self, leaves: Seen, piece: Piece, gradients: Iterator[Tensor]) -> float:
        """Return how far a piece's features are from the content's, in parts of the variance of those.

        Its gradient is added to those of the layers.
        """
        total = 0.0
        with torch.no_grad():
            carried = self._kept[piece] if self._kept else self._carried(piece)
            for number, (view, layers, wanted) in enumerate(zip(self._views, leaves, carried, strict=True)):
                weights = self._worth.of_layers(len(layers))
                for at, (layer, goal, weight) in enumerate(zip(layers, wanted, weights, strict=True)):
                    worth = self._worth.content * view.weight * weight * piece.share / self._powers[number][at]
                    worth = worth / layer[0].numel()
                    off = layer - goal
                    total += worth * float(torch.linalg.vector_norm(off)) ** 2
                    next(gradients).add_(off, alpha=2 * worth)
        return total

    def _near(self, picture: Tensor) -> Tensor:
        """Return how rough the picture is, and how far from what it should be close to and tell of."""
        total = 0 * picture.flatten()[0]  # so that there is a slope even where nothing is near
        if self._worth.smoothness:
            for differences in self._differences(picture):
                total = total + 1000 * self._worth.smoothness * differences.square().sum() / picture.numel()
        for anchor in self._kin.anchors:
            total = total + (anchor.weight * (picture - anchor.picture).square()).mean()
        if self._kin.ties is not None:
            total = total + self._worth.ties * self._kin.ties.off(self._views[0].of(picture).mean(0))
        return total

    def _differences(self, picture: Tensor) -> Iterator[Tensor]:
        """Give those of neighbors, also across the edges of what tiles."""
        for axis in (1, 2):
            length = picture.shape[axis]
            yield picture.narrow(axis, 1, length - 1) - picture.narrow(axis, 0, length - 1)
            if self._pieces.border == "repeat":
                yield picture.narrow(axis, 0, 1) - picture.narrow(axis, length - 1, 1)


def _urged(distance: Tensor, near: float) -> Tensor:
    """Return what has the slope 1 up to a distance that is near, then rises with its square, up to `_MOST_URGE`."""
    part, knee = distance / near, _MOST_URGE**0.5
    cubed = (part.clamp(1, knee) ** 3 - 1) / 3
    urged: Tensor = near * (part.clamp_max(1) + cubed + _MOST_URGE * (part - knee).clamp_min(0))
    return urged


def _carriers(region: Region) -> list[list[Transport]]:
    """Return what carries the content over to what is wanted, for each view and layer."""
    return [
        [whitened_colored(one.moments(), other.moments()) for one, other in zip(own, wanted, strict=False)]
        for own, wanted in zip(region.own, region.wanted, strict=True)
    ]


def _power(regions: Sequence[Region], view: int, at: int) -> float:
    """Return the variance of the features that are wanted in a layer, summed over its channels."""
    known = [(region.share, region.wanted[view]) for region in regions]
    return sum(share * max(_variance(measures[at]), _TINY) for share, measures in known if at < len(measures)) or 1.0


def _variance(measure: Measure) -> float:
    mean, covariance = measure.moments()
    return float(torch.maximum(covariance.trace(), _LEAST_VARIANCE * mean.square().sum()))
