"""Sheets of sprites: cells that are treated one by one, or set apart, so that none bleeds into the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.tile import extended


@dataclass(frozen=True)
class Sheet:
    """Columns and rows of cells, (H, W) in all, and what is needed around each."""

    columns: int
    rows: int
    size: tuple[int, int]
    around: int = 0

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width of a cell."""
        return self.size[0] // self.rows, self.size[1] // self.columns

    def each(self, function: Callable[..., Tensor], *pixels: Tensor) -> Tensor:
        """Return what a function makes of the cells, (C, h, w) of each of the pixels (C, H, W), joined again."""
        return self._joined([function(*cell) for cell in zip(*map(self._cells, pixels), strict=True)])

    def apart(self, pixels: Tensor, *, mirrored: bool = True) -> Tensor:
        """Return (C, H, W) with borders around all cells: mirrored, or of 0."""

        def bordered(cell: Tensor) -> Tensor:
            return extended(cell, self.around, repeat=False) if mirrored else F.pad(cell, (self.around,) * 4)

        return self.each(bordered, pixels)

    def together(self, pixels: Tensor) -> Tensor:
        """Take the borders away again."""
        height, width = self.cell
        wide = Sheet(self.columns, self.rows, (pixels.shape[1], pixels.shape[2]))
        return wide.each(lambda cell: cell[:, self.around :, self.around :][:, :height, :width], pixels)

    def _cells(self, pixels: Tensor) -> list[Tensor]:
        rows = pixels.chunk(self.rows, 1)
        return [cell for row in rows for cell in row.chunk(self.columns, 2)]

    def _joined(self, cells: list[Tensor]) -> Tensor:
        rows = [cells[at : at + self.columns] for at in range(0, len(cells), self.columns)]
        return torch.cat([torch.cat(row, 2) for row in rows], 1)
