"""Patterns that repeat, such as bricks: how far apart, and how their cells are exchanged so that the pattern stays."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge.ops.exact import moments
from assetforge.ops.resample import resample
from assetforge.ops.statistics import autocorrelation

_REGULAR = 0.5
"""Height of the autocorrelation's peaks from which on a pattern counts as regular, in both axes."""
_SHORTEST, _LONGEST = 16, 0.6
"""Shortest period in pixels, and longest as a part of the exemplar's side."""
_AS_HIGH = 0.9
"""A shorter period counts if its peak is nearly as high as the highest."""
_FLAT = 8
"""What is larger than this part of the exemplar's side is light and shadow rather than pattern."""


@dataclass(frozen=True)
class Lattice:
    """How a pattern repeats itself.

    height, width: of its cell in pixels of the exemplar, not always whole numbers. strictness: how alike the cells are,
    from 0 to 1. top, left: where the first whole cell begins: the lines between cells are what is most alike in all.
    """

    height: float
    width: float
    strictness: float
    top: float = 0.0
    left: float = 0.0

    def scaled(self, up: float, across: float) -> Lattice:
        """Return the lattice of a larger or smaller exemplar."""
        return Lattice(self.height * up, self.width * across, self.strictness, self.top * up, self.left * across)


def find_lattice(guidance: Tensor) -> Lattice | None:
    """Return how (C, H, W) repeats itself, if it does so clearly along both axes."""
    _, height, width = guidance.shape
    small = resample(guidance, (max(1, height // (height // _FLAT)), max(1, width // (width // _FLAT))))
    detail = guidance - resample(small, (height, width))
    shares = moments(detail)[1].diagonal()
    alike = (
        sum(share * autocorrelation(one, repeat=False) for share, one in zip(shares, detail, strict=True))
        / shares.sum()
    )
    rows, columns = (_period(line) for line in (alike[:, 0], alike[0]))
    if rows is None or columns is None:
        return None
    top, left = _line(detail, rows[0]), _line(detail.transpose(1, 2), columns[0])
    return Lattice(rows[0], columns[0], min(rows[1], columns[1]), top, left)


def _line(image: Tensor, period: float) -> float:
    """Return the row of (C, H, W), within the first period, that varies least from one period to the next."""
    phases = torch.arange(int(period))
    places = (phases[:, None] + torch.arange(int(image.shape[1] / period)) * period).round().long()
    varies = image.double()[:, places.clamp_max(image.shape[1] - 1)].var(2, correction=0).mean((0, 2))
    around = torch.stack([varies.roll(shift) for shift in (-1, 0, 1)]).mean(0)
    return float(around.argmin())


def _period(line: Tensor) -> tuple[float, float] | None:
    """Return where an autocorrelation first comes nearly as high as it ever does again, and how high that is."""
    line = line[: int(len(line) * _LONGEST)]
    peaks = [i for i in range(_SHORTEST, len(line) - 1) if line[i] >= line[i - 1] and line[i] > line[i + 1]]
    high = [i for i in peaks if line[i] >= _REGULAR]
    if not high:
        return None
    highest = max(line[i].item() for i in high)
    first = next(i for i in high if line[i] >= _AS_HIGH * highest)
    return _refine(first, high), min(1.0, highest)


def _refine(first: int, peaks: list[int]) -> float:
    """Measure a period by the last peak that is a multiple of it: errors of half a pixel are divided."""
    period = float(first)
    for peak in peaks:
        count = max(1, round(peak / period))
        if abs(peak / count - period) < 1:
            period = peak / count
    return period


def whole_periods(lattice: Lattice, size: tuple[int, int]) -> tuple[float, float]:
    """Return how much larger the exemplar must be for a result of this size to hold whole cells, by axis."""
    cells = (max(1, round(size[0] / lattice.height)), max(1, round(size[1] / lattice.width)))
    return size[0] / (cells[0] * lattice.height), size[1] / (cells[1] * lattice.width)


def exchange_cells(
    lattice: Lattice, exemplar: tuple[int, int], size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return coordinates (H, W), rows and columns, that take each cell from a random one of the exemplar's."""
    rows, y = _cells(size[0], lattice.height, lattice.top)
    columns, x = _cells(size[1], lattice.width, lattice.left)
    choices_y = _choices(exemplar[0] - lattice.top, lattice.height)
    choices_x = _choices(exemplar[1] - lattice.left, lattice.width)
    count = (int(rows.max()) + 1, int(columns.max()) + 1)
    from_row = torch.randint(choices_y, count, generator=generator)[rows][:, columns]
    from_column = torch.randint(choices_x, count, generator=generator)[rows][:, columns]
    return lattice.top + from_row * lattice.height + y[:, None], lattice.left + from_column * lattice.width + x


def _cells(size: int, period: float, first: float) -> tuple[Tensor, Tensor]:
    """Return, for each pixel on the torus, its cell and how far into it it lies."""
    place = (torch.arange(size) - first) % size
    cell = (place / period + 1e-6).floor().long()
    return cell, place - cell * period


def _choices(side: float, period: float) -> int:
    return max(1, int(side / period))
