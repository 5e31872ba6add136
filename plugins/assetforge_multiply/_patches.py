"""Patches of an exemplar: what is compared where a texture is put together from them, and how they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.exact import mix, moments, whole
from assetforge.ops.principal import principal_axes

PATCH = 8
"""Side of a patch in pixels, at every resolution."""
DIMENSIONS = 24
"""Numbers that stand for a patch."""
_DENSE = 64
"""Side up to which there is a patch at every pixel; beyond, at every second one."""
_SAMPLES = 8192
FALL = 0.35
"""Width of the bell by which a patch counts less towards its edges, in patches."""
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
    def of(exemplar: Tensor) -> Patches:
        """Take in the patches of (C, H, W), whose channels count as much as they vary."""
        _, axes = principal_axes(moments(exemplar)[1])
        chosen = _widest(_turned(axes.T, exemplar))
        used = sorted({axis for axis, _ in chosen})
        axes = axes.T[used].to(exemplar)
        waves = tuple(_waves()[[wave for axis, wave in chosen if axis == one]][:, None].to(exemplar) for one in used)
        points = _described(_turned(axes, exemplar), waves, 1).T.contiguous()
        height, width = exemplar.shape[1] - PATCH + 1, exemplar.shape[2] - PATCH + 1
        return Patches(points, axes, waves, height, width)

    def describe(self, image: Tensor, stride: int) -> Tensor:
        """Return the points (H/stride · W/stride, D) of the patches of (C, H, W) on the torus."""
        wrapped = functional.pad(image[None], (0, PATCH - 1, 0, PATCH - 1), mode="circular")[0]
        return _described(_turned(self.axes, wrapped), self.waves, stride).T.contiguous()


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
    chosen = torch.randint(height * width, (_SAMPLES,), generator=generator).to(turned.device)
    windows = turned.unfold(1, PATCH, 1).unfold(2, PATCH, 1)[:, chosen // width, chosen % width]
    strengths = (windows.flatten(2) @ _waves().to(turned).flatten(1).T).mul_(_UNIT).round_().long()
    varies = _SAMPLES * strengths.square().sum(1) - strengths.sum(1).square()
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


@dataclass(frozen=True)
class Field:
    """Which patch of the exemplar lies where: the coordinate map that makes every map of a material.

    y, x: (h, w), long, the top left pixel of the patch in the exemplar. weight: (h, w), how much the patch counts.
    The patch at (i, j) lies at (stride · i, stride · j) of the result, whose edges meet. Where there are several
    exemplars, they lie below each other; exemplar: height and width of one.
    """

    y: Tensor
    x: Tensor
    weight: Tensor
    stride: int
    exemplar: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.y.shape[0] * self.stride, self.y.shape[1] * self.stride

    def to(self, device: str) -> Field:
        """Return it on a device."""
        return replace(self, y=self.y.to(device), x=self.x.to(device), weight=self.weight.to(device))


def bell() -> Tensor:
    """Return how much each pixel of a patch counts: (PATCH, PATCH)."""
    away = torch.arange(PATCH, dtype=torch.float64) - (PATCH - 1) / 2
    profile = torch.exp(-(away * away) / (2 * (PATCH * FALL) ** 2))
    return (profile[:, None] * profile).float()


def vote(exemplar: Tensor, field: Field) -> Tensor:
    """Lay the patches of (C, H, W) over each other and average: (C, *field.size)."""
    h, w = field.y.shape
    s = field.stride
    texels = exemplar.flatten(1).T.contiguous()
    corner = field.y * exemplar.shape[2] + field.x
    total = torch.zeros(h, s, w, s, exemplar.shape[0], device=exemplar.device)
    weight = torch.zeros(h, s, w, s, 1, device=exemplar.device)
    for dy, row in enumerate(bell()):
        for dx, share in enumerate(row):
            counted = (field.weight * share)[..., None]
            shift = (dy // s, dx // s)
            piece = texels[corner + dy * exemplar.shape[2] + dx] * counted
            total[:, dy % s, :, dx % s] += piece.roll(shift, (0, 1))
            weight[:, dy % s, :, dx % s] += counted.roll(shift, (0, 1))
    return (total / weight).reshape(h * s, w * s, -1).permute(2, 0, 1).contiguous()


def choose(exemplar: Tensor, field: Field) -> Tensor:
    """Take each pixel of (C, H, W) from the patch that counts most there, and average nothing: (C, *field.size)."""
    y, x = pixel_coordinates(field)
    return exemplar[:, y, x]


def stride_of(size: tuple[int, int]) -> int:
    """Return the step between the patches of a result of a size: 1 or 2 pixels."""
    return 1 if max(size) <= _DENSE or size[0] % 2 or size[1] % 2 else 2


def pixel_coordinates(field: Field) -> tuple[Tensor, Tensor]:
    """Return the exemplar's row and column for each pixel, from the patch that counts most there."""
    h, w = field.y.shape
    s = field.stride
    best = torch.full((h, s, w, s), -1.0, device=field.y.device)
    ys, xs = (torch.zeros(h, s, w, s, dtype=torch.long, device=field.y.device) for _ in range(2))
    for dy, row in enumerate(bell()):
        for dx, share in enumerate(row):
            shift = (dy // s, dx // s)
            place = (slice(None), dy % s, slice(None), dx % s)
            counted = (field.weight * share).roll(shift, (0, 1))
            better = counted > best[place]
            best[place] = torch.where(better, counted, best[place])
            ys[place] = torch.where(better, (field.y + dy).roll(shift, (0, 1)), ys[place])
            xs[place] = torch.where(better, (field.x + dx).roll(shift, (0, 1)), xs[place])
    return ys.reshape(h * s, w * s), xs.reshape(h * s, w * s)
