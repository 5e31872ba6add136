"""One cut for all maps, so that they tile together: image quilting of a material with itself.

Efros and Freeman, "Image Quilting for Texture Synthesis and Transfer", 2001: where the ends overlap, the path along
which they differ least parts them. The shift between the ends is that at which they are most alike, so that bricks meet
bricks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from assetforge.ops.blur import blurred

Features = Callable[[Mapping[str, Tensor]], Tensor]
"""Returns what is compared of maps: (F, H, W)."""

_OVERLAP = 0.16
"""Part of the side in which the cut may lie."""
_LEAST = 0.5
_FEATHER = 1.5
_HALF = 0.5
_BAND = 256
"""Rows that are transformed at a time."""
LEAST_SIDE = 8
"""Of maps that can be cut, in pixels."""


def quilted(
    maps: Mapping[str, Tensor],
    features: Features,
    axes: str = "xy",
    *,
    closed: bool = False,
    unmixed: frozenset[str] = frozenset(),
) -> dict[str, Tensor]:
    """Return smaller maps (C, h, w) that continue at their opposite edges, all cut along the same paths.

    axes: those along which they do not yet. closed: whether they do along the other one. unmixed: names of maps whose
    values are not blended. Vectors lose their length where they are blended.
    """
    result = dict(maps)
    if "x" in axes:
        result = _joined(result, features, unmixed, closed=closed)
    if "y" in axes:
        turned = {name: pixels.transpose(1, 2) for name, pixels in result.items()}
        joined = _joined(turned, features, unmixed, closed=closed or "x" in axes)
        result = {name: pixels.transpose(1, 2).contiguous() for name, pixels in joined.items()}
    return result


def _joined(maps: dict[str, Tensor], features: Features, unmixed: frozenset[str], *, closed: bool) -> dict[str, Tensor]:
    """Join the left end to the right one; `closed`: rows continue from the last to the first, and so must the cut."""
    telling = features(maps)
    width = telling.shape[2]
    overlap = max(4, round(width * _OVERLAP))
    period = _period(telling, overlap)
    cost = (telling[:, :, :overlap] - telling[:, :, period : period + overlap]).square().sum(0)
    path = _path(cost, closed=closed)
    columns = torch.arange(overlap)
    right = (columns < path[:, None]).float()[None]
    right = _softened(right, closed=closed)
    result = {}
    for name, pixels in maps.items():
        share = (right >= _HALF).float() if name in unmixed else right
        ends = torch.lerp(pixels[:, :, :overlap], pixels[:, :, period : period + overlap], share)
        result[name] = torch.cat([ends, pixels[:, :, overlap:period]], 2)
    return result


def _period(telling: Tensor, overlap: int) -> int:
    """Return the shift, at least half the width, at which the ends are most alike.

    Differences are squares less twice the products, which a Fourier transform gives for all shifts at once.
    """
    width = telling.shape[2]
    squares = torch.zeros(width + 1, dtype=torch.float64)
    products = torch.zeros(width // 2 + 1, dtype=torch.complex128)
    for rows in torch.split(blurred(telling, 1.5).flatten(0, 1), _BAND):
        band = rows.double()
        squares[1:] += band.square().sum(0)
        products += (torch.fft.rfft(band[:, :overlap], n=width).conj() * torch.fft.rfft(band)).sum(0)
    energy = squares.cumsum(0)
    shifts = torch.arange(int(width * _LEAST), width - overlap + 1)
    both = energy[overlap] + energy[shifts + overlap] - energy[shifts]
    unlike = both - 2 * torch.fft.irfft(products, n=width)[shifts]
    return int(shifts[(unlike * (1.3 - 0.3 * shifts / width)).argmin()])


def _path(cost: Tensor, *, closed: bool) -> Tensor:
    """Return the column of the cheapest path from the first row to the last, (H,)."""
    rows = cost.shape[0]
    if closed:
        twice = _cheapest(torch.cat([cost, cost]))
        start = int(twice[rows])
        fixed = torch.full_like(cost[:1], torch.inf)
        fixed[0, start] = 0
        cost = torch.cat([cost[:1] + fixed, cost[1:], fixed])
    return _cheapest(cost)[:rows]


def _cheapest(cost: Tensor) -> Tensor:
    total = [cost[0]]
    for row in cost[1:]:
        total.append(row + _best_near(total[-1])[0])
    column = int(total[-1].argmin())
    path = [column]
    for before in reversed(total[:-1]):
        column = int(_best_near(before)[1][column])
        path.append(column)
    return torch.tensor(path[::-1])


def _best_near(row: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least of each value and its two neighbors, and where it is."""
    wide = torch.nn.functional.pad(row, (1, 1), value=torch.inf)
    least, which = torch.stack([wide[:-2], wide[1:-1], wide[2:]]).min(0)
    return least, torch.arange(len(row)) + which - 1


def _softened(share: Tensor, *, closed: bool) -> Tensor:
    """Blur the border between the ends; the outermost columns stay what they are, as they continue what is there."""
    rows = share.shape[1]
    soft = blurred(share.repeat(1, 3, 1) if closed else share, _FEATHER)
    soft = soft[:, rows : 2 * rows] if closed else soft
    soft[:, :, 0], soft[:, :, -1] = 1, 0
    return soft
