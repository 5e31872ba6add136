"""Features that are carried from one picture's statistics to another's, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Moments = tuple[Tensor, Tensor]
"""Means (D, 1) and covariance (D, D)."""

_FAINTEST = 1e-3
"""Variance along an axis, in parts of the mean one, below which it is noise that is not to be stretched."""


@dataclass(frozen=True, eq=False)
class Transport:
    """An affine map of features (D, H, W)."""

    matrix: Tensor
    before: Tensor
    after: Tensor

    def __call__(self, layer: Tensor) -> Tensor:
        """Return the features, carried over."""
        return (self.matrix @ (layer.flatten(1) - self.before) + self.after).reshape(layer.shape)


def whitened_colored(own: Moments, wanted: Moments) -> Transport:
    """Return the map that gives features the wanted means and covariance, and changes them least.

    Whitening and coloring (Li et al., "Universal Style Transfer via Feature Transforms", 2017), in the form of Monge's
    and Kantorovich's problem, A^-½ (A^½ B A^½)^½ A^-½, which needs no rotation to be chosen.
    """
    (mean, covariance), (other, target) = own, wanted
    covariance, target = covariance.double(), target.double()
    noise = _FAINTEST * covariance.diagonal().mean().clamp_min(1e-12) * torch.eye(len(covariance)).to(covariance)
    root, inverse = _root(covariance + noise)
    inner, _ = _root(root @ target @ root)
    return Transport((inverse @ inner @ inverse).float(), mean, other)


def mean_deviation(own: Moments, wanted: Moments) -> Transport:
    """Return the map that gives each feature the wanted mean and deviation.

    Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", 2017.
    """
    (mean, covariance), (other, target) = own, wanted
    variance, wanted_variance = covariance.diagonal().clamp_min(0), target.diagonal().clamp_min(0)
    noise = _FAINTEST * variance.mean().clamp_min(1e-12)
    return Transport(torch.diag((wanted_variance / (variance + noise)).sqrt()), mean, other)


def _root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the square root of a symmetric matrix, and its inverse."""
    variances, axes = torch.linalg.eigh(matrix)
    deviations = variances.clamp_min(1e-20).sqrt()
    return axes * deviations @ axes.T, axes / deviations @ axes.T
