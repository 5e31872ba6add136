"""How far the features of a picture are from those of another, wherever in it they are.

Each measure is made of one layer (D, H, W) of the wanted picture, and tells the distance of a layer (D, h, w) of any
size from it, relative to the wanted one's power, so that layers may be added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

Loss = Literal["gram", "moments", "sliced"]

_FAINTEST = 0.1
"""Variance along an axis of features, in parts of the mean one, below which it is taken for noise."""
_DIRECTIONS, _SAMPLES = 32, 2**14
_TINY = 1e-12


class Measure(Protocol):
    """How far a layer (D, H, W) is from the exemplar's, which it was made of."""

    def __init__(self, layer: Tensor) -> None:
        """Measure the layer that others are compared with."""

    def distance(self, layer: Tensor, generator: torch.Generator) -> Tensor:
        """Return how far a layer (D, h, w) is from it: (), 0 where they agree."""
        ...


class Moments:
    """Mean and covariance of each layer, along the principal axes of the exemplar's, each by its deviation there.

    So what is faint in the exemplar counts as much as what is strong: the grain of a smooth height map, say. What
    hardly occurs at all would count as noise only, and is held back by `_FAINTEST`.
    """

    def __init__(self, layer: Tensor) -> None:
        self._mean, self._covariance = self._of(layer)
        variances, axes = torch.linalg.eigh(self._covariance)
        faintest = _FAINTEST * variances.clamp_min(0).mean() + _TINY
        self._to_axes = axes.T / (variances.clamp_min(0) + faintest).sqrt()[:, None]

    @staticmethod
    def _of(layer: Tensor) -> tuple[Tensor, Tensor]:
        values = layer.flatten(1)
        mean = values.mean(1, keepdim=True)
        centered = values - mean
        return mean, centered @ centered.T / values.shape[1]

    def distance(self, layer: Tensor, _: torch.Generator) -> Tensor:
        """Return the distance, ()."""
        mean, covariance = self._of(layer)
        shift = self._to_axes @ (mean - self._mean)
        change = self._to_axes @ (covariance - self._covariance) @ self._to_axes.T
        distance: Tensor = (shift.square().sum() + change.square().sum()) / layer.shape[0]
        return distance


class Gram:
    """Raw second moments of each layer, relative to the exemplar's."""

    def __init__(self, layer: Tensor) -> None:
        self._gram = self._of(layer)
        self._size = self._gram.square().sum().clamp_min(_TINY)

    @staticmethod
    def _of(layer: Tensor) -> Tensor:
        values = layer.flatten(1)
        return values @ values.T / values.shape[1]

    def distance(self, layer: Tensor, _: torch.Generator) -> Tensor:
        """Return the distance, ()."""
        return (self._of(layer) - self._gram).square().sum() / self._size


class Sliced:
    """All values along random directions, new ones each time, in order.

    Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", 2021. Of large layers, a part is compared.
    """

    def __init__(self, layer: Tensor) -> None:
        values = layer.flatten(1)
        self._values = values
        self._power = values.var(1).mean().clamp_min(_TINY)

    def distance(self, layer: Tensor, generator: torch.Generator) -> Tensor:
        """Return the distance, ()."""
        values = layer.flatten(1)
        directions = torch.randn(_DIRECTIONS, values.shape[0], generator=generator).to(values)
        directions = directions / directions.norm(dim=1, keepdim=True)
        count = min(values.shape[1], _SAMPLES)
        ours = (directions @ _some(values, count, generator)).sort(1).values
        theirs = (directions @ _some(self._values, count, generator)).sort(1).values
        if theirs.shape != ours.shape:
            theirs = functional.interpolate(theirs[None], ours.shape[1], mode="linear")[0]
        distance: Tensor = (ours - theirs).square().mean() / self._power
        return distance


def _some(values: Tensor, count: int, generator: torch.Generator) -> Tensor:
    if values.shape[1] <= count:
        return values
    return values[:, torch.randint(values.shape[1], (count,), generator=generator).to(values.device)]


MEASURES: Mapping[Loss, type[Measure]] = {"gram": Gram, "moments": Moments, "sliced": Sliced}
