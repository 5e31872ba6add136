"""Functions from colors to colors that give one picture the statistics of another.

All take colors (3, N) of both and return a function of colors (3, *) of any number. A function of the color alone
keeps what tiles tiling, and what is of one color of one color.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from assetforge.ops.exact import mix, moments
from assetforge.ops.principal import principal_axes, random_basis
from assetforge.ops.ranks import RankCurves

Transfer = Callable[[Tensor], Tensor]

_FLAT = 1e-4
"""Deviation below which a channel has none: what is of one color stays so."""
_MOST_GAIN = 8.0
"""What would be stretched further was nearly of one color: it would become noise."""
_ROTATIONS = 16


def mean_deviation(colors: Tensor, like: Tensor) -> Transfer:
    """Return the transfer of each channel's mean and deviation.

    After Reinhard et al., "Color Transfer between Images", 2001, in whatever color space the channels are of.
    """
    (mean, covariance), (wanted, other) = moments(colors), moments(like)
    own, theirs = (one.diagonal().clamp_min(0).sqrt() for one in (covariance, other))
    gain = torch.where(own > _FLAT, theirs / own.clamp_min(_FLAT), 1.0).clamp_max(_MOST_GAIN)
    return _affine(torch.diag(gain), mean, wanted)


def covariance(colors: Tensor, like: Tensor) -> Transfer:
    """Return the linear transfer of mean and covariance that changes colors least.

    It is Monge's and Kantorovich's (Pitié and Kokaram, "The Linear Monge-Kantorovitch Linear Colour Mapping for
    Example-Based Colour Transfer", 2007, equation 8): A^-½ (A^½ B A^½)^½ A^-½.
    """
    (mean, own), (wanted, theirs) = moments(colors), moments(like)
    root = _power(own, 0.5)
    inverse = _power(own, -0.5)
    matrix = inverse @ _power(root @ theirs @ root, 0.5) @ inverse
    variances, axes = principal_axes(matrix)
    flat = _power(own, 0.0)  # projects onto what varies: along the rest there is nothing to stretch
    matrix = axes @ torch.diag(variances.clamp_max(_MOST_GAIN)) @ axes.T
    return _affine(matrix + torch.eye(3, dtype=matrix.dtype) - flat, mean, wanted)


def sliced(colors: Tensor, like: Tensor, generator: torch.Generator) -> Transfer:
    """Return the transfer of the whole distribution: along random axes, values take those of the same rank.

    Pitié, Kokaram and Dahyot, "N-Dimensional Probability Density Function Transfer and its Application to Colour
    Transfer", 2005. Ranks become curves of so many points, so that equal colors stay equal.
    """
    rounds: list[tuple[Tensor, RankCurves]] = []
    here = colors
    for _ in range(_ROTATIONS):
        basis = random_basis(3, generator)
        curves = RankCurves.of(mix(basis, here), mix(basis, like))
        rounds.append((basis, curves))
        here = _along(here, basis, curves)

    def apply(pixels: Tensor) -> Tensor:
        for basis, curves in rounds:
            pixels = _along(pixels, basis, curves)
        return pixels

    return apply


def _affine(matrix: Tensor, mean: Tensor, wanted: Tensor) -> Transfer:
    def apply(pixels: Tensor) -> Tensor:
        shape = (3, *[1] * (pixels.ndim - 1))
        before, after = (one.to(pixels).reshape(shape) for one in (mean, wanted))
        return mix(matrix, pixels - before) + after

    return apply


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Raise a symmetric matrix to a power; directions without variance become 0."""
    variances, axes = principal_axes(matrix)
    varies = variances > _FLAT**2
    powered = torch.where(varies, variances.clamp_min(_FLAT**2).pow(exponent), 0.0)
    return axes @ torch.diag(powered) @ axes.T


def _along(pixels: Tensor, basis: Tensor, curves: RankCurves) -> Tensor:
    """Move colors (3, *) along each axis of a basis by its curve."""
    return mix(basis.T, curves.apply(mix(basis, pixels)))
