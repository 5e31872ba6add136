"""Fields: which patch of the exemplar lies where in a result, how patches are put together, and the map `coordinates`.

Each pixel of that map holds a place in the exemplar: right and down, both 0 to 1, as in the ST maps of compositing; the
number of the exemplar over 256, where there are turned ones or several; and how much the patch that begins there
counts. That is all that a field is, and a file of 16 bits holds it without loss.

Regions of a field that are copied as they are from one place are kept small. Kaspar et al., "Self Tuning Texture
Optimization", 2015, spread the use of the exemplar evenly; a single large copy is as even as can be. So here a region
that grows too large keeps its core, and the rest must come from elsewhere.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

PATCH = 8
"""Side of a patch in pixels, at every resolution."""
_DENSE = 64
"""Side up to which there is a patch at every pixel; beyond, at every second one."""
FALLOFF = 0.35
"""Standard deviation of the Gaussian by which a patch counts less towards its edges, in patches."""
_BAND = 2**14
"""Pixels of a result that are put together at a time: more would not stay in caches."""
MAX_EXEMPLARS = 256.0
"""How many exemplars the map `coordinates` can tell apart."""
_CODES = 65535
"""Largest number of a file of 16 bits."""
_LARGEST = 2**14
"""Longest side of an exemplar that is looked for."""
_TOLD = 2**12
"""Places that are looked at to find out how large the exemplar was."""


@dataclass(frozen=True)
class Field:
    """Which patch of the exemplar lies where: the coordinate map that makes every map of a material.

    y, x: (h, w), long, the top left pixel of the patch in the exemplar. weight: (h, w), how much the patch counts.
    The patch at (i, j) lies at (stride · i, stride · j) of the result, whose edges meet. Where there are several
    exemplars, they lie below each other; source_size: height and width of one.
    """

    y: Tensor
    x: Tensor
    weight: Tensor
    stride: int
    source_size: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.y.shape[0] * self.stride, self.y.shape[1] * self.stride

    def to(self, device: str) -> Field:
        """Return it on a device."""
        return replace(self, y=self.y.to(device), x=self.x.to(device), weight=self.weight.to(device))


def patch_window() -> Tensor:
    """Return how much each pixel of a patch counts: (PATCH, PATCH)."""
    away = torch.arange(PATCH, dtype=torch.float64) - (PATCH - 1) / 2
    profile = torch.exp(-(away * away) / (2 * (PATCH * FALLOFF) ** 2))
    return (profile[:, None] * profile).float()


def vote(atlas: Tensor, field: Field) -> Tensor:
    """Lay the patches of (C, H, W) over each other and average: (C, *field.size)."""
    (h, w), s, width = field.y.shape, field.stride, atlas.shape[2]
    n = PATCH // s
    texels = atlas.flatten(1).T.contiguous()
    pixel = torch.arange(s, device=atlas.device)
    block = (pixel * width)[:, None, None] + pixel
    shares = patch_window().to(atlas).reshape(n, s, 1, n, s)
    corners, weights = (_wrapped(one, n - 1)[:, None, :, None] for one in (field.y * width + field.x, field.weight))
    result = torch.empty(atlas.shape[0], h * s, w * s, device=atlas.device)
    for top in range(0, h, rows := max(1, _BAND // (w * s * s))):
        count = min(rows, h - top)
        total = torch.zeros(count * s * w * s, atlas.shape[0], device=atlas.device)
        weight = torch.zeros(count * s * w * s, 1, device=atlas.device)
        # One block of stride × stride pixels of every patch at a time: it falls on the place that many patches further.
        for down, right in itertools.product(range(n), repeat=2):
            first = top + n - 1 - down
            from_there = (slice(first, first + count), slice(None), slice(n - 1 - right, n - 1 - right + w))
            counted = (weights[from_there] * shares[down, :, :, right]).reshape(-1, 1)
            places = corners[from_there] + (block + (down * width + right) * s)
            total += texels.index_select(0, places.flatten()).mul_(counted)
            weight += counted
        voted = (total / weight).reshape(count * s, w * s, -1)
        result[:, top * s : (top + count) * s] = voted.permute(2, 0, 1)
    return result


def _wrapped(grid: Tensor, count: int) -> Tensor:
    """Return (h, w) with so many rows and columns of its end before its beginning."""
    rows, columns = (torch.arange(-count, side, device=grid.device) % side for side in grid.shape)
    return grid[rows][:, columns]


def choose(atlas: Tensor, field: Field) -> Tensor:
    """Take each pixel of (C, H, W) from the patch that counts most there, and average nothing: (C, *field.size)."""
    y, x = pixel_coordinates(field)
    return atlas[:, y, x]


def stride_of(size: tuple[int, int]) -> int:
    """Return the step between the patches of a result of a size: 1 or 2 pixels."""
    return 1 if max(size) <= _DENSE or size[0] % 2 or size[1] % 2 else 2


def pixel_coordinates(field: Field) -> tuple[Tensor, Tensor]:
    """Return the exemplar's row and column for each pixel, from the patch that counts most there."""
    h, w = field.y.shape
    s = field.stride
    best = torch.full((h, s, w, s), -1.0, device=field.y.device)
    ys, xs = (torch.zeros(h, s, w, s, dtype=torch.long, device=field.y.device) for _ in range(2))
    for dy, row in enumerate(patch_window()):
        for dx, share in enumerate(row):
            shift = (dy // s, dx // s)
            place = (slice(None), dy % s, slice(None), dx % s)
            counted = (field.weight * share).roll(shift, (0, 1))
            better = counted > best[place]
            best[place] = torch.where(better, counted, best[place])
            ys[place] = torch.where(better, (field.y + dy).roll(shift, (0, 1)), ys[place])
            xs[place] = torch.where(better, (field.x + dx).roll(shift, (0, 1)), xs[place])
    return ys.reshape(h * s, w * s), xs.reshape(h * s, w * s)


def coordinates(field: Field) -> Tensor:
    """Return the map `coordinates` (4, H, W) of a field."""
    height, width = field.source_size
    rows, columns = (torch.arange(side, device=field.y.device) for side in field.size)
    y, x, weight = (
        one.repeat_interleave(field.stride, 0).repeat_interleave(field.stride, 1)
        for one in (field.y, field.x, field.weight)
    )
    y, x = y + (rows % field.stride)[:, None], x + columns % field.stride
    number = y // height / MAX_EXEMPLARS
    return torch.stack([(x + 0.5) / width, (y % height + 0.5) / height, number, weight])


def field_of(where: Tensor) -> Field:
    """Return the field that a map (4, H, W) was made of; it may have come from a file of 16 bits.

    Raise ValueError where its places are not the middles of pixels of any exemplar.
    """
    stride = stride_of((where.shape[1], where.shape[2]))
    right, down, number, weight = where[:, ::stride, ::stride].double()
    height, width = (_side(one) for one in (down, right))
    y, x = ((one * side - 0.5).round().long() for one, side in ((down, height), (right, width)))
    y += (number * MAX_EXEMPLARS).round().long() * height
    return Field(y, x, weight.float(), stride, (height, width))


def _side(places: Tensor) -> int:
    """Return the side of which all places, 0 to 1, are middles of pixels."""
    told = torch.from_numpy(np.unique(places.cpu().numpy()))
    told = told[torch.linspace(0, len(told) - 1, min(len(told), _TOLD)).long()]
    for side in range(PATCH, _LARGEST + 1):
        pixels = told * side - 0.5
        if (pixels - pixels.round()).abs().max() <= 1e-3 + side / _CODES:
            return side
    raise ValueError("its places are not those of pixels")


@dataclass(frozen=True)
class SynthesisResult:
    """A result: its channels (C, H, W) on the torus, and where they come from if they come from somewhere."""

    channels: Tensor
    field: Field | None = None
    variety: float | None = None
    """How different the layouts are that were tried."""
    keep: Tensor | None = None
    """(H, W), bool: the pixels that are the exemplar's, to the bit."""

    def to(self, device: str) -> SynthesisResult:
        """Return it on a device."""
        field = None if self.field is None else self.field.to(device)
        keep = None if self.keep is None else self.keep.to(device)
        return replace(self, channels=self.channels.to(device), field=field, keep=keep)


def derive_seed(*numbers: int) -> int:
    """Make one number of several, however large: no two lists of numbers that anybody will meet give the same."""
    text = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "little")


def seed_of(field: Field) -> int:
    """Return a seed that depends on a field alone: who has that gets the same again."""
    found = hashlib.blake2b(digest_size=6)
    for one in (field.y, field.x):
        found.update(one.cpu().contiguous().numpy().tobytes())
    return int.from_bytes(found.digest(), "little")


LARGEST = 0.06
"""Part of the result that may be copied from one place."""
_NEAR = 0.06
"""Part of the result's side by which a patch must come from elsewhere to count as another place."""
_ROUNDED = 1e-6
"""Pixels by which a move may be rounded otherwise."""


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

    top: (h, w), the first row of that region's exemplar. y, x: the first matches that must not be used, as they would
    let it go on. height, width: how many rows and columns they are; height is 0 where a patch may come from anywhere.
    """

    top: Tensor
    y: Tensor
    x: Tensor
    height: Tensor
    width: Tensor

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
        near = [(_near(one.y, field.size[0]), _near(one.x, field.size[1])) for one in regions]
        tops = [region.number * field.source_size[0] for region in regions]
        numbers = [(top, top + y, x, height, width) for top, ((y, height), (x, width)) in zip(tops, near, strict=True)]
        top, y, x, height, width = (torch.tensor(one, device=which.device)[which] for one in zip(*numbers, strict=True))
        for index, core in enumerate(cores):
            height = height.masked_fill(core & (which == index), 0)
        rows, columns = _places(field)
        return CopyLimits(top, y + rows, x + columns, height, width)

    def broken(self, y: Tensor, x: Tensor, field: Field) -> Tensor:
        """Tell which matches (h, w) would let a region go on."""
        broken = (y - self.y).remainder_(field.size[0]) < self.height
        broken &= (x - self.x).remainder_(field.size[1]) < self.width
        below = y - self.top
        broken &= below >= 0
        broken &= below < field.source_size[0]
        return broken


def _near(move: float, side: int) -> tuple[int, int]:
    """Return the first of the moves near one, which is told as a part of a side, and how many they are."""
    away = max(1.0, _NEAR * side) + _ROUNDED
    first, last = math.ceil(move * side - away), math.floor(move * side + away)
    return first, last - first + 1


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
    rows, columns = _places(field)
    return (y % field.source_size[0] - rows) % field.size[0], (x - columns) % field.size[1]


def _places(field: Field) -> tuple[Tensor, Tensor]:
    """Return the rows (h, 1) and the columns (w) of the result at which the patches of a field begin."""
    h, w = field.y.shape
    rows, columns = (torch.arange(side, device=field.y.device) * field.stride for side in (h, w))
    return rows[:, None], columns


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
