"""What a flash beside the lens makes of a surface, and how measured light is compared.

`assetforge.ops.brdf.co_located` for pixels in a row, with a light that may be a little off the lens, and with a lobe
that may be stretched: all that the solver differentiates, and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge_svbrdf._photos import CLIPPED

F0 = 0.04
"""Reflectance at normal incidence of what is no metal."""
_LEAST = 1e-3
_GRAZING = 0.2
_TOE = 1e-3
_ROBUST = 0.02


@dataclass(frozen=True, eq=False)
class Texels:
    """Parameters of N pixels.

    diffuse, f0: (3, N) or broadcasting to it. slopes: (2, N), x/z and y/z of the normal. alpha: (N,), the GGX width.
    stretch: (2, N) or None; the logarithm of the width is alpha's plus a symmetric matrix [[u, w], [w, −u]]. retro: how
    much more of the diffuse light returns to where it came from, as rough ground returns it (Oren and Nayar,
    "Generalization of Lambert's Reflectance Model", 1994): a camera with a flash sees nothing but that direction.
    """

    diffuse: Tensor
    f0: Tensor
    slopes: Tensor
    alpha: Tensor
    stretch: Tensor | None = None
    retro: Tensor | float = 0.0


def radiance(texels: Texels, points: Tensor, offset: Tensor, intensity: Tensor | float) -> Tensor:
    """Return what the camera at (0, 0, 1) sees of points (2, N) under a light at (offset, 1): (3, N)."""
    slopes = texels.slopes
    light, half = offset[:, None] - points, offset[:, None] / 2 - points
    square = light.square().sum(0) + 1
    length = (slopes.square().sum(0) + 1).rsqrt()
    n_l = (((slopes * light).sum(0) + 1) * square.rsqrt() * length).clamp_min(_LEAST)
    shrink = (half.square().sum(0) + 1).rsqrt()
    n_h = (((slopes * half).sum(0) + 1) * shrink * length).clamp(_LEAST, 1)
    width = texels.alpha.square().clamp_min(1e-5)
    if texels.stretch is None:
        lobe = width / (math.pi * (n_h.square() * (width - 1) + 1).square())
        visible = 0.25 / (n_l * (n_h.square() * (1 - width) + width).sqrt())
    else:
        across = half * shrink - slopes * (length * n_h)
        lobe, visible = _stretched(across, n_h, n_l, width, texels.stretch)
    back = 1 + texels.retro * (1 - n_l.square()) / n_l.clamp_min(_GRAZING)
    reflected = texels.diffuse * ((1 - texels.f0) / math.pi) * back + texels.f0 * (lobe * visible)
    return reflected * (n_l * intensity / square)


def _stretched(across: Tensor, n_h: Tensor, n_l: Tensor, width: Tensor, stretch: Tensor) -> tuple[Tensor, Tensor]:
    """Return distribution and visibility of an anisotropic GGX lobe; across: (2, N), the half vector in the plane."""
    size = (stretch.square().sum(0) + 1e-8).sqrt()
    even, odd = torch.cosh(2 * size), torch.sinh(2 * size) / size
    plain = across.square().sum(0)
    along = stretch[0] * (across[0].square() - across[1].square()) + 2 * stretch[1] * across[0] * across[1]
    narrow = (even * plain - odd * along) / width
    wide = (even * plain + odd * along) * width
    lobe = 1 / (math.pi * width * (narrow + n_h.square()).square())
    return lobe, 0.25 / (n_l * (wide + n_h.square()).sqrt())


def tone(light: Tensor) -> Tensor:
    """Compress light so that equal steps are about equally visible, and equally noisy."""
    return (light.clamp_min(0) + _TOE).sqrt()


def misfit(made: Tensor, seen: Tensor) -> Tensor:
    """Return the differences of tones (made − seen), where a full sensor may have seen any amount more."""
    off = tone(made) - tone(seen)
    return torch.where(seen >= CLIPPED, off.clamp_max(0), off)


def robust(off: Tensor) -> Tensor:
    """Charbonnier's loss, 0 at 0: a square near it, and straight beyond."""
    return (off.square() + _ROBUST**2).sqrt() - _ROBUST
