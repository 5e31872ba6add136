"""Principal component analysis (PCA), the same on every processor: LAPACK's depends on how its libraries add."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assetforge.ops.exact import mix, moments, root

SMALLEST_DEVIATION = 0.002
"""Deviation along an axis that counts as rounding: half a code of eight bits."""
_SWEEPS = 30
_SMALL = 1e-22
"""Squares off the diagonal, as a part of all, from which on a matrix counts as diagonal."""


def principal_axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the variances (C,), ascending, and the axes (C, C) as columns, of a symmetric matrix, float64.

    By the rotations of Jacobi (1846), each of which makes one element 0; the largest entry of an axis is positive.
    """
    left = covariance.double().cpu().numpy().copy()
    axes = np.eye(len(left))
    pairs = [(p, q) for p in range(len(left)) for q in range(p + 1, len(left))]
    for _ in range(_SWEEPS):
        if _squares(left, pairs) <= _SMALL * sum(float(x) * float(x) for x in left.flat):
            break
        for p, q in pairs:
            if left[p, q] != 0:
                _rotate(left, axes, p, q)
    variances = np.diagonal(left)
    order = np.argsort(variances, kind="stable")
    axes = axes[:, order]
    largest = axes[np.abs(axes).argmax(0), np.arange(len(axes))]
    return torch.from_numpy(variances[order].copy()), torch.from_numpy(axes * np.where(largest < 0, -1.0, 1.0))


def _squares(matrix: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    return sum(float(matrix[p, q]) * float(matrix[p, q]) for p, q in pairs)


def _rotate(matrix: np.ndarray, axes: np.ndarray, p: int, q: int) -> None:
    """Make element (p, q) of a symmetric matrix 0 (Golub and Van Loan, "Matrix Computations", 8.5)."""
    ratio = (matrix[q, q] - matrix[p, p]) / (2 * matrix[p, q])
    tangent = math.copysign(1.0, ratio) / (abs(ratio) + math.sqrt(1 + ratio * ratio))
    cosine = 1 / math.sqrt(1 + tangent * tangent)
    sine = tangent * cosine
    for one in (matrix, matrix.T, axes):  # columns, rows, and the axes so far
        first, second = one[:, p].copy(), one[:, q].copy()
        one[:, p], one[:, q] = cosine * first - sine * second, sine * first + cosine * second
    matrix[p, q] = matrix[q, p] = 0.0


@dataclass(frozen=True)
class PrincipalAxes:
    """The principal axes of channels (C, C) as columns, the deviation along each (C,), ascending, and the mean (C,)."""

    axes: Tensor
    deviations: Tensor
    mean: Tensor

    @staticmethod
    def of(channels: Tensor) -> PrincipalAxes:
        """Find the axes of channels (C, *)."""
        mean, covariance = moments(channels)
        variances, axes = principal_axes(covariance)
        deviations = root(variances.clamp_min(SMALLEST_DEVIATION**2))
        return PrincipalAxes(axes.to(channels), deviations.to(channels), mean.to(channels))

    @property
    def coloring(self) -> Tensor:
        """The matrix (C, C) that turns whitened channels to channels, less their mean."""
        return self.axes * self.deviations

    def project(self, channels: Tensor) -> Tensor:
        """Return the coordinates along the axes of channels (C, *)."""
        return mix(self.axes.T, channels - self._mean(channels))

    def unproject(self, coordinates: Tensor) -> Tensor:
        """Return the channels of which `project` gave the coordinates."""
        return mix(self.axes, coordinates) + self._mean(coordinates)

    def whiten(self, channels: Tensor) -> Tensor:
        """Return the coordinates along the axes of channels (C, *), each in units of its deviation."""
        return mix(self.axes.T / self.deviations[:, None], channels - self._mean(channels))

    def color(self, whitened: Tensor) -> Tensor:
        """Return the channels of which `whiten` gave the coordinates."""
        return mix(self.coloring, whitened) + self._mean(whitened)

    def _mean(self, like: Tensor) -> Tensor:
        return self.mean.reshape(-1, *[1] * (like.ndim - 1))


def principal_components(samples: Tensor, count: int) -> Tensor:
    """Return the directions (count, D) along which samples (N, D) vary most, the first one most of all.

    By LAPACK's singular values: for many dimensions, where `principal_axes` would take too long. Other processors may
    end in other bits.
    """
    found: Tensor = torch.linalg.svd(samples - samples.mean(0), full_matrices=False).Vh[:count]
    return found


def random_basis(count: int, generator: torch.Generator) -> Tensor:
    """Return a random orthonormal basis (count, count) as rows, float32: Gram and Schmidt's, of whole numbers."""
    basis: list[np.ndarray] = []
    while len(basis) < count:
        row = torch.randint(-128, 129, (count,), generator=generator).double().numpy()
        for other in basis * 2:  # what rounding leaves the first time goes with the second
            row = row - _dot(row, other) * other
        length = math.sqrt(_dot(row, row))
        if length > 1e-3:  # else it lay in the space of those before
            basis.append(row / length)
    return torch.from_numpy(np.stack(basis)).float()


def _dot(first: np.ndarray, second: np.ndarray) -> float:
    return sum(float(a) * float(b) for a, b in zip(first, second, strict=True))
