"""Patches of an exemplar: what is compared where a texture is put together from them, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

PATCH = 8
"""Side of a patch in pixels, at every resolution."""
DIMENSIONS = 24
"""Numbers that stand for a patch after principal component analysis."""
_SAMPLES = 8192
_FALL = 0.35
"""Width of the bell by which a patch counts less towards its edges, in patches."""


@dataclass(frozen=True)
class Patches:
    """All patches of an exemplar, as points between which distances mean something.

    A patch is named by its top left pixel (y, x), in rows of `width`.
    """

    points: Tensor
    """(height · width, D)"""
    basis: Tensor
    """(D, C, PATCH, PATCH), orthonormal."""
    mean: Tensor
    """(D,)"""
    height: int
    width: int

    @staticmethod
    def of(exemplar: Tensor) -> Patches:
        """Take in the patches of (C, H, W), whose channels count as much as they vary."""
        generator = torch.Generator().manual_seed(0)
        height, width = exemplar.shape[1] - PATCH + 1, exemplar.shape[2] - PATCH + 1
        chosen = torch.randint(height * width, (_SAMPLES,), generator=generator)
        windows = exemplar.unfold(1, PATCH, 1).unfold(2, PATCH, 1)
        some = windows[:, chosen // width, chosen % width].transpose(0, 1).flatten(1)
        some = some - some.mean(0)
        _, vectors = torch.linalg.eigh(some.T @ some)
        dimensions = min(DIMENSIONS, vectors.shape[1])
        basis = vectors[:, -dimensions:].T.reshape(dimensions, exemplar.shape[0], PATCH, PATCH).contiguous()
        points = functional.conv2d(exemplar[None], basis)[0].flatten(1).T.contiguous()
        mean = points.mean(0)
        return Patches(points - mean, basis, mean, height, width)

    def describe(self, image: Tensor, stride: int) -> Tensor:
        """Return the points (H/stride · W/stride, D) of the patches of (C, H, W) on the torus."""
        wrapped = functional.pad(image[None], (0, PATCH - 1, 0, PATCH - 1), mode="circular")
        return functional.conv2d(wrapped, self.basis, stride=stride)[0].flatten(1).T - self.mean


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
    away = torch.arange(PATCH) - (PATCH - 1) / 2
    profile = torch.exp(-(away**2) / (2 * (PATCH * _FALL) ** 2))
    return profile[:, None] * profile


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
