"""One level of a synthesis: the exemplars at its resolution, and the fields that one may begin it with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.resample import resample
from assetforge_multiply._lattice import Lattice, exchange_cells
from assetforge_multiply._levels import Level
from assetforge_multiply._patches import PATCH, Field, Patches, stride_of

_KEPT = 256
"""Longest side of exemplars at levels whose canvas is kept."""


@dataclass(frozen=True)
class Canvas:
    """One level: the exemplars below each other, (C, H, W), their patches, and the step between those of a result."""

    level: Level
    exemplars: Tensor
    patches: Patches
    stride: int

    @staticmethod
    def at(level: Level, guidance: Tensor) -> Canvas:
        """Bring exemplars (S, C, H, W) to the resolution of a level."""
        exemplars = below_each_other(guidance, level.exemplar)
        return Canvas(level, exemplars, Patches.of(exemplars), stride_of(level.result))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of patches in the result."""
        return self.level.result[0] // self.stride, self.level.result[1] // self.stride

    def field(self, y: Tensor, x: Tensor) -> Field:
        """Make a field of patches that all count alike, from the nearest ones that there are."""
        device = self.exemplars.device
        y = y.to(device).round().long().clamp(0, self.patches.height - 1)
        x = x.to(device).round().long().clamp(0, self.patches.width - 1)
        return Field(y, x, torch.ones(y.shape, device=device), self.stride, self.level.exemplar)

    def forbidden(self, ignore: Tensor | None) -> Tensor:
        """Return infinity for each patch that must not be used: (patches,). It lies in two exemplars, or is ignored.

        ignore: (S, H, W), bool.
        """
        height, width = self.level.exemplar
        count = self.exemplars.shape[1] // height
        device = self.exemplars.device
        within = torch.zeros(self.patches.height, self.patches.width, dtype=torch.bool, device=device)
        for source in range(1, count):
            within[source * height - PATCH + 1 : source * height] = True
        if ignore is not None:
            pixels = functional.interpolate(ignore[:, None].float(), size=(height, width), mode="nearest")
            within |= functional.max_pool2d(pixels.reshape(1, 1, -1, width), PATCH, 1)[0, 0] > 0
        if within.all():
            raise ValueError("nothing is left of the exemplar to take from")
        return torch.zeros(within.shape, device=device).masked_fill_(within, torch.inf).flatten()

    def anywhere(self, generator: torch.Generator) -> Field:
        """Begin with random pieces of the exemplars, each as large as a patch."""
        piece = PATCH // self.stride
        counts = [-(-side // piece) for side in self.shape]
        y = torch.randint(self.patches.height, counts, generator=generator)
        x = torch.randint(self.patches.width, counts, generator=generator)
        rows, columns = (torch.arange(side) for side in self.shape)
        y = y[rows // piece][:, columns // piece] + (rows % piece * self.stride)[:, None]
        x = x[rows // piece][:, columns // piece] + columns % piece * self.stride
        return self.field(y, x)

    def unchanged(self) -> Field:
        """Return the field of an exemplar as it is."""
        rows, columns = (torch.arange(side) * self.stride for side in self.shape)
        return self.field(rows[:, None].expand(self.shape), columns.expand(self.shape))

    def displaced(self, variation: float, generator: torch.Generator) -> Field:
        """Begin with the exemplar as it is, in pieces that are moved at random by a part of its size."""
        piece = PATCH // self.stride
        counts = [-(-side // piece) for side in self.shape]
        rows, columns = (torch.arange(side) for side in self.shape)
        y, x = (
            (torch.rand(counts, generator=generator) - 0.5)[rows // piece][:, columns // piece] * variation * side
            for side in self.level.result
        )
        y = ((rows * self.stride)[:, None] + y).round() % self.level.exemplar[0]
        x = (columns * self.stride + x).round() % self.level.exemplar[1]
        return self.field(y, x)

    def exchanged(self, lattice: Lattice, generator: torch.Generator) -> Field:
        """Begin with the cells of a regular pattern, exchanged at random."""
        here = lattice.scaled(self.level.scale, self.level.scale)
        y, x = exchange_cells(here, self.level.exemplar, self.level.result, generator)
        return self.field(y[:: self.stride, :: self.stride], x[:: self.stride, :: self.stride])

    def resized(self, field: Field) -> Field:
        """Take a field here from another level: each place keeps its distance to the nearest patch before it."""
        up = [side / old for side, old in zip(self.level.result, field.size, strict=True)]
        rows, y_rest = _nearest(self.shape[0], field, 0, self.stride, up[0])
        columns, x_rest = _nearest(self.shape[1], field, 1, self.stride, up[1])
        ratio = [side / old for side, old in zip(self.level.exemplar, field.exemplar, strict=True)]
        y = field.y[rows][:, columns] * ratio[0] + y_rest[:, None]
        x = field.x[rows][:, columns] * ratio[1] + x_rest
        return self.field(y, x)


class Pyramid:
    """Exemplars (S, C, H, W) at all levels. Small canvases are kept: one layout after another is tried on them."""

    def __init__(self, guidance: Tensor) -> None:
        """Take in exemplars, by the channels that their patches are compared by."""
        self.guidance = guidance
        self._kept: dict[Level, Canvas] = {}

    def canvas(self, level: Level) -> Canvas:
        """Return the canvas of a level."""
        if level in self._kept:
            return self._kept[level]
        canvas = Canvas.at(level, self.guidance)
        if max(level.exemplar) <= _KEPT:
            self._kept[level] = canvas
        return canvas


def below_each_other(exemplars: Tensor, size: tuple[int, int]) -> Tensor:
    """Return exemplars (S, C, H, W) at a size, as one picture: (C, S · height, width)."""
    return torch.cat([resample(one, size) for one in exemplars], 1)


def _nearest(count: int, field: Field, axis: int, stride: int, up: float) -> tuple[Tensor, Tensor]:
    """Return, for each new place, the old one before it, and how many new pixels it lies beyond that."""
    place = torch.arange(count, device=field.y.device) * stride
    index = (place / (up * field.stride)).floor().long().clamp(max=field.y.shape[axis] - 1)
    return index, place - index * field.stride * up
