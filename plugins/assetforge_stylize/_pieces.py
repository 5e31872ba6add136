"""The features of a picture, all at once or piece by piece where they would not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.weights.distances import Measure
from assetforge.weights.features import Border, Features

SIDE = 512
"""Of the pieces that a large picture is cut into, in pixels."""
WHOLE = 640 * 640
"""Pixels of a picture beyond which it is cut."""


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
    """How a picture of a size is cut for a network: not at all, or into pieces with what their features depend on.

    Features in pieces are those of the whole where the picture tiles and its sides are multiples of what layers are
    reduced by; else they differ along edges.
    """

    network: Features
    size: tuple[int, int]
    border: Border
    side: int = SIDE
    whole: int = WHOLE

    @property
    def at_once(self) -> bool:
        """Whether the picture is not cut."""
        return self.size[0] * self.size[1] <= self.whole

    @property
    def reach(self) -> int:
        """Pixels that are added around the picture."""
        return 0 if self.at_once else self.network.reach

    def __iter__(self) -> Iterator[Piece]:
        """Give the pieces, row by row."""
        height, width = self.size
        side = max(self.size) if self.at_once else max(1, self.side // self.reach) * self.reach
        for y in range(0, height, side):
            for x in range(0, width, side):
                rows, columns = min(side, height - y), min(side, width - x)
                yield Piece(y, x, rows, columns, rows * columns / (height * width))

    def padded(self, picture: Tensor) -> Tensor:
        """Return the picture (C, H, W) with what lies beyond its edges."""
        if not self.reach:
            return picture
        return F.pad(picture, (self.reach,) * 4, mode="circular" if self.border == "repeat" else "reflect")

    def window(self, piece: Piece) -> tuple[slice, slice, slice]:
        """Return where a piece, and what its features depend on, lie in a picture that was padded."""
        around = 2 * self.reach
        rows, columns = slice(piece.y, piece.y + piece.height + around), slice(piece.x, piece.x + piece.width + around)
        return slice(None), rows, columns

    def layers(self, window: Tensor, piece: Piece) -> list[Tensor]:
        """Return the layers of a piece, given the three channels of its window."""
        if self.at_once:
            return self.network(window, self.border)
        inside = []
        for layer in self.network(window, "reflect"):
            factor = round(window.shape[1] / layer.shape[1])
            first, height, width = self.reach // factor, -(-piece.height // factor), -(-piece.width // factor)
            inside.append(layer[:, first : first + height, first : first + width])
        return inside


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
        return [measure.collect(layer, None, share * piece.share, generator) for layer in layers]
    here = piece.of(weight)
    share = share * float(here.double().sum() / weight.double().sum())
    places = [F.adaptive_avg_pool2d(here[None], (layer.shape[1], layer.shape[2]))[0] for layer in layers]
    return [measure.collect(layer, there, share, generator) for layer, there in zip(layers, places, strict=True)]


def generator_of(seed: int, step: int, piece: Piece) -> torch.Generator:
    """Return what draws the same for a piece each time that it is looked at in one step."""
    return torch.Generator().manual_seed(((seed * 10_007 + step) * 65_537 + piece.y) * 65_537 + piece.x)
