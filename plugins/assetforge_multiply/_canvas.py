"""The resolutions of a synthesis from coarse to fine, and the fields that one may begin with at each."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.resample import resample
from assetforge_multiply._field import PATCH, Field, stride_of
from assetforge_multiply._search import Patches
from assetforge_multiply._structure import Lattice, shuffle_cells

COARSEST = 16
"""Smallest side at the first level."""
_STEP = 2**0.5
_KEPT = 256
"""Longest side of exemplars at levels whose canvas is kept."""


@dataclass(frozen=True)
class Level:
    """One resolution: what part of the full one it is, and the sizes of one exemplar and of the result."""

    scale: float
    source_size: tuple[int, int]
    result_size: tuple[int, int]


def levels(
    source_size: tuple[int, int], result_size: tuple[int, int], coarsest: float = 0.0, *, in_place: bool = False
) -> list[Level]:
    """Return the resolutions from coarse to fine, none below the part `coarsest` of the full one.

    Below the full one, sides of the result are even. in_place: exemplar and result are equally large at every level.
    """
    scales = [1.0]
    while min(*source_size, *result_size) * scales[-1] / _STEP >= COARSEST and scales[-1] / _STEP >= coarsest:
        scales.append(scales[-1] / _STEP)
    multiple = 2 if in_place else 1
    return [Level(s, _scaled(source_size, s, multiple), _scaled(result_size, s, 2)) for s in reversed(scales)]


def largest_square(masks: Tensor) -> int:
    """Return the side in pixels of the largest square with a middle pixel within one of several masks (S, H, W)."""
    framed = functional.pad(masks.cpu(), (1, 1, 1, 1)).numpy().astype(np.uint8)
    away = max(float(cv2.distanceTransform(mask, cv2.DIST_C, 3).max()) for mask in framed)
    return max(0, 2 * round(away) - 1)


def _scaled(size: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    """Return a smaller size, whose sides are multiples of a number."""
    if scale == 1.0:
        return size
    height, width = (max(multiple, round(side * scale / multiple) * multiple) for side in size)
    return height, width


@dataclass(frozen=True)
class Canvas:
    """One level: the exemplars' features, (C, S · H, W), their patches, and the step between those of a result."""

    level: Level
    atlas: Tensor
    patches: Patches
    stride: int

    @staticmethod
    def at(level: Level, features: Tensor) -> Canvas:
        """Bring the features (S, C, H, W) of exemplars to the resolution of a level."""
        atlas = atlas_of(features, level.source_size)
        return Canvas(level, atlas, Patches.of(atlas), stride_of(level.result_size))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of patches in the result."""
        return self.level.result_size[0] // self.stride, self.level.result_size[1] // self.stride

    def field(self, y: Tensor, x: Tensor) -> Field:
        """Make a field of patches that all count alike, from the nearest ones that there are."""
        device = self.atlas.device
        y = y.to(device).round().long().clamp(0, self.patches.height - 1)
        x = x.to(device).round().long().clamp(0, self.patches.width - 1)
        return Field(y, x, torch.ones(y.shape, device=device), self.stride, self.level.source_size)

    def forbidden(self, ignore: Tensor | None) -> Tensor:
        """Return infinity for each patch that must not be used: (patches,). It lies in two exemplars, or is ignored.

        ignore: (S, H, W), bool.
        """
        height, width = self.level.source_size
        count = self.atlas.shape[1] // height
        device = self.atlas.device
        within = torch.zeros(self.patches.height, self.patches.width, dtype=torch.bool, device=device)
        for number in range(1, count):
            within[number * height - PATCH + 1 : number * height] = True
        if ignore is not None:
            pixels = functional.interpolate(ignore[:, None].float(), size=(height, width), mode="nearest")
            within |= functional.max_pool2d(pixels.reshape(1, 1, -1, width), PATCH, 1)[0, 0] > 0
        if within.all():
            raise ValueError("nothing is left of the exemplar to take from")
        return torch.zeros(within.shape, device=device).masked_fill_(within, torch.inf).flatten()

    def init_random(self, generator: torch.Generator) -> Field:
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

    def init_jittered(self, variation: float, generator: torch.Generator) -> Field:
        """Begin with the exemplar as it is, in pieces that are moved at random by a part of its size."""
        piece = PATCH // self.stride
        counts = [-(-side // piece) for side in self.shape]
        rows, columns = (torch.arange(side) for side in self.shape)
        y, x = (
            (torch.rand(counts, generator=generator) - 0.5)[rows // piece][:, columns // piece] * variation * side
            for side in self.level.result_size
        )
        y = ((rows * self.stride)[:, None] + y).round() % self.level.source_size[0]
        x = (columns * self.stride + x).round() % self.level.source_size[1]
        return self.field(y, x)

    def init_shuffled(self, lattice: Lattice, generator: torch.Generator) -> Field:
        """Begin with the cells of a regular pattern, shuffled."""
        here = lattice.scaled(self.level.scale, self.level.scale)
        y, x = shuffle_cells(here, self.level.source_size, self.level.result_size, generator)
        return self.field(y[:: self.stride, :: self.stride], x[:: self.stride, :: self.stride])

    def resized(self, field: Field) -> Field:
        """Take a field here from another level: each place keeps its distance to the nearest patch before it."""
        up = [side / old for side, old in zip(self.level.result_size, field.size, strict=True)]
        rows, y_rest = _nearest(self.shape[0], field, 0, self.stride, up[0])
        columns, x_rest = _nearest(self.shape[1], field, 1, self.stride, up[1])
        ratio = [side / old for side, old in zip(self.level.source_size, field.source_size, strict=True)]
        y = field.y[rows][:, columns] * ratio[0] + y_rest[:, None]
        x = field.x[rows][:, columns] * ratio[1] + x_rest
        return self.field(y, x)


class Pyramid:
    """A canvas for each level. Small ones are kept: one layout after another is tried on them."""

    def __init__(self, features: Tensor) -> None:
        """Take in the features (S, C, H, W) of exemplars: the channels that their patches are compared by."""
        self.features = features
        self._kept: dict[Level, Canvas] = {}

    def canvas(self, level: Level) -> Canvas:
        """Return the canvas of a level."""
        if level in self._kept:
            return self._kept[level]
        canvas = Canvas.at(level, self.features)
        if max(level.source_size) <= _KEPT:
            self._kept[level] = canvas
        return canvas


def atlas_of(channels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the channels (S, C, H, W) of exemplars at a size, below each other: (C, S · height, width)."""
    return torch.cat([resample(one, size) for one in channels], 1)


def _nearest(count: int, field: Field, axis: int, stride: int, up: float) -> tuple[Tensor, Tensor]:
    """Return, for each new place, the old one before it, and how many new pixels it lies beyond that."""
    place = torch.arange(count, device=field.y.device) * stride
    index = (place / (up * field.stride)).floor().long().clamp(max=field.y.shape[axis] - 1)
    return index, place - index * field.stride * up
