"""PatchMatch on the torus, for all patches at once, and the numbers that patches are compared by.

Barnes et al., "PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing", 2009. Where they scan
pixel by pixel, all patches here try their neighbors' matches at once, from several distances, as on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.exact import mix, moments, row_sums, whole
from assetforge.ops.principal import principal_axes
from assetforge_multiply._field import PATCH, CopyLimits, Field
from assetforge_multiply._structure import LatticeConstraint

_STEPS = (8, 4, 2, 1)
"""How far the neighbors are whose matches are tried, in the first round; later rounds try the near ones."""
_NEAR = (2, 1)
DIMENSIONS = 24
"""Numbers that stand for a patch."""
_SAMPLES = 8192
_UNIT, _MOST = 1 / 64, 512
"""Steps to which channels are rounded, and how many of them at most; `_WAVE` is the same of waves. They are so few that
no sum of products over a patch is rounded, whatever its order."""
_WAVE = 1 / 256


@dataclass(frozen=True)
class Patches:
    """All patches of an exemplar, as points between which distances mean something.

    A patch is named by its top left pixel (y, x), in rows of `width`. What stands for it are those cosine waves (Ahmed,
    Natarajan and Rao, "Discrete Cosine Transform", 1974) along principal axes of the channels that vary most. The
    principal components of all its pixels would be hardly better, and not the same on each processor.
    """

    points: Tensor
    """(height · width, D)"""
    axes: Tensor
    """(A, C), orthonormal: the axes of the channels that are looked at."""
    waves: tuple[Tensor, ...]
    """Of each axis those of its waves that count: (D_a, 1, PATCH, PATCH), in steps of `_WAVE`."""
    height: int
    width: int

    @staticmethod
    def of(atlas: Tensor) -> Patches:
        """Take in the patches of (C, H, W), whose channels count as much as they vary."""
        _, axes = principal_axes(moments(atlas)[1])
        chosen = _widest(_turned(axes.T, atlas))
        used = sorted({axis for axis, _ in chosen})
        axes = axes.T[used].to(atlas)
        waves = tuple(_waves()[[wave for axis, wave in chosen if axis == one]][:, None].to(atlas) for one in used)
        points = _described(_turned(axes, atlas), waves, 1).T.contiguous()
        height, width = atlas.shape[1] - PATCH + 1, atlas.shape[2] - PATCH + 1
        return Patches(points, axes, waves, height, width)

    def describe(self, image: Tensor, stride: int) -> Tensor:
        """Return the points (H/stride · W/stride, D) of the patches of (C, H, W) on the torus."""
        wrapped = functional.pad(image[None], (0, PATCH - 1, 0, PATCH - 1), mode="circular")[0]
        return _described(_turned(self.axes, wrapped), self.waves, stride).T.contiguous()

    def distance(self, index: Tensor, wanted: Tensor) -> Tensor:
        """Return the squared distances of patches, (N,) by their numbers, to the points (N, D)."""
        return row_sums(self.points.index_select(0, index).sub_(wanted).square_())


def _turned(axes: Tensor, image: Tensor) -> Tensor:
    """Return an image (C, H, W) along axes (A, C), in steps of `_UNIT`."""
    return whole(mix(axes, image), _UNIT, _MOST)


def _described(turned: Tensor, waves: Sequence[Tensor], stride: int) -> Tensor:
    """Return how strong the waves are in each patch of (A, H, W): (D, patches)."""
    strengths = [
        functional.conv2d(one[None, None], own, stride=stride)[0] for one, own in zip(turned, waves, strict=True)
    ]
    return torch.cat(strengths).flatten(1).mul_(_UNIT * _WAVE)


def _widest(turned: Tensor) -> list[tuple[int, int]]:
    """Return the axes and waves that vary most over the patches of (A, H, W), as seen in some of them."""
    generator = torch.Generator().manual_seed(0)
    height, width = turned.shape[1] - PATCH + 1, turned.shape[2] - PATCH + 1
    chosen = torch.randint(height * width, (_SAMPLES,), generator=generator)
    chosen, times = (one.to(turned.device) for one in torch.unique(chosen, return_counts=True))
    windows = turned.unfold(1, PATCH, 1).unfold(2, PATCH, 1)[:, chosen // width, chosen % width]
    strengths = (windows.flatten(2) @ _waves().to(turned).flatten(1).T).mul_(_UNIT).round_().long()
    counted = strengths * times[:, None]
    varies = _SAMPLES * (counted * strengths).sum(1) - counted.sum(1).square()
    order = varies.flatten().argsort(descending=True, stable=True)[:DIMENSIONS].tolist()
    return [divmod(one, PATCH * PATCH) for one in order]


@cache
def _waves() -> Tensor:
    """Return the orthonormal cosine waves of a patch, in steps of `_WAVE`: (PATCH², PATCH, PATCH)."""
    place = (torch.arange(PATCH, dtype=torch.float64) + 0.5) * torch.pi / PATCH
    lines = torch.cos(torch.arange(PATCH, dtype=torch.float64)[:, None] * place) * (2 / PATCH) ** 0.5
    lines[0] /= 2**0.5
    waves: Tensor = lines[:, None, :, None] * lines[None, :, None, :] / _WAVE
    return waves.reshape(-1, PATCH, PATCH).round().float()


@dataclass
class Search:
    """The best match so far of each patch of a result.

    wanted: (h · w, D), the patches of the result; penalty: (height · width,), what each patch of the exemplar costs
    beyond its distance, infinite where it must not be used. limits: of pieces that must not grow.
    """

    patches: Patches
    wanted: Tensor
    penalty: Tensor
    field: Field
    generator: torch.Generator
    constraint: LatticeConstraint | None = None
    limits: CopyLimits | None = None

    def __post_init__(self) -> None:
        device = self.field.y.device
        self._at = torch.stack([self.field.y, self.field.x])
        self._first = torch.zeros(2, 1, 1, dtype=torch.long, device=device)
        self._last = torch.tensor([self.patches.height - 1, self.patches.width - 1], device=device)[:, None, None]
        self.cost = self._cost(self._at)

    def layout(self) -> Field:
        """Return the field of the best matches so far."""
        return replace(self.field, y=self._at[0], x=self._at[1])

    def run(self, rounds: int, reach: int) -> None:
        """Improve the matches; `reach` is how far from the present match a random one may be, in pixels."""
        for number in range(rounds):
            for step in _STEPS if number == 0 else _NEAR:
                self._propagate(step)
            self._explore(reach)

    def _propagate(self, step: int) -> None:
        for axis, away in ((1, step), (1, -step), (0, step), (0, -step)):
            at = self._at.roll(away, axis + 1)
            at[axis] += away * self.field.stride
            self._try(at)

    def _explore(self, reach: int) -> None:
        """Try random matches near the present one, at distances that halve; the first ones are anywhere."""
        radius = reach
        while radius >= 1:
            away = torch.randint(-radius, radius + 1, self._at.shape, generator=self.generator)
            self._try(away.to(self._at.device).add_(self._at))
            radius //= 2

    def _try(self, at: Tensor) -> None:
        at = torch.clamp(at, self._first, self._last)
        cost = self._cost(at)
        better = cost < self.cost
        self.cost = torch.minimum(cost, self.cost)
        self._at = torch.where(better, at, self._at)

    def _cost(self, at: Tensor) -> Tensor:
        """Return what matches (2, h, w), rows and columns, cost."""
        y, x = at
        index = self._index(at)
        cost = self.patches.distance(index, self.wanted).add_(self.penalty.index_select(0, index)).reshape(y.shape)
        if self.constraint is not None:
            count = (self.patches.height, self.patches.width)
            cost.masked_fill_(self.constraint.broken(y, x, self.field.stride, count), torch.inf)
        if self.limits is not None:
            cost.masked_fill_(self.limits.broken(y, x, self.field), torch.inf)
        return cost

    def _index(self, at: Tensor) -> Tensor:
        return torch.add(at[1], at[0], alpha=self.patches.width).flatten()

    def distance(self) -> Tensor:
        """Return the squared distance of each match, penalties left out: (h, w)."""
        return self.patches.distance(self._index(self._at), self.wanted).reshape(self.cost.shape)


def occurrences(y: Tensor, x: Tensor, patches: Patches, radius: int) -> Tensor:
    """Return how often patches near each one are used, 1 on average: (height · width,)."""
    used = torch.bincount((y * patches.width + x).flatten(), minlength=patches.height * patches.width).float()
    image = used.reshape(1, 1, patches.height, patches.width)  # whole numbers, whose sums are not rounded
    mean = _sums_around(image, radius) / _sums_around(torch.ones_like(image), radius)
    return mean.flatten() * (used.numel() / y.numel())


def _sums_around(image: Tensor, radius: int) -> Tensor:
    """Return the sums of (1, 1, H, W) over squares of 2 · radius + 1 pixels around each, rows first."""
    side = 2 * radius + 1
    rows = functional.avg_pool2d(image, (1, side), 1, (0, radius), divisor_override=1)
    return functional.avg_pool2d(rows, (side, 1), 1, (radius, 0), divisor_override=1)
