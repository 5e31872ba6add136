"""How far the features of a picture are from those that are wanted, wherever in it they are.

What a measure compares is collected from layers (D, H, W), part by part where a picture is large, weighted where only
some of it counts, and put together in shares: those of several pictures, so that what is wanted may be a mixture.
Distances are relative to the wanted one's power, so that layers of any size may be added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.weights.features import mixed

Loss = Literal["gram", "moments", "sliced"]
"""Name of a measure."""

_FAINTEST = 0.1
"""Variance along an axis of features, in parts of the mean one, below which it is taken for noise."""
_DIRECTIONS, _SAMPLES = 32, 2**14
_TINY = 1e-12


class Measure(Protocol):
    """How far a layer is from what is wanted."""

    def __init__(self, wanted: Tensor) -> None:
        """Keep what is wanted, as it was put together."""

    @staticmethod
    def collect(
        layer: Tensor, weight: Tensor | None, share: float, generator: torch.Generator, part: float = 1.0
    ) -> Tensor:
        """Return what is compared of a layer (D, H, W), which is such a share of all that is put together.

        weight: (H, W), how much each place counts; None where all count alike. part: of its own picture, by area.
        """
        ...

    @staticmethod
    def together(parts: Sequence[Tensor]) -> Tensor:
        """Put together parts whose shares make 1."""
        ...

    def distance(self, found: Tensor) -> Tensor:
        """Return how far it is from what is wanted: (), 0 where they agree."""
        ...

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return the means (D, 1) and the covariance (D, D) of what is wanted."""
        ...


class _RawMoments(torch.autograd.Function):
    """The sums over all places of a layer (D, H, W), weighted by (H, W), of products of features and of features.

    Returned is (D, D + 1). Autograd would multiply twice on the way back, as it does not know that both factors are
    one.
    """

    @staticmethod
    def forward(ctx: Any, layer: Tensor, weight: Tensor | None) -> Tensor:
        ctx.save_for_backward(layer, weight)
        values, weighted = _rows(layer), _rows(layer if weight is None else layer * weight)
        return torch.cat([_symmetric(weighted, values), weighted.sum(0)[:, None]], 1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        layer, weight = ctx.saved_tensors
        products, sums = slope[:, :-1], slope[:, -1]
        changed = mixed(layer, products + products.T, sums)
        return (changed if weight is None else changed * weight), None


class _SecondOrder:
    """What is compared are the raw second moments and the means of a layer: (D, D + 1)."""

    def __init__(self, wanted: Tensor) -> None:
        self._wanted = wanted

    def moments(self) -> tuple[Tensor, Tensor]:
        return _centered(self._wanted)

    @staticmethod
    def collect(layer: Tensor, weight: Tensor | None, share: float, _: torch.Generator, part: float = 1.0) -> Tensor:  # noqa: ARG004
        total = layer[0].numel() if weight is None else weight.sum().clamp_min(_TINY)
        sums: Tensor = _RawMoments.apply(layer, weight)  # type: ignore[no-untyped-call]
        return sums * (share / total)

    @staticmethod
    def together(parts: Sequence[Tensor]) -> Tensor:
        return sum(parts[1:], parts[0])


class Moments(_SecondOrder):
    """Mean and covariance of each layer, along the principal axes of the wanted ones, each by its deviation there.

    So what is faint in the exemplar counts as much as what is strong: the grain of a smooth height map, say. What
    hardly occurs at all would count as noise only, and is held back by `_FAINTEST`.
    """

    def __init__(self, wanted: Tensor) -> None:
        super().__init__(wanted)
        self._mean, self._covariance = _centered(wanted)
        variances, axes = torch.linalg.eigh(self._covariance)
        faintest = _FAINTEST * variances.clamp_min(0).mean() + _TINY
        self._to_axes = axes.T / (variances.clamp_min(0) + faintest).sqrt()[:, None]

    def distance(self, found: Tensor) -> Tensor:
        """Return the distance, ()."""
        mean, covariance = _centered(found)
        shift = self._to_axes @ (mean - self._mean)
        change = self._to_axes @ (covariance - self._covariance) @ self._to_axes.T
        distance: Tensor = (_limited(shift).sum() + _limited(change).sum()) / found.shape[0]
        return distance


def _limited(change: Tensor) -> Tensor:
    """Square what is less than 1, and let what is more grow by itself only: far away, covariances alone would count."""
    return 2 * ((1 + change.square()).sqrt() - 1)


class Gram(_SecondOrder):
    """Raw second moments of each layer, relative to the wanted ones."""

    def __init__(self, wanted: Tensor) -> None:
        super().__init__(wanted)
        self._gram = wanted[:, :-1]
        self._size = self._gram.square().sum().clamp_min(_TINY)

    def distance(self, found: Tensor) -> Tensor:
        """Return the distance, ()."""
        return (found[:, :-1] - self._gram).square().sum() / self._size


class Sliced:
    """All values along random directions, new ones each time, in order.

    Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis", 2021. Of large layers, a part is compared.
    """

    def __init__(self, wanted: Tensor) -> None:
        self._wanted = wanted
        self._power = wanted.var(0).mean().clamp_min(_TINY)
        self._generator = torch.Generator().manual_seed(0)

    @staticmethod
    def collect(
        layer: Tensor, weight: Tensor | None, share: float, generator: torch.Generator, part: float = 1.0
    ) -> Tensor:
        """Return features (N, D) of places that are drawn by their weight."""
        values = _rows(layer)
        count = max(1, round(share * min(values.shape[0] / part, _SAMPLES)))
        if weight is None and count >= values.shape[0]:
            return values
        if weight is None:
            chosen = torch.randint(values.shape[0], (count,), generator=generator)
        else:
            chosen = torch.multinomial(weight.flatten().double().cpu() + _TINY, count, True, generator=generator)
        return values[chosen.to(values.device)]

    @staticmethod
    def together(parts: Sequence[Tensor]) -> Tensor:
        """Join the places of all parts."""
        return torch.cat(list(parts))

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return the means and the covariance of the places."""
        return self._wanted.mean(0)[:, None], torch.cov(self._wanted.T)

    def distance(self, found: Tensor) -> Tensor:
        """Return the distance, ()."""
        directions = torch.randn(found.shape[1], _DIRECTIONS, generator=self._generator).to(found)
        directions = directions / directions.norm(dim=0, keepdim=True)
        ours, theirs = ((one @ directions).T.contiguous().sort(1).values for one in (found, self._wanted))
        if theirs.shape != ours.shape:
            theirs = functional.interpolate(theirs[None], ours.shape[1], mode="linear")[0]
        distance: Tensor = (ours - theirs).square().mean() / self._power
        return distance


def _centered(collected: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means (D, 1) and the covariance (D, D) of raw moments."""
    mean = collected[:, -1:]
    return mean, collected[:, :-1] - mean @ mean.T


def _symmetric(left: Tensor, right: Tensor) -> Tensor:
    """Return leftᵀ right, (D, D), where it is known to be symmetric: a quarter is not computed."""
    half = left.shape[1] // 2
    upper = left[:, :half].T @ right
    lower = left[:, half:].T @ right[:, half:]
    return torch.cat([upper, torch.cat([upper[:, half:].T, lower], 1)])


def _rows(layer: Tensor) -> Tensor:
    """Return the features of each place of (D, H, W): (N, D)."""
    return layer.permute(1, 2, 0).flatten(0, 1)


MEASURES: Mapping[Loss, type[Measure]] = {"gram": Gram, "moments": Moments, "sliced": Sliced}
"""What can be compared of features, by name."""
