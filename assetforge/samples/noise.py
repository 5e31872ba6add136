"""Noise and shapes on the torus: everything here repeats without a seam. Fields are float32 (H, W)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def coordinates(size: int) -> tuple[Tensor, Tensor]:
    """Return y and x of the pixel centers, 0 to 1."""
    line = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    y, x = torch.meshgrid(line, line, indexing="ij")
    return y, x


def noise(size: int, seed: int, cells: tuple[int, int], octaves: int = 5, gain: float = 0.5) -> Tensor:
    """Sum octaves of smooth value noise with `cells` (rows, columns) of the coarsest; mean 0, deviation 1.

    Cells finer than two pixels are left out, so that the look does not depend on the size.
    """
    total = torch.zeros(size, size)
    for octave in range(octaves):
        rows, columns = cells[0] * 2**octave, cells[1] * 2**octave
        if max(rows, columns) * 2 > size and octave > 0:
            break
        total += gain**octave * _value_noise(size, seed + 101 * octave, rows, columns)
    return (total - total.mean()) / total.std().clamp_min(1e-6)


def _value_noise(size: int, seed: int, rows: int, columns: int) -> Tensor:
    values = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
    y, x = coordinates(size)
    row, down = _cell(y * rows, rows)
    column, across = _cell(x * columns, columns)
    below, right = (row + 1) % rows, (column + 1) % columns
    top = torch.lerp(values[row, column], values[row, right], across)
    bottom = torch.lerp(values[below, column], values[below, right], across)
    return torch.lerp(top, bottom, down)


def _cell(position: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Split positions into a cell and a smooth fraction (Perlin 2002's quintic)."""
    shifted = position - 0.5
    cell = shifted.floor()
    t = shifted - cell
    return cell.long() % count, t**3 * (t * (6 * t - 15) + 10)


def per_cell(cells: Tensor, seed: int) -> Tensor:
    """Give every cell number a random value of its own, 0 to 1."""
    values = torch.rand(int(cells.max()) + 1, generator=torch.Generator().manual_seed(seed))
    return values[cells]


def voronoi(size: int, seed: int, count: int, warp: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the number of the nearest of `count`² jittered points, its distance, and that of the edge to the next.

    Distances are in cells. `warp` (2, H, W) moves the pixels, in cells.
    """
    y, x = coordinates(size)
    y, x = y * count, x * count
    if warp is not None:
        y, x = y + warp[0], x + warp[1]
    jitter = torch.rand(2, count, count, generator=torch.Generator().manual_seed(seed)) * 0.7 + 0.15
    first = torch.full((size, size), math.inf)
    second = torch.full((size, size), math.inf)
    nearest = torch.zeros(size, size, dtype=torch.long)
    for row in range(-2, 3):
        for column in range(-2, 3):
            cy, cx = y.floor() + row, x.floor() + column
            wy, wx = cy.long() % count, cx.long() % count
            distance = torch.hypot(cy + jitter[0][wy, wx] - y, cx + jitter[1][wy, wx] - x)
            closer = distance < first
            second = torch.where(closer, first, torch.minimum(second, distance))
            nearest = torch.where(closer, wy * count + wx, nearest)
            first = torch.where(closer, distance, first)
    return nearest, first, (second - first) / 2


def smoothstep(low: float, high: float, value: Tensor) -> Tensor:
    """Rise from 0 at `low` to 1 at `high`, smoothly."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)
