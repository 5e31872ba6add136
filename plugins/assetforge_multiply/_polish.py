"""Bring the grain and contrast of a result back to the exemplar's, and heal where pieces meet.

Patches of both are projected onto random directions, and the result's values are moved to those that have the same rank
in the exemplar (Pitié et al., "N-Dimensional Probability Density Function Transfer", 2005, with the projections of
Elnekave and Weiss, "Generating natural images with direct patch distributions matching", 2022). Where a distribution is
right already, nothing moves: gradient steps on the distance between the two would add grain everywhere, and part the
maps from each other.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

STEPS = 16
_PROJECTIONS, _SIDE = 16, 7
_SAMPLES = 2**16
_SMALLEST = 0.002
"""Deviation along an axis that is taken for rounding: half a code of eight bits."""


def polish(result: Tensor, exemplar: Tensor, seed: int, steps: int = STEPS) -> Tensor:
    """Polish (C, H, W) on the torus; each channel stays within what occurs in the exemplar's.

    It goes along the principal axes of the exemplar's channels, each by its deviation: where one map tells another, the
    axis across hardly varies, and what would part the two counts as much there as all else.
    """
    axes, deviations = _principal_axes(exemplar)
    to_axes, back = axes.T / deviations[:, None], axes * deviations
    wanted, pixels = _turn(to_axes, exemplar), _turn(to_axes, result)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        pixels += _move(pixels, wanted, generator)
    lowest, highest = exemplar.amin((1, 2), keepdim=True), exemplar.amax((1, 2), keepdim=True)
    return _turn(back, pixels).clamp(lowest, highest)


def _principal_axes(exemplar: Tensor) -> tuple[Tensor, Tensor]:
    """Return the principal axes of the channels as columns, and the deviation along each."""
    values = exemplar.flatten(1)
    centered = values - values.mean(1, keepdim=True)
    variances, axes = torch.linalg.eigh(centered @ centered.T / values.shape[1])
    return axes, variances.clamp_min(_SMALLEST**2).sqrt()


def _turn(matrix: Tensor, pixels: Tensor) -> Tensor:
    return (matrix @ pixels.flatten(1)).reshape(pixels.shape).contiguous()


def _move(result: Tensor, exemplar: Tensor, generator: torch.Generator) -> Tensor:
    """Return what brings the patches of a result nearer to those of the exemplar, along some random directions.

    With all directions of an orthonormal basis, this would be the whole way: each pixel is a part of `_SIDE`² patches.
    """
    channels = result.shape[0]
    kernels = torch.randn(_PROJECTIONS, channels, _SIDE, _SIDE, generator=generator)
    kernels /= kernels.flatten(1).norm(dim=1)[:, None, None, None]
    wrapped = functional.pad(result[None], (0, _SIDE - 1, 0, _SIDE - 1), mode="circular")
    projected = functional.conv2d(wrapped, kernels)[0]
    wanted = functional.conv2d(exemplar[None], kernels)[0].flatten(1)
    off = _transported(projected.flatten(1), wanted, generator).reshape(projected.shape) - projected
    before = functional.pad(off[None], (_SIDE - 1, 0, _SIDE - 1, 0), mode="circular")
    return functional.conv2d(before, kernels.flip(2, 3).transpose(0, 1))[0] * (min(1.0, channels / _PROJECTIONS))


def _transported(values: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    """Return, for each value of a row, the wanted one of the same rank."""
    ours, theirs = (_ordered(one, generator) for one in (values, wanted))
    above = torch.searchsorted(ours, values.contiguous()).clamp_(1, _SAMPLES - 1)
    low, high = ours.gather(1, above - 1), ours.gather(1, above)
    part = ((values - low) / (high - low).clamp_min(1e-9)).clamp_(0, 1)
    return torch.lerp(theirs.gather(1, above - 1), theirs.gather(1, above), part)


def _ordered(values: Tensor, generator: torch.Generator) -> Tensor:
    """Return as many quantiles of each row as there are samples."""
    at = torch.randint(values.shape[1], (_SAMPLES,), generator=generator)
    return values[:, at].sort(1).values
