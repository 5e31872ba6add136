"""What must stay of an exemplar's structure: the cells of a pattern that repeats, and the pieces between its grooves.

Where a groove is broken, two pieces become one. As in percolation theory (Stauffer and Aharony, "Introduction to
Percolation Theory", 1992), what grows then is the mean size of the piece that a pixel lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from assetforge.ops.exact import moments, root
from assetforge.ops.resample import resample
from assetforge.ops.statistics import autocorrelation
from assetforge_multiply._field import Field

_REGULAR = 0.5
"""Height of the autocorrelation's peaks from which on a pattern counts as regular, in both axes."""
_SHORTEST, _LONGEST = 16, 0.6
"""Shortest period in pixels, and longest as a part of the exemplar's side."""
_AS_HIGH = 0.9
"""A shorter period counts if its peak is nearly as high as the highest."""
_FLAT = 8
"""What is larger than this part of the exemplar's side is light and shadow rather than pattern."""
_LEVELS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
"""Parts of the exemplar that are taken for grooves, one after the other."""
_SHIFT = 0.1
"""By how much deeper grooves a result is judged: where noise falls to pieces, a little decides."""
_LEAST, _MOST = 0.002, 0.1
"""Mean size of pieces, as a part of all, between which an exemplar counts as made of pieces."""
_CLEAR = 4
"""Levels at which an exemplar must be made of pieces for its grooves to be followed."""


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


def find_lattice(features: Tensor) -> Lattice | None:
    """Return how (C, H, W) repeats itself, if it does so clearly along both axes."""
    _, height, width = features.shape
    small = resample(features, (max(1, height // (height // _FLAT)), max(1, width // (width // _FLAT))))
    detail = features - resample(small, (height, width))
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


def shuffle_cells(
    lattice: Lattice, source_size: tuple[int, int], size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return coordinates (H, W), rows and columns, that take each cell from a random one of the exemplar's."""
    rows, y = _cells(size[0], lattice.height, lattice.top)
    columns, x = _cells(size[1], lattice.width, lattice.left)
    choices_y = _choices(source_size[0] - lattice.top, lattice.height)
    choices_x = _choices(source_size[1] - lattice.left, lattice.width)
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


@dataclass(frozen=True)
class LatticeConstraint:
    """Where in a regular pattern's cell a patch lies: it must lie there in the exemplar and in the result.

    height, width: of a cell, in pixels. tolerance: how many pixels it may be off.
    """

    height: float
    width: float
    tolerance: float

    def broken(self, y: Tensor, x: Tensor, stride: int, count: tuple[int, int]) -> Tensor:
        """Tell which matches (h, w) do not lie where they should; count: rows and columns of patches to choose from."""
        rows = torch.arange(y.shape[0], device=y.device)[:, None] * stride
        columns = torch.arange(x.shape[1], device=x.device) * stride
        off = _looked_up(y - rows, y.shape[0] * stride, count[0], self.height, self.tolerance)
        return off.logical_or_(_looked_up(x - columns, x.shape[1] * stride, count[1], self.width, self.tolerance))

    def snapped(self, field: Field, count: tuple[int, int]) -> Field:
        """Move matches to where they should lie in the cell; count: rows and columns of patches to choose from."""
        rows = torch.arange(field.y.shape[0], device=field.y.device)[:, None] * field.stride
        columns = torch.arange(field.x.shape[1], device=field.x.device) * field.stride
        y = _snap(field.y, rows, self.height, count[0])
        x = _snap(field.x, columns, self.width, count[1])
        return replace(field, y=y, x=x)


def _snap(match: Tensor, place: Tensor, period: float, count: int) -> Tensor:
    cells = ((match - place) / period).round()
    snapped = (place + cells * period).round().long()
    snapped = torch.where(snapped < 0, (snapped + period).round().long(), snapped)
    snapped = torch.where(snapped >= count, (snapped - period).round().long(), snapped)
    return snapped.clamp(0, count - 1)


def _looked_up(distance: Tensor, before: int, behind: int, period: float, tolerance: float) -> Tensor:
    """Tell which distances, whole numbers from -before to behind, are off whole multiples of a period."""
    table = _off_table(before, behind, period, tolerance, distance.device)
    return table.index_select(0, (distance + before).flatten()).reshape(distance.shape)


@lru_cache(maxsize=64)
def _off_table(before: int, behind: int, period: float, tolerance: float, device: torch.device) -> Tensor:
    return (_off(torch.arange(-before, behind), period) > tolerance).to(device)


def _off(distance: Tensor, period: float) -> Tensor:
    """Return how far distances are from whole multiples of a period."""
    return (distance - (distance / period).round() * period).abs()


def growth_of_pieces(result: Tensor, source: Tensor) -> float | None:
    """Return how much larger the pieces of a result (H, W) are than the exemplar's; None where it has no pieces.

    Pieces are what is connected of what is higher than grooves, or of what is lower than ridges, whichever grew more;
    of several depths of grooves, the median counts.
    """
    height, width = (min(a, b) for a, b in zip(result.shape, source.shape, strict=True))
    grown = [_growth(sign * result[:height, :width], sign * source[:height, :width]) for sign in (1, -1)]
    return max((one for one in grown if one is not None), default=None)


def places_in_pieces(pictures: Sequence[Tensor]) -> Tensor | None:
    """Return where in its piece each pixel is, (4, H, W): along each axis, how far from the nearer end, and how far on.

    pictures: (H, W) each, of which the one is taken that is most clearly made of pieces; None where none is. To a
    search that compares pixels it is worth little that a groove goes on, as few pixels are in it; how far away its ends
    are, all pixels of a piece tell: then no piece can be longer than those that there are. After Lefebvre and Hoppe,
    "Appearance-Space Texture Synthesis", 2006, section 5, who take the distance alone.
    """
    found = [(_levels(relief), relief) for one in pictures for relief in (one, -one)]
    levels, picture = max(found, key=lambda each: len(each[0]))
    if len(levels) < _CLEAR:
        return None
    piece = picture > _quantile(picture, levels[len(levels) // 2])
    channels = []
    for along in (piece, piece.T):
        before, behind = _since_groove(along), _since_groove(along.flip(1)).flip(1)
        on = torch.where(along, before / (before + behind).clamp_min(1) - 0.5, 0.0)
        channels.append((root(torch.minimum(before, behind)), on))
    return torch.stack([*channels[0], *(one.T for one in channels[1])])


def _since_groove(piece: Tensor) -> Tensor:
    """Return how many pixels of (H, W) lie between each and the last groove on its left, or the edge."""
    columns = torch.arange(1, piece.shape[1] + 1).expand(piece.shape)
    return (columns - torch.where(piece, 0, columns).cummax(1).values).float()


def _growth(result: Tensor, source: Tensor) -> float | None:
    ratios = []
    for level in _levels(source):
        before, after = (
            _mean_size(one > _quantile(source, level + shift)) for one, shift in ((source, 0), (result, _SHIFT))
        )
        ratios.append(after / before)
    return sorted(ratios)[len(ratios) // 2] if len(ratios) > 1 else None


def _levels(source: Tensor) -> list[float]:
    """Return the levels at which an exemplar is made of pieces."""
    return [level for level in _LEVELS if _LEAST < _mean_size(source > _quantile(source, level)) < _MOST]


def _quantile(values: Tensor, level: float) -> float:
    return values.flatten().kthvalue(1 + int(level * (values.numel() - 1))).values.item()


def _mean_size(mask: Tensor) -> float:
    """Return the mean size of the connected piece that a pixel of a mask (H, W) lies in, as a part of all pixels."""
    _, labels = cv2.connectedComponents(mask.numpy().astype(np.uint8), connectivity=4)
    sizes = torch.bincount(torch.from_numpy(labels).flatten())[1:].double()
    return float(sizes.square().sum() / sizes.sum().clamp_min(1) / mask.numel())
