"""What the flash tells of a pixel by itself, beyond what its surroundings in the guide tell.

The function of descriptors knows no more than the guide shows. What is left between its rendering and the flash photo
is explained by slopes that it got wrong: the likeliest ones, given that they are those of a relief, that the error of
slopes is about so large, and that the photograph is noisy. A light from one side tells only of the slope toward it;
that the correction is a relief's carries it to the other direction. Albedo and roughness stay, so that no highlight can
be imprinted on them.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.blur import blurred_widely
from assetforge.ops.heights import mirrored
from assetforge.ops.normals import gradients
from assetforge_svbrdf._light import Texels, radiance, tone
from assetforge_svbrdf._photos import Photos
from assetforge_svbrdf._surface import Fitted

_SLOPE_ERROR = 0.12
"""Deviation of the slopes from what the function says."""
_NOISE = 0.015
"""Deviation of a tone: the sensor's noise, and what JPEG leaves."""
_ALBEDO_ERROR, _ROUGHNESS_ERROR = 0.05, 0.05
_ROUNDS, _ITERATIONS = 2, 20
_LOCAL = 16.0
"""Part of the longer side over which a misfit is taken for the flash's beam, which is uneven, and not for a bowl."""
_DEGREE = 2
"""Of polynomials in the place that a stationary surface's parameters have nothing of: bowls, tilts and rings."""
_STEEPEST = 0.8
_TRUSTED = 3.0
"""Deviations beyond which a misfit has another cause, and counts less."""
_LUMINANCE = (0.25, 0.6, 0.15)


def refine(fitted: Fitted, photos: Photos, offset: Tensor, intensity: float) -> Fitted:
    """Correct the slopes by the flash photo."""
    even = _as_relief(fitted, photos, offset, intensity)
    correction = torch.zeros_like(fitted.slopes)
    for _ in range(_ROUNDS):
        correction = _corrected(even, correction, photos, offset, intensity)
    low, high = torch.aminmax(even.roughness)
    roughness = level(even.roughness, photos.points).clamp(low, high)
    return replace(even, slopes=level(even.slopes + correction, photos.points), roughness=roughness)


def level(pixels: Tensor, points: Tensor) -> Tensor:
    """Take out of (C, H, W) what a polynomial in the place (2, H, W) explains, but for the mean."""
    x, y = (points / points.abs().max()).double().flatten(1)
    terms = [x.pow(i) * y.pow(j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    basis, values = torch.stack(terms, 1), pixels.double().flatten(1).T
    slow = basis @ torch.linalg.solve(basis.T @ basis, basis.T @ values)
    even: Tensor = (values - slow + slow.mean(0)).T.reshape(pixels.shape).float()
    return even


def residual(fitted: Fitted, photos: Photos, offset: Tensor, intensity: float) -> Tensor:
    """Return how far the rendering's tone is below the photo's, (H, W); 0 where the photo cannot tell."""
    off = _tone(photos.flash.flatten(1)) - _tone(radiance(fitted.texels(), photos.points.flatten(1), offset, intensity))
    off = off.reshape(photos.size)
    off = torch.where(photos.clipped, off.clamp_min(0), off)
    return torch.where(photos.seen, off, 0.0)


def relief_part(slopes: Tensor) -> Tensor:
    """Return the nearest slopes (2, H, W) that a relief has which need not tile: it is mirrored at the edges."""
    return gradients(mirrored(slopes))[:, : slopes.shape[1], : slopes.shape[2]].contiguous()


def _as_relief(fitted: Fitted, photos: Photos, offset: Tensor, intensity: float) -> Fitted:
    """Take out of the slopes what no relief has, as far as the photograph does not object: edges have no relief."""
    relief = relief_part(fitted.slopes)
    shares = (0.0, 0.5, 1.0)
    losses = []
    for share in shares:
        off = residual(fitted.with_slopes(torch.lerp(fitted.slopes, relief, share)), photos, offset, intensity)
        losses.append(off.abs().clamp_max(0.2).mean().item())
    bend = losses[0] - 2 * losses[1] + losses[2]
    best = 1.0 if losses[2] <= losses[0] else 0.0
    if bend > 0:
        best = min(1.0, max(0.0, 0.5 + 0.25 * (losses[0] - losses[2]) / bend))
    return fitted.with_slopes(torch.lerp(fitted.slopes, relief, best))


def _corrected(fitted: Fitted, before: Tensor, photos: Photos, offset: Tensor, intensity: float) -> Tensor:
    """Return the next correction of the slopes, (2, H, W), linearized at the one before."""
    here = fitted.with_slopes(fitted.slopes + before)
    off = residual(here, photos, offset, intensity).clamp(-0.3, 0.3)
    off = off - blurred_widely(off[None], max(photos.size) / _LOCAL, repeat=False)[0]
    by_slope, by_albedo, by_gloss = _sensitivities(here, photos, offset, intensity)
    variance = _NOISE**2 + (_ALBEDO_ERROR * by_albedo).square() + (_ROUGHNESS_ERROR * by_gloss).square()
    weight = photos.seen / (variance + (off / _TRUSTED).square())
    wanted = off + (by_slope * before).sum(0)
    return relief_correction(by_slope, weight, wanted).clamp(-_STEEPEST, _STEEPEST)


def _sensitivities(
    fitted: Fitted, photos: Photos, offset: Tensor, intensity: float, step: float = 0.01
) -> tuple[Tensor, Tensor, Tensor]:
    """Return how tone changes with slopes (2, H, W), with log albedo and with roughness, (H, W) each."""
    texels, points = fitted.texels(), photos.points.flatten(1)

    def shown(changed: Texels) -> Tensor:
        return _tone(radiance(changed, points, offset, intensity))

    axes = torch.eye(2)[:, :, None] * step
    base = shown(texels)
    slopes = torch.stack([shown(replace(texels, slopes=texels.slopes + axis)) for axis in axes])
    brighter = shown(replace(texels, diffuse=texels.diffuse * math.exp(step), f0=texels.f0))
    rougher = shown(replace(texels, alpha=(texels.alpha.sqrt() + step).square()))
    changes = [(one - base) / step for one in (slopes, brighter, rougher)]
    height, width = photos.size
    return changes[0].reshape(2, height, width), changes[1].reshape(height, width), changes[2].reshape(height, width)


def _tone(light: Tensor) -> Tensor:
    return tone((light * light.new_tensor(_LUMINANCE)[:, None]).sum(0))


def relief_correction(by_slope: Tensor, weight: Tensor, wanted: Tensor) -> Tensor:
    """Return the slopes g (2, H, W) of the relief that minimizes Σ weight (by_slope·g − wanted)² + |g|² / error².

    By conjugate gradients on the heights; the inverse of the Laplacian on the torus makes few iterations do.
    """
    precision = 1 / _SLOPE_ERROR**2
    mean = precision + (weight * by_slope.square().sum(0)).mean() / 2
    inverse = _inverse_laplacian(weight.shape) / mean

    def system(height: Tensor) -> Tensor:
        slopes = _slopes(height)
        return _slopes_transposed(precision * slopes + by_slope * (weight * (by_slope * slopes).sum(0)))

    def precondition(rest: Tensor) -> Tensor:
        solved: Tensor = torch.fft.irfft2(torch.fft.rfft2(rest) * inverse, s=rest.shape)
        return solved

    rest = _slopes_transposed(by_slope * (weight * wanted))
    height = torch.zeros_like(rest)
    direction = solved = precondition(rest)
    size = (rest * solved).sum()
    for _ in range(_ITERATIONS):
        if size < 1e-12:
            break
        ahead = system(direction)
        far = size / (direction * ahead).sum()
        height, rest = height + far * direction, rest - far * ahead
        solved = precondition(rest)
        size, last = (rest * solved).sum(), size
        direction = solved + size / last * direction
    return _slopes(height)


def _inverse_laplacian(size: torch.Size) -> Tensor:
    y, x = torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1])
    return 1 / (torch.sin(math.tau * y).square() + torch.sin(math.tau * x).square() + 1e-3)


def _slopes(height: Tensor) -> Tensor:
    """Return x/z and y/z of the normals of heights (H, W) in pixels: central differences, edges held."""
    padded = F.pad(height[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return torch.stack([padded[1:-1, :-2] - padded[1:-1, 2:], padded[2:, 1:-1] - padded[:-2, 1:-1]]) / 2


def _slopes_transposed(slopes: Tensor) -> Tensor:
    """Apply the transpose of `_slopes`."""
    x, y = slopes / 2
    height = torch.zeros_like(x)
    height[:, :-1] += x[:, 1:]
    height[:, 0] += x[:, 0]
    height[:, 1:] -= x[:, :-1]
    height[:, -1] -= x[:, -1]
    height[1:] += y[:-1]
    height[-1] += y[-1]
    height[:-1] -= y[1:]
    height[0] -= y[0]
    return height
