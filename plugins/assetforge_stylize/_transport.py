"""Features that are carried from one picture's statistics to another's, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge.weights.features import mixed

Moments = tuple[Tensor, Tensor]
"""Means (D, 1) and covariance (D, D)."""

_FAINTEST, _LEAST = 1e-3, 0.01
"""Variance, in parts of the mean one that there is and of the mean one that is wanted, below which it is noise: it is
not to be stretched. Of what is of one color, no map can make a painting."""


@dataclass(frozen=True, eq=False)
class Transport:
    """An affine map of features (D, H, W)."""

    matrix: Tensor
    before: Tensor
    after: Tensor

    def __call__(self, layer: Tensor) -> Tensor:
        """Return the features, carried over."""
        return mixed(layer, self.matrix, (self.after - self.matrix @ self.before)[:, 0])

    def part(self, strength: float) -> Transport:
        """Return the map that goes such a part of the way."""
        same = torch.eye(len(self.matrix)).to(self.matrix)
        return Transport(
            torch.lerp(same, self.matrix, strength), self.before, torch.lerp(self.before, self.after, strength)
        )


def whitened_colored(own: Moments, wanted: Moments) -> Transport:
    """Return the map that gives features the wanted means and covariance, and changes them least.

    Whitening and coloring (Li et al., "Universal Style Transfer via Feature Transforms", 2017), in the form of Monge's
    and Kantorovich's problem, A^-½ (A^½ B A^½)^½ A^-½, which needs no rotation to be chosen.
    """
    (mean, covariance), (other, target) = own, wanted
    covariance, target = covariance.double(), target.double()
    root, inverse = _root(covariance + torch.eye(len(covariance)).to(covariance) * _noise(covariance, target))
    inner, _ = _root(root @ target @ root)
    return Transport((inverse @ inner @ inverse).float(), mean, other)


def mean_deviation(own: Moments, wanted: Moments) -> Transport:
    """Return the map that gives each feature the wanted mean and deviation.

    Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", 2017.
    """
    (mean, covariance), (other, target) = own, wanted
    variance, wanted_variance = covariance.diagonal().clamp_min(0), target.diagonal().clamp_min(0)
    gain = (wanted_variance / (variance + _noise(covariance, target))).sqrt()
    return Transport(torch.diag(gain), mean, other)


def _noise(covariance: Tensor, target: Tensor) -> Tensor:
    return (_FAINTEST * covariance.diagonal().mean() + _LEAST * target.diagonal().mean()).clamp_min(1e-12)


def _root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the square root of a symmetric matrix, and its inverse."""
    variances, axes = torch.linalg.eigh(matrix)
    deviations = variances.clamp_min(1e-20).sqrt()
    return axes * deviations @ axes.T, axes / deviations @ axes.T
