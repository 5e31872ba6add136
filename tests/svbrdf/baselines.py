"""What tools do without stationarity: flat maps, height from brightness, and a fit of each pixel by itself."""

from __future__ import annotations

import math

import cv2
import torch
from svbrdf.measures import Maps, measure, tilted
from svbrdf.synthetic import CAMERA, Pair
from torch import Tensor

from assetforge.ops.brdf import Surface, co_located, unit
from assetforge.ops.color import srgb_encode
from assetforge.ops.render import positions


def blur(pixels: Tensor, sigma: float) -> Tensor:
    """Blur (C, H, W) by a Gaussian; edges are mirrored."""
    planes = [cv2.GaussianBlur(plane.numpy(), (0, 0), sigma, borderType=cv2.BORDER_REFLECT) for plane in pixels]
    return torch.stack([torch.from_numpy(plane) for plane in planes])


def flattened(guide: Tensor) -> Tensor:
    """Take the slow part out of a guide."""
    slow = blur(guide.clamp_min(0.01).log(), max(guide.shape) / 6).exp()
    return guide / slow * guide.mean((1, 2), keepdim=True)


def _albedo(pair: Pair) -> Tensor:
    """The guide's colors, as bright as the flash says that they are."""
    guide = flattened(pair.guide)
    points = positions((guide.shape[1], guide.shape[2]), pair.fov)
    far = (points[:2].square().sum(0, keepdim=True) + 1).pow(1.5)
    level = (pair.flash * math.pi * far / pair.intensity).flatten(1).median(1).values
    return (guide / guide.mean((1, 2), keepdim=True) * level[:, None, None]).clamp(0.005, 1)


def flat(pair: Pair) -> Maps:
    """The guide, level, roughness a half."""
    albedo = _albedo(pair)
    normal = torch.zeros_like(albedo)
    normal[2] = 1
    return Maps(albedo, normal, torch.full_like(albedo[:1], 0.5))


def naive(pair: Pair, strength: float = 24.0) -> Maps:
    """Take brightness for height, as Materialize and its like do."""
    level = srgb_encode(flattened(pair.guide)).mean(0, keepdim=True)
    height = sum(blur(level, sigma) for sigma in (1, 2, 4, 8)) / 4
    height = height - blur(height, 24)
    x, y = torch.zeros_like(height), torch.zeros_like(height)
    x[:, :, 1:-1] = (height[:, :, :-2] - height[:, :, 2:]) / 2
    y[:, 1:-1] = (height[:, 2:] - height[:, :-2]) / 2
    return Maps(_albedo(pair), tilted(strength * torch.cat([x, y])), torch.full_like(height, 0.5))


def best_naive(pair: Pair) -> Maps:
    """Choose the strength that renders best: nobody can, without the truth."""
    tries = [naive(pair, strength) for strength in (-24, -6, 3, 6, 12, 24)]
    return min(tries, key=lambda maps: measure(maps, pair, every=4).render)


def plain(pair: Pair, steps: int = 60) -> Maps:
    """Fit each pixel to its own two values, with the same priors, by Adam: no pixel learns from another."""
    guide = flattened(pair.guide)
    points = positions((guide.shape[1], guide.shape[2]), pair.fov)
    way = torch.tensor(CAMERA)[:, None, None] - points
    view, irradiance = unit(way), pair.intensity / way.square().sum(0, keepdim=True)
    albedo = _albedo(pair).clamp(0.01, 0.95).logit().requires_grad_()
    slopes = torch.zeros_like(guide[:2]).requires_grad_()
    rough = torch.zeros_like(guide[:1]).requires_grad_()
    shade = torch.zeros(3, 1, 1).requires_grad_()
    rates = (0.06, 0.03, 0.09, 0.06)
    groups = [{"params": [p], "lr": rate} for p, rate in zip((albedo, slopes, rough, shade), rates, strict=True)]
    adam = torch.optim.Adam(groups)
    log_guide, seen = guide.clamp_min(0.01).log(), _tone(pair.flash)
    for step in range(steps):
        if step > 0.6 * steps:
            for group in adam.param_groups:
                group["lr"] *= 0.93
        base, gloss = albedo.sigmoid(), 0.05 + 0.95 * rough.sigmoid()
        normal = unit(torch.cat([slopes, torch.ones_like(rough)]))
        surface = Surface(base, torch.full((1, 1, 1), 0.04), normal, gloss.square())
        radiance = co_located(surface, view) * (normal * view).sum(0, keepdim=True).clamp_min(0) * irradiance
        off = _tone(radiance) - seen
        off = torch.where(pair.flash >= 0.97, off.clamp_max(0), off)
        detail = base.log() - log_guide - shade
        curl = (slopes[0, 1:, :-1] - slopes[0, :-1, :-1]) + (slopes[1, :-1, 1:] - slopes[1, :-1, :-1])
        loss = (off.square() + 1e-4).sqrt().mean() + 0.03 * _variation(gloss) + 0.004 * _variation(slopes)
        loss = loss + 0.05 * curl.abs().mean() + 0.03 * detail.abs().mean() + 0.08 * _variation(detail)
        loss = loss + 0.002 * slopes.square().mean() + 0.5 * slopes.mean((1, 2)).square().sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        return Maps(albedo.sigmoid(), tilted(slopes), 0.05 + 0.95 * rough.sigmoid())


def _tone(light: Tensor) -> Tensor:
    return (light.clamp_min(0) + 1e-3).sqrt()


def _variation(pixels: Tensor) -> Tensor:
    return pixels.diff(dim=1).abs().mean() + pixels.diff(dim=2).abs().mean()
