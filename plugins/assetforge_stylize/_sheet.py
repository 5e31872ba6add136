"""Sheets of sprites: cells that are set apart, so that none bleeds into the next."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

APART = 16
"""Pixels that are mirrored around each cell: what the features of a pixel depend on."""


@dataclass(frozen=True)
class Sheet:
    """Columns and rows of cells of one size, (H, W) in all."""

    columns: int
    rows: int
    size: tuple[int, int]

    @property
    def _cell(self) -> tuple[int, int]:
        return self.size[0] // self.rows, self.size[1] // self.columns

    @property
    def _around(self) -> int:
        return max(0, min(APART, *(side - 1 for side in self._cell)))

    def apart(self, pixels: Tensor, *, mirrored: bool = True) -> Tensor:
        """Return (C, H, W) with borders around all cells: mirrored, or of 0."""
        height, width = self._cell
        cells = pixels.reshape(-1, self.rows, height, self.columns, width).permute(1, 3, 0, 2, 4).flatten(0, 1)
        cells = F.pad(cells, (self._around,) * 4, mode="reflect" if mirrored else "constant")
        return self._joined(cells)

    def together(self, pixels: Tensor) -> Tensor:
        """Take the borders away again."""
        around = self._around
        height, width = (side + 2 * around for side in self._cell)
        cells = pixels.reshape(-1, self.rows, height, self.columns, width).permute(1, 3, 0, 2, 4).flatten(0, 1)
        return self._joined(cells[:, :, around : height - around, around : width - around])

    def _joined(self, cells: Tensor) -> Tensor:
        channels, height, width = cells.shape[1:]
        grid = cells.reshape(self.rows, self.columns, channels, height, width).permute(2, 0, 3, 1, 4)
        return grid.reshape(channels, self.rows * height, self.columns * width)
