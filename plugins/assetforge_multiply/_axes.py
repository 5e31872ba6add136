"""The principal axes of an exemplar's channels: where one map tells another, the axis across hardly varies."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from assetforge.ops.exact import mix, moments
from assetforge.ops.principal import principal_axes

SMALLEST = 0.002
"""Deviation along an axis that is taken for rounding: half a code of eight bits."""


@dataclass(frozen=True)
class Axes:
    """The principal axes of the channels (C, C) as columns, the deviation along each (C,), and the mean (C,)."""

    axes: Tensor
    deviations: Tensor
    mean: Tensor

    @staticmethod
    def of(exemplar: Tensor) -> Axes:
        """Find the axes of (C, H, W)."""
        mean, covariance = moments(exemplar)
        variances, axes = principal_axes(covariance)
        deviations = variances.clamp_min(SMALLEST**2).sqrt()
        return Axes(axes.to(exemplar), deviations.to(exemplar), mean.to(exemplar))

    @property
    def matrix(self) -> Tensor:
        """What turns coordinates along the axes to channels, less their mean: (C, C)."""
        return self.axes * self.deviations

    def along(self, channels: Tensor) -> Tensor:
        """Turn channels (C, H, W) to coordinates along the axes."""
        return mix(self.axes.T / self.deviations[:, None], channels - self.mean[:, None, None])

    def back(self, coordinates: Tensor) -> Tensor:
        """Turn coordinates along the axes to channels."""
        return mix(self.matrix, coordinates) + self.mean[:, None, None]
