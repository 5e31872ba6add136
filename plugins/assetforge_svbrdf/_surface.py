"""A material as a function of what the guide looks like: the same function everywhere, as in a stationary material.

Aittala et al. look for the pixels that are like one of a master tile, and fit its parameters to what the flash shows of
them all. A small network that maps the descriptor of a pixel to its parameters does the same in one go: pixels that
look alike get parameters that are alike, and the flash, which comes from another side at each of them, corrects them
together. Where nothing repeats exactly, the best match of a pixel is not very like it, and a stack of matches is as far
off; a function has no such floor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge_svbrdf._light import F0, Texels

_WIDTH = 64
_SMOOTHEST = 0.05
_DARKEST = 0.003
_MOST_RETRO = 0.35
_SCALES = (0.5, 0.5, 1.0, 0.5)
"""How large the parameters are that the network's outputs of size 1 stand for: albedo, slopes, roughness, stretch."""


@dataclass(frozen=True)
class Kind:
    """What is assumed of a surface: metal reflects with its color and has no base; brushed ones stretch highlights."""

    metal: bool = False
    brushed: bool = False

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for a pixel."""
        return 6 if self.brushed else 4


@dataclass(frozen=True, eq=False)
class Unknowns:
    """What is optimized.

    layers: weights and biases of the network. level: (3,), the logarithm of albedo over guide. gloss: (1,), the
    material's roughness, so that no prior pulls at it. stretch: (2,), its mean. offset: (2,), where the light is beside
    the lens. exposure: (), the logarithm of the light's intensity over what was guessed. retro: (), what more returns
    to the light, as a logit of its greatest. motion: (9,), see `motion`.
    """

    layers: tuple[Tensor, ...]
    level: Tensor
    gloss: Tensor
    stretch: Tensor
    offset: Tensor
    exposure: Tensor
    retro: Tensor
    motion: Tensor

    def copied(self) -> Unknowns:
        """Return copies that can be optimized."""
        layers = tuple(one.detach().clone().requires_grad_() for one in self.layers)
        names = ("level", "gloss", "stretch", "offset", "exposure", "retro", "motion")
        return Unknowns(layers, **{name: getattr(self, name).detach().clone().requires_grad_() for name in names})


def begin(inputs: int, level: Tensor, gloss: float, seed: int) -> Unknowns:
    """Return a random network that says next to nothing yet, and starting values."""
    generator = torch.Generator().manual_seed(seed)
    sizes = ((inputs, _WIDTH, 1.0), (_WIDTH, _WIDTH, 1.0), (_WIDTH, Kind(brushed=True).outputs, 0.1))
    layers: list[Tensor] = []
    for before, after, scale in sizes:
        layers += [torch.randn(after, before, generator=generator) * math.sqrt(2 / before) * scale, torch.zeros(after)]
    none, pair = torch.zeros(()), torch.zeros(2)
    return Unknowns(tuple(layers), level, torch.tensor([gloss]), pair, pair, none, none - 3, torch.zeros(9)).copied()


def motion(amounts: Tensor, points: Tensor) -> Tensor:
    """Return by how many pixels, right and up, the flash photo is still off at points (2, N): (2, N).

    amounts: (9,), the eight of a homography, of first order, and how far a lens bends.
    """
    x, y = points
    one, none = torch.ones_like(x), torch.zeros_like(x)
    far = x.square() + y.square()
    right = torch.stack([one, x, y, none, none, none, x * x, x * y, x * far])
    up = torch.stack([none, none, none, one, x, y, x * y, y * y, y * far])
    return torch.stack([amounts @ right, amounts @ up])


def motion_at(unknowns: Unknowns, points: Tensor) -> Tensor:
    """Return the same of points (2, H, W), no longer to be differentiated."""
    return motion(unknowns.motion.detach(), points.flatten(1)).reshape(points.shape)


def texels(unknowns: Unknowns, kind: Kind, descriptors: Tensor, log_guide: Tensor) -> tuple[Texels, Tensor]:
    """Return the parameters of N pixels, and their roughness (N,). descriptors: (N, D); log_guide: (3, N)."""
    weights = unknowns.layers
    hidden = F.leaky_relu(F.linear(descriptors, weights[0], weights[1]), 0.1)
    hidden = F.leaky_relu(F.linear(hidden, weights[2], weights[3]), 0.1)
    out = F.linear(hidden, weights[4][: kind.outputs], weights[5][: kind.outputs]).T
    color = (log_guide + unknowns.level[:, None] + _SCALES[0] * out[0]).exp().clamp(_DARKEST, 1)
    slopes = _SCALES[1] * out[1:3]
    roughness = _SMOOTHEST + (1 - _SMOOTHEST) * torch.sigmoid(unknowns.gloss + _SCALES[2] * out[3])
    stretch = unknowns.stretch[:, None] + _SCALES[3] * out[4:6] if kind.brushed else None
    base, f0 = (color.new_zeros(1, 1), color) if kind.metal else (color, color.new_full((1, 1), F0))
    retro = _MOST_RETRO * torch.sigmoid(unknowns.retro)
    return Texels(base, f0, slopes, roughness.square(), stretch, retro), roughness


@dataclass(frozen=True, eq=False)
class Fitted:
    """Maps of a whole photograph.

    diffuse, f0: (3, H, W); slopes: (2, H, W); roughness: (1, H, W); stretch: (2, H, W) or None.
    """

    diffuse: Tensor
    f0: Tensor
    slopes: Tensor
    roughness: Tensor
    stretch: Tensor | None
    retro: float = 0.0

    def with_slopes(self, slopes: Tensor) -> Fitted:
        """Return the same with other slopes."""
        return replace(self, slopes=slopes)

    def texels(self) -> Texels:
        """Return all pixels in a row."""
        stretch = None if self.stretch is None else self.stretch.flatten(1)
        alpha = self.roughness.flatten().square()
        return Texels(self.diffuse.flatten(1), self.f0.flatten(1), self.slopes.flatten(1), alpha, stretch, self.retro)


def everywhere(
    unknowns: Unknowns, kind: Kind, descriptors: Tensor, log_guide: Tensor, size: tuple[int, int], part: int = 1 << 16
) -> Fitted:
    """Return the parameters of all pixels."""
    count = log_guide.shape[1]
    whole: list[list[Tensor]] = []
    with torch.no_grad():
        for first in range(0, count, part):
            here = slice(first, first + part)
            found, roughness = texels(unknowns, kind, descriptors[here], log_guide[:, here])
            width = roughness.shape[0]
            stretch = found.slopes * 0 if found.stretch is None else found.stretch
            parts = (found.diffuse.expand(3, width), found.f0.expand(3, width), found.slopes, roughness[None], stretch)
            whole.append(list(parts))
    retro = _MOST_RETRO * torch.sigmoid(unknowns.retro).item()
    maps = [torch.cat(pieces, 1).reshape(-1, *size) for pieces in zip(*whole, strict=True)]
    return Fitted(maps[0], maps[1], maps[2], maps[3], maps[4] if kind.brushed else None, retro)
