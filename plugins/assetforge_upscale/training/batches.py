"""Batches: random crops of pictures, each with what became of it when it was reduced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assetforge.ops.dead_leaves import dead_leaves
from assetforge.ops.drawings import drawing
from assetforge.ops.reliefs import relief
from assetforge_upscale._recipe import Damage
from assetforge_upscale.training.dataset import Pixels, reduce
from assetforge_upscale.training.degradations import Reduction, damaged, reduced

Floats = NDArray[np.float64]
Make = Callable[[int], Pixels]
Teach = Callable[[Pixels], Pixels]
"""Enlarges a small picture (h, w, 3) as the teachers do."""

DRAWN_SIZE = 384
_FLATS = 256
_GRID = 8
"""Pixels of the blocks of JPEG: crops begin anywhere in one."""
_MARGIN = 8
"""Source pixels around a crop that are reduced with it, so that its border is no border of a picture."""
_CANDIDATES = 3


class Pool:
    """Pictures that are made or read when they are first used; a crop may be cut out of each.

    What teachers make of a picture is computed once, of all of it. Without teachers, the picture is its own; where
    teachers are obeyed, what they make is the truth.
    """

    def __init__(
        self, make: Make, count: int, scale: int, crop: int, teach: Teach | None = None, *, obeyed: bool = False
    ) -> None:
        self._make, self._count, self._scale, self.teach = make, count, scale, teach
        self._obeyed = obeyed and teach is not None
        self._least = (crop + 2 * _MARGIN + _GRID) * scale
        self._large: dict[int, Pixels] = {}
        self._taught: dict[int, Pixels] = {}

    def __len__(self) -> int:
        return self._count

    def large(self, index: int) -> Pixels:
        """Return a picture, mirrored at its edges where it is too small."""
        if index not in self._large:
            picture = self._make(index)
            height, width = (side - side % self._scale for side in picture.shape[:2])
            lacking = [(0, max(0, self._least - side)) for side in (height, width)]
            cropped = picture[:height, :width]
            is_whole = not any(after for _, after in lacking)  # then no copy is made: there may be very many
            self._large[index] = cropped if is_whole else np.pad(cropped, (*lacking, (0, 0)), mode="symmetric")
        return self._large[index]

    def truth(self, index: int) -> Pixels:
        """Return what is to be restored."""
        return self.taught(index) if self._obeyed else self.large(index)

    def taught(self, index: int) -> Pixels:
        """Return what teachers make of the picture's bicubic reduction, which nothing else has happened to."""
        if self.teach is None:
            return self.large(index)
        if index not in self._taught:
            self._taught[index] = self.teach(reduce(self.large(index), self._scale).small)
        return self._taught[index]


@dataclass(frozen=True)
class Sampler:
    """Batches of (small, large): (B, C, crop, crop) and (B, C, scale · crop, scale · crop), 0 to 1.

    Where any pool has teachers, there is a third of what they make of it, as large as `large`; without targets, there
    is `small` alone. pools: each with its share of the crops. One-channel batches take a random channel of each crop.
    """

    pools: Sequence[tuple[float, Pool]]
    channels: int
    scale: int
    batch: int
    crop: int
    reductions: Mapping[Reduction, float]
    damages: Sequence[Damage]
    seed: int
    has_targets: bool = True

    def __call__(self, step: int) -> tuple[Tensor, ...]:
        """Return the batch of a step, which depends on the step and the seed alone."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.seed, step))
        crops = [_augmented(self._crop(rng), self.channels, rng) for _ in range(self.batch)]
        return tuple(_stacked(kind) for kind in zip(*crops, strict=True))

    @cached_property
    def _shares(self) -> Floats:
        return _normalized([share if len(pool) else 0.0 for share, pool in self.pools])

    @cached_property
    def _is_taught(self) -> bool:
        return any(pool.teach for _, pool in self.pools)

    @cached_property
    def _reductions(self) -> list[Reduction]:
        return list(self.reductions)

    @cached_property
    def _odds(self) -> Floats:
        return _normalized(list(self.reductions.values()))

    def _crop(self, rng: np.random.Generator) -> list[Pixels]:
        pool = self.pools[int(rng.choice(len(self.pools), p=self._shares))][1]
        index = int(rng.integers(len(pool)))
        picture, scale = pool.large(index), self.scale
        top, left = self._corner(picture, rng)
        side = self.crop + 2 * _MARGIN + _GRID
        window = picture[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        kind = self._reductions[int(rng.choice(len(self._reductions), p=self._odds))]
        small = damaged(reduced(np.ascontiguousarray(window), scale, kind), self.damages, rng)
        y, x = (_MARGIN + int(rng.integers(_GRID)) for _ in range(2))
        side, at_y, at_x = self.crop * scale, (top + y) * scale, (left + x) * scale
        return [_cut(small, y, x, self.crop), *(_cut(one, at_y, at_x, side) for one in self._targets(pool, index))]

    def _targets(self, pool: Pool, index: int) -> list[Pixels]:
        if not self.has_targets:
            return []
        return [pool.truth(index), pool.taught(index)] if self._is_taught else [pool.truth(index)]

    def _corner(self, picture: Pixels, rng: np.random.Generator) -> tuple[int, int]:
        """Choose the liveliest of three places: flat ones teach nothing."""
        side = self.crop + 2 * _MARGIN + _GRID
        height, width = (length // self.scale for length in picture.shape[:2])
        sparse = picture[:: self.scale, :: self.scale]
        corners = [
            (int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))) for _ in range(_CANDIDATES)
        ]
        return max(corners, key=lambda at: float(_cut(sparse, at[0] + _MARGIN, at[1] + _MARGIN, self.crop).std()))


def leaves(count: int, textures: Sequence[Pixels], seed: int) -> tuple[Make, int]:
    """Return what draws each of so many dead-leaves pictures, filled with colors and crops of textures."""
    return lambda index: dead_leaves(DRAWN_SIZE, textures, np.random.default_rng((seed, index))), count


def drawings(count: int, seed: int) -> tuple[Make, int]:
    """Return what draws each of so many sheets of procedural drawings."""
    return lambda index: _sheet(np.random.default_rng((seed, index))), count


def reliefs(count: int, seed: int) -> tuple[Make, int]:
    """Return what makes each of so many procedural surfaces."""
    return lambda index: relief(DRAWN_SIZE, np.random.default_rng((seed, index))), count


def flats(seed: int) -> tuple[Make, int]:
    """Return what makes pictures of one color each, more of them dark, where little is seen most."""

    def flat(index: int) -> Pixels:
        color = np.random.default_rng((seed, index)).uniform(0, 1, 3) ** 2 * 255
        return np.full((DRAWN_SIZE, DRAWN_SIZE, 3), color.round(), np.uint8)

    return flat, _FLATS


def _sheet(rng: np.random.Generator) -> Pixels:
    """Draw one picture, or 4 or 9 small ones beside each other: as fine lines, but of denser shapes."""
    across = int(rng.integers(1, 4))
    side = DRAWN_SIZE // across
    return np.concatenate([np.concatenate([drawing(side, rng) for _ in range(across)], 1) for _ in range(across)])


def _normalized(weights: list[float]) -> Floats:
    shares: Floats = np.array(weights) / sum(weights)
    return shares


def _cut(picture: Pixels, top: int, left: int, side: int) -> Pixels:
    return picture[top : top + side, left : left + side]


def _augmented(crops: Sequence[Pixels], channels: int, rng: np.random.Generator) -> list[Pixels]:
    """Mirror, turn and take channels in another order: all crops alike."""
    turn, mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)
    order = rng.permutation(3)[:channels] if channels == 1 or rng.random() < 0.5 else np.arange(3)
    turned = [np.rot90(one, turn) for one in crops]
    return [(one[:, ::-1] if mirrored else one)[..., order] for one in turned]


def _stacked(crops: Sequence[Pixels]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div_(255)
