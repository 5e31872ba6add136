"""Regions that are copied as they are from one place: how large they are, and how they are kept small.

Kaspar et al., "Self Tuning Texture Optimization", 2015, spread the use of the exemplar evenly; a single large copy is
as even as can be. So here a region that grows too large keeps its core, and the rest must come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from assetforge_multiply._field import Field

LARGEST = 0.06
"""Part of the result that may be copied from one place."""
_NEAR = 0.06
"""Part of the result's side by which a patch must come from elsewhere to count as another place."""


@dataclass(frozen=True)
class CopiedRegion:
    """Connected patches that came from one place, and were too many.

    number: which exemplar they came from. y, x: how far they were moved, as parts of the result's sides. core: (h, w),
    bool, those that may stay. rest: the others.
    """

    number: int
    y: float
    x: float
    core: Tensor
    rest: Tensor

    @staticmethod
    def cut(mask: Tensor, field: Field) -> CopiedRegion:
        """Cut a region (h, w) down to the patches that are nearest to its innermost one."""
        h, w = mask.shape
        row, column = divmod(int(_inside(mask).argmax()), w)
        away = [
            (torch.arange(side, device=mask.device) - at + side // 2) % side - side // 2
            for side, at in ((h, row), (w, column))
        ]
        distance = (away[0][:, None] ** 2 + away[1] ** 2).float().masked_fill(~mask, torch.inf)
        nearest = distance.flatten().argsort(stable=True)[: round(LARGEST * mask.numel())]
        core = torch.zeros(mask.numel(), dtype=torch.bool, device=mask.device)
        core[nearest] = True
        core = core.reshape(h, w) & mask
        y, x = (moved[row, column].item() for moved in _moves(field.y, field.x, field))
        number = int(field.y[row, column]) // field.source_size[0]
        return CopiedRegion(number, y / field.size[0], x / field.size[1], core, mask & ~core)


@dataclass(frozen=True)
class CopyLimits:
    """Where regions must not go on: each place knows the region that it was cut from, or else the nearest one.

    number, y, x: (h, w), of that region, the moves in pixels; number is -1 where a patch may come from anywhere.
    """

    number: Tensor
    y: Tensor
    x: Tensor

    @staticmethod
    def of(regions: Sequence[CopiedRegion], field: Field) -> CopyLimits | None:
        """Return the limits of regions on a field; None where there are none."""
        if not regions:
            return None
        size = (field.y.shape[0], field.y.shape[1])
        cores = [_resized(region.core, size) for region in regions]
        which = torch.stack([_inside(~core) for core in cores]).argmin(0)
        for index, region in enumerate(regions):
            which = which.masked_fill(_resized(region.rest, size), index)
        moves = [(region.number, region.y * field.size[0], region.x * field.size[1]) for region in regions]
        number, y, x = (torch.tensor(each, device=which.device)[which] for each in zip(*moves, strict=True))
        for index, core in enumerate(cores):
            number = number.masked_fill(core & (which == index), -1)
        return CopyLimits(number, y, x)

    def broken(self, y: Tensor, x: Tensor, field: Field) -> Tensor:
        """Tell which matches (h, w) would let a region go on."""
        broken = y // field.source_size[0] == self.number
        for moved, limit, side in zip(_moves(y, x, field), (self.y, self.x), field.size, strict=True):
            off = (moved - limit + side / 2) % side - side / 2
            broken &= off.abs() <= max(1.0, _NEAR * side)
        return broken


def largest_copy(field: Field) -> float:
    """Return the part of the result that is the largest connected region copied as it is from one place.

    Neighbors belong to one region if they were moved alike, to a pixel: resizing a field shifts parts of it by that.
    """
    return torch.bincount(_labels(field).flatten()).max().item() / field.y.numel()


def too_large_copies(field: Field) -> list[CopiedRegion]:
    """Return the regions that are too large, cut down."""
    labels = _labels(field)
    counts = torch.bincount(labels.flatten())
    large = (counts > LARGEST * labels.numel()).nonzero().flatten().tolist()
    return [CopiedRegion.cut(labels == label, field) for label in large]


def _moves(y: Tensor, x: Tensor, field: Field) -> tuple[Tensor, Tensor]:
    """Return how far patches were moved; on a torus, what goes on across an edge was moved by a side more."""
    rows = torch.arange(y.shape[0], device=y.device)[:, None] * field.stride
    columns = torch.arange(x.shape[1], device=x.device) * field.stride
    return (y % field.source_size[0] - rows) % field.size[0], (x - columns) % field.size[1]


def _labels(field: Field) -> Tensor:
    """Number the connected regions: (h, w), each by the first of its patches."""
    y, x = _moves(field.y, field.x, field)
    number = field.y // field.source_size[0]
    joined = []
    for axis in (0, 1):
        alike = number == number.roll(-1, axis)
        for moved, side in ((y, field.size[0]), (x, field.size[1])):
            step = (moved - moved.roll(-1, axis)).abs()
            alike &= torch.minimum(step, side - step) <= 1
        joined.append(alike)
    labels = torch.arange(y.numel(), device=y.device).reshape(y.shape)
    while True:
        before = labels
        for axis, alike in enumerate(joined):
            labels = torch.where(alike, torch.minimum(labels, labels.roll(-1, axis)), labels)
            back = alike.roll(1, axis)
            labels = torch.where(back, torch.minimum(labels, labels.roll(1, axis)), labels)
        labels = labels.flatten()[labels]
        if torch.equal(labels, before):
            return labels


def _resized(mask: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(mask[None, None].float(), size=size, mode="nearest")[0, 0] > 0


def _inside(mask: Tensor) -> Tensor:
    """Return how far each place in a mask (h, w) is from the nearest one outside, on the torus."""
    h, w = mask.shape
    if mask.all():
        return torch.full((h, w), float(h + w), device=mask.device)
    tiled = np.tile(mask.cpu().numpy().astype(np.uint8), (3, 3))
    away = cv2.distanceTransform(tiled, cv2.DIST_L2, 3)[h : 2 * h, w : 2 * w]
    return torch.from_numpy(away.copy()).to(mask.device)
