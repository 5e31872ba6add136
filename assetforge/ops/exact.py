"""Deterministic arithmetic: the same bits on every processor, with any number of threads.

Libraries add in whatever order suits the processor and how many threads there are, and each order rounds otherwise.
Where a search compares sums, one that is rounded otherwise may lead somewhere else altogether. What is here has no
order that matters: it adds whole numbers that are too small to be rounded, or one number after the other. Products and
sums of two numbers and quotients are rounded alike everywhere (IEEE 754); `torch.lerp`, `addcmul` and the like are not,
as some processors round them once and others twice. `torch.sqrt` is not either where MKL does it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_STEPS = 2**13
"""Steps into which the range of a channel is divided where its moments are taken: 2**26 squares of them are exact."""
_BAND = 2**18
_CACHED = 2**14
"""Pixels that are mixed at a time: more would not stay in caches."""
_SQUARINGS = 6


def whole(values: Tensor, unit: float, most: int) -> Tensor:
    """Return values in whole units, at most so many either way: float32 of whole numbers, any shape."""
    return (values / unit).round_().clamp_(-most, most)


def mix(matrix: Tensor, channels: Tensor) -> Tensor:
    """Multiply each pixel of channels (C, *) by a matrix (D, C)."""
    columns = matrix.to(channels)[:, :, None].unbind(1)
    bands = torch.split(channels.reshape(len(channels), -1), _CACHED, 1)
    return torch.cat([_mixed(columns, band) for band in bands], 1).reshape(len(matrix), *channels.shape[1:])


def _mixed(columns: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Add up columns (D, 1), each times its row of (C, N), one after the other: (D, N)."""
    result = columns[0] * rows[0]
    for column, row in zip(columns[1:], rows[1:], strict=True):
        result += column * row
    return result


def between(first: Tensor, second: Tensor, share: Tensor | float) -> Tensor:
    """Return what lies between two tensors: the first where `share` is 0, the second where it is 1."""
    return first + (second - first) * share


def row_sums(rows: Tensor) -> Tensor:
    """Add up the columns of (N, D), halves onto halves: (N,)."""
    while (count := rows.shape[1]) > 1:
        half = count // 2
        rest = rows[:, 2 * half :]
        rows = rows[:, :half] + rows[:, half : 2 * half]
        if rest.shape[1]:
            rows[:, :1] += rest
    return rows[:, 0]


def decay(values: Tensor) -> Tensor:
    """Return nearly exp(-values) for values from 0, (1 - x/n)ⁿ by squaring: exponentials are not alike everywhere."""
    result: Tensor = (1 - values / 2**_SQUARINGS).clamp_min_(0)
    for _ in range(_SQUARINGS):
        result = result * result
    return result


def norm(vectors: Tensor) -> Tensor:
    """Return the lengths of vectors (C, *): (1, *)."""
    squares = vectors[:1] * vectors[:1]
    for one in vectors[1:]:
        squares = squares + one * one
    return root(squares)


def root(values: Tensor) -> Tensor:
    """Return the square roots, rounded as IEEE 754 asks for; any shape, float32 or float64."""
    if values.device.type == "cpu" and not values.requires_grad:
        return torch.from_numpy(np.sqrt(values.numpy()))
    return values.double().sqrt().to(values.dtype)  # of float32, that is so: doubles are more than twice as long


def mean_channel(channels: Tensor) -> Tensor:
    """Return the mean of the channels of (C, *): (1, *)."""
    total = channels[:1].clone()
    for one in channels[1:]:
        total += one
    return total / channels.shape[0]


def moments(channels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means (C,) and the covariances (C, C) of channels (C, *), float64 on the CPU.

    Values are rounded to 1/8192 of their channel's range.
    """
    rows = channels.flatten(1)
    lowest, highest = (limit.double()[:, None] for limit in torch.aminmax(rows, dim=1))
    middle, unit = (lowest + highest) / 2, ((highest - lowest) / _STEPS).clamp_min(torch.finfo(torch.float32).tiny)
    sums = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    products = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for band in torch.split(rows, _BAND, 1):
        steps = ((band.double() - middle) / unit).round_()
        sums += steps.sum(1)
        products += steps @ steps.T
    mean = sums / rows.shape[1]
    covariance = products / rows.shape[1] - mean[:, None] * mean
    return (middle[:, 0] + unit[:, 0] * mean).cpu(), (covariance * unit * unit.T).cpu()


def mean(values: Tensor) -> float:
    """Return the mean of all values."""
    return moments(values.reshape(1, -1))[0].item()


def deviation(values: Tensor) -> float:
    """Return the standard deviation of all values."""
    return math.sqrt(max(0.0, moments(values.reshape(1, -1))[1].item()))
