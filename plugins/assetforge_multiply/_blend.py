"""Blending at random that keeps the histogram: for materials without structure, at once and at any size.

Heitz and Neyret, "High-Performance By-Example Noise using a Histogram-Preserving Blending Operator", 2018: channels are
made independent and Gaussian, pieces are blended so that the variance stays what it was, and the way back restores the
histogram. Here the pieces lie on a torus, and all maps share their places and weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.exact import between, root
from assetforge.ops.principal import PrincipalAxes
from assetforge.ops.ranks import ranks
from assetforge.ops.statistics import ordered
from assetforge_multiply import Params
from assetforge_multiply._channels import Stack, fill_unblendable
from assetforge_multiply._exemplars import Exemplars
from assetforge_multiply._field import SynthesisResult, derive_seed

_CELLS = 8
"""Pieces along the shorter side of the exemplar; each is twice as large as the grid that it lies on."""
_TABLE = 4096


def synthesize(exemplars: Exemplars, stack: Stack, params: Params, context: af.Context) -> SynthesisResult:
    """Make a result by the method `blend`."""
    size, seed = params.torus_size(exemplars.size), derive_seed(context.seed)
    channels = fill_unblendable(
        stack.channels[0], stack.averaged(), lambda source: blend_pieces(source, size, seed), seed
    )
    return SynthesisResult(channels)


def blend_pieces(source: Tensor, size: tuple[int, int], seed: int) -> Tensor:
    """Blend pieces of (C, H, W) to a torus of the given height and width."""
    generator = torch.Generator().manual_seed(seed)
    axes = PrincipalAxes.of(source)
    independent = axes.project(source).flatten(1)
    gaussian = _gaussian(independent).reshape(source.shape)
    mixed = _mix(gaussian, size, generator)
    restored = axes.unproject(_back(mixed.flatten(1), independent))
    lowest, highest = source.amin((1, 2)), source.amax((1, 2))
    return restored.clamp(lowest[:, None], highest[:, None]).reshape(-1, *size)


def _gaussian(values: Tensor) -> Tensor:
    """Replace each value of a row by that of a Gaussian that has the same rank."""
    count = values.shape[1]
    quantiles = (torch.arange(count, device=values.device, dtype=torch.float64) + 0.5) / count
    gaussian: Tensor = torch.special.ndtri(quantiles).to(values)
    return gaussian[ranks(values)]


def _back(values: Tensor, like: Tensor) -> Tensor:
    """Replace each value of a row by that of `like` that has its rank in a Gaussian: a table, read linearly."""
    at = (torch.arange(_TABLE) + 0.5) / _TABLE * like.shape[1]
    table = ordered(like)[:, at.long()]
    place = torch.special.ndtr(values.double()).to(values.dtype).mul_(_TABLE).sub_(0.5).clamp_(0, _TABLE - 1.001)
    below = place.floor().long()
    return between(table.gather(1, below), table.gather(1, below + 1), place - below)


def _mix(pieces: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Add up windowed pieces (C, h, w) from random places, with the variance kept: (C, *size)."""
    cell = max(2, min(*pieces.shape[1:], *size) // _CELLS)
    rows, columns = max(2, round(size[0] / cell)), max(2, round(size[1] / cell))
    total, squares = torch.zeros(pieces.shape[0], *size).to(pieces), torch.zeros(size).to(pieces)
    for row in range(rows):
        for column in range(columns):
            y, y_window = _span(row, rows, size[0])
            x, x_window = _span(column, columns, size[1])
            window = (y_window[:, None] * x_window).to(pieces)
            top = _random(pieces.shape[1] - len(y), generator)
            left = _random(pieces.shape[2] - len(x), generator)
            piece = pieces[:, top : top + len(y), left : left + len(x)]
            total[:, y[:, None], x] += piece * window
            squares[y[:, None], x] += window.square()
    return total / root(squares)


def _span(index: int, count: int, side: int) -> tuple[Tensor, Tensor]:
    """Return the places that a piece covers along one axis of the torus, and its window: two cells, sin²."""
    begin, end = round(index * side / count), round((index + 2) * side / count)
    length = end - begin
    window = torch.sin(torch.pi * (torch.arange(length, dtype=torch.float64) + 0.5) / length).square()
    return torch.arange(begin, end) % side, window.float()


def _random(most: int, generator: torch.Generator) -> int:
    return int(torch.randint(max(1, most + 1), (1,), generator=generator))
