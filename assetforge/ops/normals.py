"""Tangent-space normals: unit vectors, +Y up."""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.exact import norm

SHORTEST = 1e-4
"""Vectors shorter than this have no direction; they become flat."""
_STEEPEST = 0.05
"""Smallest z by which slopes are divided: 87 degrees."""
_STEP = 2**-18
"""What is rounded to: Fourier transforms of float64 differ by much less from processor to processor."""


def normalize(vectors: Tensor) -> Tensor:
    """Scale the vectors of (3, H, W) to length 1; those of no length point straight up, (0, 0, 1)."""
    length = norm(vectors)
    flat = vectors.new_tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    return torch.where(length > SHORTEST, vectors / length.clamp_min(SHORTEST), flat)


def in_plane(vectors: Tensor) -> Tensor:
    """Return directions along the surface, (3, H, W), from their x and y; to the right where these have no length."""
    across = vectors[:2]
    length = norm(across)
    right = vectors.new_tensor([1.0, 0.0]).view(2, 1, 1)
    unit = torch.where(length > SHORTEST, across / length.clamp_min(SHORTEST), right)
    return torch.cat([unit, torch.zeros_like(length)])


def flip_green(vectors: Tensor) -> Tensor:
    """Turn +Y up (OpenGL) into +Y down (DirectX), and back. (3, H, W)."""
    return vectors * vectors.new_tensor([1.0, -1.0, 1.0]).view(3, 1, 1)


def curl(normals: Tensor) -> float:
    """Return the part of the slopes' energy on the torus that no height map can have: 0 for normals of one.

    normals: (3, H, W), unit.
    """
    slopes = torch.fft.rfft2(slopes_of(normals).double())
    left = slopes - _of_a_height(slopes, normals.shape[2])
    energy = slopes.abs().square().sum()
    return float(left.abs().square().sum() / energy.clamp_min(1e-12))


def integrable(normals: Tensor) -> Tensor:
    """Return the nearest normals (3, H, W) on the torus that some height map has; the mean slope stays.

    Frankot and Chellappa, "A Method for Enforcing Integrability in Shape from Shading Algorithms", 1988.
    """
    return of_slopes(gradients(slopes_of(normals)))


def slopes_of(normals: Tensor) -> Tensor:
    """Return x/z and y/z of normals: (2, H, W)."""
    return normals[:2] / normals[2:].clamp_min(_STEEPEST)


def of_slopes(slopes: Tensor) -> Tensor:
    """Return the unit normals (3, H, W) of slopes x/z and y/z."""
    return normalize(torch.cat([slopes, torch.ones_like(slopes[:1])]))


def gradients(slopes: Tensor) -> Tensor:
    """Return the nearest slopes (2, H, W) on the torus that some height map has; the mean stays."""
    height, width = slopes.shape[1:]
    nearest: Tensor = torch.fft.irfft2(_of_a_height(torch.fft.rfft2(slopes.double()), width), s=(height, width))
    return (nearest / _STEP).round_().mul_(_STEP).float()


def _of_a_height(spectra: Tensor, width: int) -> Tensor:
    """Project the spectra of slopes onto those of a gradient: they must point along their own frequency."""
    double = {"dtype": torch.float64, "device": spectra.device}
    y = -torch.fft.fftfreq(spectra.shape[1], **double)[:, None]  # +Y is up, rows go down
    x = torch.fft.rfftfreq(width, **double)
    y, x = (axis.masked_fill(axis.abs() == 0.5, 0.0) for axis in (y, x))
    along = (spectra[0] * x + spectra[1] * y) / (x.square() + y.square()).clamp_min(1e-12)
    gradient = torch.stack([along * x, along * y])
    gradient[:, 0, 0] = spectra[:, 0, 0]
    return gradient


def reoriented(base: Tensor, detail: Tensor) -> Tensor:
    """Return detail normals turned so that they stand on those of a base, all (3, H, W), unit.

    Barré-Brisebois and Hill, "Blending in Detail", 2012. With a flat one on either side, it is the other.
    """
    up = base.double() + base.new_tensor([0.0, 0.0, 1.0]).view(3, 1, 1).double()
    turned = detail.double() * detail.new_tensor([-1.0, -1.0, 1.0]).view(3, 1, 1).double()
    along = up[:1] * turned[:1] + up[1:2] * turned[1:2] + up[2:] * turned[2:]
    return normalize((up * along / up[2:].clamp_min(SHORTEST) - turned).float())


def whiteout(base: Tensor, detail: Tensor) -> Tensor:
    """Add the x and y of two fields of normals and multiply z: steeper than `reoriented` where both are steep."""
    return normalize(torch.cat([base[:2] + detail[:2], base[2:] * detail[2:]]))


def udn(base: Tensor, detail: Tensor) -> Tensor:
    """Add the x and y of detail to a base and keep its z, as the Unreal Developer Network does: cheap, and flatter."""
    return normalize(torch.cat([base[:2] + detail[:2], base[2:]]))
