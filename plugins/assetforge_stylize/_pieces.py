"""The features of a picture, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.threads import Item, Result, each
from assetforge.ops.tile import extended
from assetforge.weights.distances import Measure
from assetforge.weights.features import Border, Features

_ROWS, _COLUMNS = 128, 512
"""Of the largest piece that one core computes."""
_LEAST_ROWS = 64
SIDE = 512
"""Of the pieces that another device computes, one by one."""
WHOLE = 640 * 640
"""Pixels of a picture up to which all that its gradient needs is kept."""


@dataclass(frozen=True)
class Piece:
    """A part of a picture: its corner and size, and its share of the whole."""

    y: int
    x: int
    height: int
    width: int
    share: float

    def of(self, plane: Tensor) -> Tensor:
        """Return the part of a plane (H, W)."""
        return plane[self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, eq=False)
class Pieces:
    """How a picture of a size is cut for a network, so that memory is bounded and all cores have something to do.

    Features of pieces are those of the whole where the picture tiles and its sides are multiples of the network's
    stride. Elsewhere, what lies beyond the edges is mirrored, or goes on, in the picture itself and not in each layer.
    """

    network: Features
    size: tuple[int, int]
    border: Border
    whole: int = WHOLE

    @property
    def kept(self) -> bool:
        """Whether what the gradient needs is kept, and not computed twice."""
        return self.size[0] * self.size[1] <= self.whole

    def __iter__(self) -> Iterator[Piece]:
        """Give the pieces, row by row. How many there are does not depend on the number of cores."""
        height, width = self.size
        rows, columns = self._sides()
        for y in range(0, height, rows):
            for x in range(0, width, columns):
                size = min(rows, height - y), min(columns, width - x)
                yield Piece(y, x, *size, size[0] * size[1] / (height * width))

    def _sides(self) -> tuple[int, int]:
        height, width = self.size
        if self.network.device.type == "cpu":
            halved = -(-height // (2 * _LEAST_ROWS)) * _LEAST_ROWS
            return min(_ROWS, halved), _COLUMNS
        return (height, width) if self.kept else (SIDE, SIDE)

    def padded(self, picture: Tensor) -> Tensor:
        """Return the picture (C, H, W) with what lies beyond its edges, as far as features depend on it."""
        return extended(picture, self.network.reach, self.network.stride, repeat=self.border == "repeat")

    def layers(self, window: Tensor) -> list[Tensor]:
        """Return the layers of a piece, given the three channels of its window."""
        return self.network.inside(window)[: self.network.depth(self.size)]

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return what a function makes of each item: side by side on the CPU, one by one on another device."""
        return list(each(function, items) if self.network.device.type == "cpu" else map(function, items))

    def _whole(self, side: int) -> int:
        """Return a side rounded up to what the network's stride divides."""
        return -(-side // self.network.stride) * self.network.stride

    def window(self, piece: Piece) -> tuple[slice, slice, slice]:
        """Return where a piece, and what its features depend on, lie in a picture that was padded."""
        around = 2 * self.network.reach
        height, width = self._whole(piece.height), self._whole(piece.width)
        return slice(None), slice(piece.y, piece.y + height + around), slice(piece.x, piece.x + width + around)


def collected(
    layers: Sequence[Tensor],
    measure: Measure | type[Measure],
    weight: Tensor | None,
    share: float,
    piece: Piece,
    generator: torch.Generator,
) -> list[Tensor]:
    """Return what is compared of each layer of a piece, where the whole picture is such a share of all.

    weight: (H, W), how much each place of the picture counts; None where all count alike.
    """
    if weight is None:
        return [measure.collect(layer, None, share * piece.share, generator, piece.share) for layer in layers]
    here = piece.of(weight)
    share = share * float(here.double().sum() / weight.double().sum())
    places = [F.adaptive_avg_pool2d(here[None], (layer.shape[1], layer.shape[2]))[0] for layer in layers]
    return [
        measure.collect(layer, there, share, generator, piece.share)
        for layer, there in zip(layers, places, strict=True)
    ]


def generator_of(seed: int, step: int, piece: Piece) -> torch.Generator:
    """Return what draws the same for a piece each time that it is looked at in one step."""
    return torch.Generator().manual_seed(((seed * 10_007 + step) * 65_537 + piece.y) * 65_537 + piece.x)
