"""Rank transfer: values are moved to those that have the same rank in another distribution (histogram matching).

`match_ranks` sorts all values. `transfer_ranks` takes samples and a table, which is much faster
on millions of values. `RankCurves` are functions of the value alone: equal values stay equal, and they can be applied
to other values than those that they were made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assetforge.ops.exact import between
from assetforge.ops.statistics import ordered

SAMPLES = 2**13
"""Values of each row that `transfer_ranks` looks at."""
_MARKS = 2**12
"""Values for which `transfer_ranks` works out the one of the same rank."""
_NARROWEST = 1e-4
"""Part of the range of values that `transfer_ranks` tells apart at least."""
_BAND = 2**14
"""Values of a row that are moved at a time: more would not stay in caches."""
_QUANTILES = 1024
"""Points of each curve of `RankCurves`."""


def ranks(rows: Tensor) -> Tensor:
    """Return the rank of each value in its row (N, M): whole numbers from 0, equal values in their order."""
    order = rows.argsort(dim=1, stable=True)
    places = torch.arange(rows.shape[1], device=rows.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def match_ranks(values: Tensor, like: Tensor) -> Tensor:
    """Give each value, in a tensor of any shape, the value of the same rank in another one of any shape.

    Ranks are shares of float32: with some numbers of values, the one of the rank before is taken.
    """
    share = ranks(values.reshape(1, -1))[0] / values.numel()
    wanted = ordered(like.reshape(1, -1))[0]
    return wanted[(share * like.numel()).long()].reshape(values.shape)


def transfer_ranks(rows: Tensor, like: Tensor, generator: torch.Generator) -> Tensor:
    """Return, for each value of (N, M), about the one of the same rank in the same row of `like` (N, SAMPLES).

    Ranks are those among `SAMPLES` random values of the row.
    """
    ours = ordered(rows[:, torch.randint(rows.shape[1], (SAMPLES,), generator=generator)])
    theirs = ordered(like)
    # A table, read linearly, is much faster than a search for each value. Its marks are dense where the values are: in
    # the middle half they are all but evenly apart, and beyond it by ever more.
    quarter = SAMPLES // 4
    center, spread = ours[:, 2 * quarter, None], ours[:, 3 * quarter, None] - ours[:, quarter, None]
    spread = torch.maximum(spread, (ours[:, -1:] - ours[:, :1]) * _NARROWEST).clamp_min_(1e-9)
    first, last = (_bent((ours[:, at, None] - center) / spread) for at in (0, -1))
    steps = torch.arange(_MARKS, device=rows.device) / (_MARKS - 1)
    marks = _straightened(first + (last - first) * steps) * spread + center
    table = theirs.gather(1, torch.searchsorted(ours, marks).clamp_(0, SAMPLES - 1))
    result = torch.empty_like(rows)
    for some, found in zip(torch.split(rows, _BAND, 1), torch.split(result, _BAND, 1), strict=True):
        place = _bent((some - center) / spread).sub_(first).div_((last - first).clamp_min(1e-9))
        place = place.clamp_(0, 1).mul_(_MARKS - 1)
        below = place.long().clamp_(max=_MARKS - 2)
        found[:] = between(table.gather(1, below), table.gather(1, below + 1), place.sub_(below))
    return result


def _bent(values: Tensor) -> Tensor:
    """Bring all values to between -1 and 1, those about 0 hardly changed."""
    return values / (1 + values.abs())


def _straightened(values: Tensor) -> Tensor:
    """Undo `_bent`."""
    return values / (1 - values.abs())


@dataclass(frozen=True)
class RankCurves:
    """One function for each row, that gives values the distribution of the same row of others.

    curves: of each row the points that lie on it, x ascending, and between which it is linear.
    """

    curves: Sequence[tuple[np.ndarray, np.ndarray]]

    @staticmethod
    def of(rows: Tensor, like: Tensor) -> RankCurves:
        """Find the functions that give the rows (C, N) the distributions of the rows (C, M)."""
        pairs = zip(_quantiles(rows), _quantiles(like), strict=True)
        return RankCurves([_monotone(x, y) for x, y in pairs])

    def apply(self, channels: Tensor) -> Tensor:
        """Move the values of channels (C, *)."""
        moved = [
            torch.from_numpy(np.interp(row.numpy().ravel(), x, y)).reshape(row.shape).to(row)
            for row, (x, y) in zip(channels, self.curves, strict=True)
        ]
        return torch.stack(moved)


def _quantiles(rows: Tensor) -> np.ndarray:
    sorted_rows = ordered(rows.contiguous())
    places = torch.linspace(0, rows.shape[1] - 1, _QUANTILES, dtype=torch.float64).round().long()
    return sorted_rows[:, places].double().numpy()


def _monotone(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a curve whose x ascend: of equal ones, the mean of their y."""
    values, first, counts = np.unique(x, return_index=True, return_counts=True)
    sums = np.concatenate([[0.0], np.cumsum(y)])
    return values, (sums[first + counts] - sums[first]) / counts
