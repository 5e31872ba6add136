"""Pictures of a flat surface as a camera above it sees it, under lights.

The surface lies in the plane z = 0, x to the right and y up, and the camera at (0, 0, 1) looks straight down: lengths
are in units of the camera's distance, and cancel out of everything but the strength of a light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge.ops.brdf import Surface, dot, reflectance, unit

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class PointLight:
    """A small lamp; its irradiance falls with the square of the distance."""

    position: Vector
    intensity: float = 1.0
    """Irradiance at distance 1 on a surface that faces it."""


@dataclass(frozen=True)
class Sun:
    """A lamp that is far away."""

    direction: Vector
    """Towards the light."""
    irradiance: float = 1.0


Light = PointLight | Sun
"""What shines on a surface."""


def positions(size: tuple[int, int], fov: float) -> Tensor:
    """Return where in the plane each pixel of a picture (height, width) lies: (3, H, W).

    fov: the angle that the camera sees along the longer side, in degrees.
    """
    height, width = size
    pixel = 2 * math.tan(math.radians(fov) / 2) / max(size)
    y, x = (torch.arange(side, dtype=torch.float32) + 0.5 - side / 2 for side in size)
    return torch.stack([
        (x * pixel).expand(height, width),
        (-y * pixel)[:, None].expand(height, width),
        torch.zeros(height, width),
    ])  # fmt: skip


def render(surface: Surface, points: Tensor, camera: Vector, light: Light) -> Tensor:
    """Return the radiance (3, *) that a camera receives from points (3, *) of a surface, per unit of the light."""
    view = unit(_vector(camera, points) - points)
    direction, irradiance = illumination(light, points)
    cosine = dot(surface.normal, direction).clamp_min(0)
    return reflectance(surface, direction, view) * cosine * irradiance


def illumination(light: Light, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit direction (3, *) from points to a light, and its irradiance (1, *) on what faces it."""
    if isinstance(light, Sun):
        direction = unit(_vector(light.direction, points)).expand(points.shape)
        return direction, torch.full_like(points[:1], light.irradiance)
    way = _vector(light.position, points) - points
    return unit(way), light.intensity / dot(way, way).clamp_min(1e-12)


def _vector(vector: Vector, like: Tensor) -> Tensor:
    return like.new_tensor(vector).reshape(3, *[1] * (like.ndim - 1))
