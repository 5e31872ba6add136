"""How far the maps of a capture are from the truth, and how they look under lights that were not there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from svbrdf.synthetic import Pair
from torch import Tensor

from assetforge.ops.brdf import Surface, unit
from assetforge.ops.color import srgb_encode
from assetforge.ops.normals import normalize
from assetforge.ops.render import PointLight, Sun, Vector, positions, render

BLOCK = 16


@dataclass(frozen=True, eq=False)
class Maps:
    """What a method makes of a pair: linear albedo (3, H, W), slopes' normals (3, H, W), roughness (1, H, W)."""

    albedo: Tensor
    normal: Tensor
    roughness: Tensor
    f0: Tensor | float = 0.04

    @property
    def surface(self) -> Surface:
        f0 = self.f0 if isinstance(self.f0, Tensor) else torch.full((1, 1, 1), self.f0)
        return Surface(self.albedo, f0, self.normal, self.roughness.square())


@dataclass(frozen=True)
class Measures:
    """`render` and `block` in sRGB, `angle` in degrees."""

    render: float
    block: float
    angle: float
    slope: float
    roughness: float
    roughness_r: float
    albedo: float


def novel_lights(intensity: float) -> list[tuple[Vector, PointLight | Sun]]:
    """Return cameras and lights, none of which the solver has seen: half near, half far away and from aside."""
    points = [(0.3, 0.5, 0.8), (1.3, 0.9, 0.8), (1.9, 0.7, 0.7), (3.4, 0.6, 1.0), (4.2, 0.8, 0.9), (5.0, 1.0, 0.6)]
    far = [(0.8, 35), (1.7, 55), (2.5, 35), (3.3, 55), (4.1, 35), (5.4, 45)]
    near: list[tuple[Vector, PointLight | Sun]] = [
        ((0.0, 0.0, 2.0), PointLight((math.cos(turn) * r, math.sin(turn) * r, z), intensity)) for turn, r, z in points
    ]
    for turn, elevation in far:
        direction = (math.cos(turn), math.sin(turn), math.tan(math.radians(elevation)))
        near.append(((0.3, -0.4, 1.2), Sun(direction, 0.6 * intensity)))
    return near


@lru_cache(maxsize=2)
def _true_views(pair: Pair) -> list[Tensor]:
    size = (pair.flash.shape[1], pair.flash.shape[2])
    points = positions(size, pair.fov)
    lights = novel_lights(pair.intensity)
    return [srgb_encode(pair.seen(points, camera, light)).clamp_max(1) for camera, light in lights]


def measure(maps: Maps, pair: Pair, every: int = 1) -> Measures:
    """Compare with the truth, under all lights or every n-th."""
    truth = pair.truth
    points = positions((truth.albedo.shape[1], truth.albedo.shape[2]), pair.fov)
    errors, blocks = [], []
    for (camera, light), true in list(zip(novel_lights(pair.intensity), _true_views(pair), strict=True))[::every]:
        made = srgb_encode(render(maps.surface, points, camera, light)).clamp_max(1)
        square = (made - true).square().mean(0, keepdim=True)
        errors.append(square.mean().sqrt().item())
        blocks.append(torch.nn.functional.avg_pool2d(square, BLOCK).sqrt().flatten())
    cosine = (maps.normal * truth.normal).sum(0).clamp(-1, 1)
    return Measures(
        sum(errors) / len(errors),
        torch.cat(blocks).quantile(0.99).item(),
        torch.rad2deg(torch.acos(cosine)).mean().item(),
        correlation(maps.normal[:2], truth.normal[:2]),
        rmse(maps.roughness, truth.roughness),
        correlation(maps.roughness, truth.roughness),
        rmse(srgb_encode(maps.albedo).clamp_max(1), srgb_encode(truth.albedo)),
    )


def rmse(first: Tensor, second: Tensor) -> float:
    return (first - second).square().mean().sqrt().item()


def correlation(first: Tensor, second: Tensor) -> float:
    """Return Pearson's r of all values; 0 where one of them is constant."""
    first, second = first.flatten().double(), second.flatten().double()
    if min(first.std(), second.std()) < 1e-6:
        return 0.0
    return torch.corrcoef(torch.stack([first, second]))[0, 1].item()


def geometric(values: list[float]) -> float:
    return math.exp(sum(math.log(max(value, 1e-9)) for value in values) / len(values))


def relit(surface: Surface, fov: float, intensity: float, number: int = 1) -> Tensor:
    """Return a picture under one of the novel lights, sRGB (3, H, W)."""
    size = (surface.normal.shape[1], surface.normal.shape[2])
    camera, light = novel_lights(intensity)[number]
    return srgb_encode(render(surface, positions(size, fov), camera, light)).clamp(0, 1)


def tilted(slopes: Tensor) -> Tensor:
    """Return normals of x/z and y/z, (2, H, W)."""
    return normalize(torch.cat([slopes, torch.ones_like(slopes[:1])]))


def toward(camera: Vector, points: Tensor) -> Tensor:
    return unit(torch.tensor(camera)[:, None, None] - points)
