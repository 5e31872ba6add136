"""Heights and the slopes that they have. Depths are in pixels: how many the height of 1 is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from assetforge.ops.normals import of_slopes, slopes_of
from assetforge.ops.tile import window

_SLOW = 1 / 8
_LEAST = 1e-9
_BLIND = 1e-2
"""How much of the finest waves, of which central differences see next to nothing, is left out, or noise would grow."""


def integrated(slopes: Tensor, *, repeat: bool, hills: bool = False, central: bool = False) -> Tensor:
    """Return the height (1, H, W), in pixels, whose normals have slopes x/z and y/z (2, H, W) nearest.

    Frankot and Chellappa, "A Method for Enforcing Integrability in Shape from Shading Algorithms", 1988; what does not
    tile is mirrored at its edges. Slow waves are left out unless hills are wanted: small errors of slopes add up to
    them, and they would take the range from what repeats. `central`: slopes are those of `slopes_of_height`, central
    differences, and not those of a smooth surface; then fine detail comes back as it was, and what these differences
    cannot see, at every other pixel, stays out.
    """
    height, width = slopes.shape[1:]
    rows, columns = (height, width) if repeat else (2 * height, 2 * width)
    v = torch.fft.fftfreq(rows, dtype=slopes.dtype)[:, None] * math.tau
    u = torch.fft.rfftfreq(columns, dtype=slopes.dtype) * math.tau
    along_u, along_v = (u.sin(), v.sin()) if central else (u, v)
    # One direction after the other and in place: what is mirrored is four times as large.
    spectrum = torch.fft.rfft2(_mirrored(slopes[0], 1, repeat=repeat)).mul_(1j * along_u)
    spectrum -= torch.fft.rfft2(_mirrored(slopes[1], 0, repeat=repeat)).mul_(1j * along_v)
    energy = along_u.square() + along_v.square()
    if central:
        energy += (u.square() + v.square()).square_().mul_(_BLIND)
    spectrum /= energy.clamp_min_(1e-12)
    del energy
    if not hills:
        sigma = max(height, width) * _SLOW
        spectrum *= 1 - torch.exp(-(u.square() + v.square()) * (sigma**2 / 2))
    found: Tensor = torch.fft.irfft2(spectrum, s=(rows, columns))
    return found[None, :height, :width].contiguous()


def mirrored(slopes: Tensor) -> Tensor:
    """Return the slopes (2, 2H, 2W) of a relief that is mirrored at its right and lower edge, so that it tiles."""
    return torch.stack([_mirrored(slopes[0], 1, repeat=False), _mirrored(slopes[1], 0, repeat=False)])


def _mirrored(slope: Tensor, along: int, *, repeat: bool) -> Tensor:
    """Mirror slopes along one axis (H, W) at both edges, unless they repeat; along their own axis they turn around."""
    for axis in () if repeat else (1, 0):
        slope = torch.cat([slope, -slope.flip(axis) if axis == along else slope.flip(axis)], axis)
    return slope


def slopes_of_height(height: Tensor, depth: float, *, repeat: bool) -> Tensor:
    """Return the slopes x/z and y/z (2, H, W) of the normals of a height map (1, H, W), by central differences.

    Where nothing repeats, the outermost lines go on as they came.
    """
    _, rows, columns = height.shape
    around = window(height, (-1, -1), (rows + 2, columns + 2), repeat=repeat)
    right = around[:, 1:-1, 2:] - around[:, 1:-1, :-2]
    up = around[:, :-2, 1:-1] - around[:, 2:, 1:-1]
    if not repeat:  # held edges halve the difference there
        right[:, :, [0, -1]] *= 2
        up[:, [0, -1]] *= 2
    return torch.cat([right, up]) * (-depth / 2)


def normals_of_height(height: Tensor, depth: float, *, repeat: bool) -> Tensor:
    """Return the unit normals (3, H, W) of a height map (1, H, W)."""
    return of_slopes(slopes_of_height(height, depth, repeat=repeat))


def fitted_depth(height: Tensor, normal: Tensor, *, repeat: bool) -> tuple[float, float]:
    """Return the depth of a height map (1, H, W) at which its slopes are nearest to those of normals (3, H, W).

    The second number is how well the slopes correlate then, -1 to 1. Both are 0 where one of them is flat.
    """
    own = slopes_of_height(height, 1.0, repeat=repeat).double()
    theirs = slopes_of(normal).double()
    product, energy, other = ((one * two).sum().item() for one, two in ((own, theirs), (own, own), (theirs, theirs)))
    if min(energy, other) / own.numel() < _LEAST:
        return 0.0, 0.0
    return product / energy, product / math.sqrt(energy * other)


def divergence(field: Tensor, *, repeat: bool) -> Tensor:
    """Return the divergence (1, H, W) of a field of vectors, right and up, (2, H, W), by central differences."""
    falls = (slopes_of_height(field[axis : axis + 1], 1.0, repeat=repeat)[axis : axis + 1] for axis in (0, 1))
    along, upward = falls
    return -(along + upward)
