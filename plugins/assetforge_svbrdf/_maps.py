"""From fitted parameters to the maps of a material."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.heights import integrated
from assetforge.ops.normals import normalize, of_slopes
from assetforge_svbrdf._surface import Fitted

_COLORS = ("diffuse_albedo", "specular_albedo", "base_color")
_LEAST_STRETCH = 0.02


def maps_of(fitted: Fitted, *, metal: bool) -> dict[str, Tensor]:
    """Return all maps but the height, (C, H, W) each.

    Anisotropy is as in KHR_materials_anisotropy: roughness is that across the stretch of the highlight, strength² is
    how far the width along it is toward 1, and the direction is that of the stretch. Of the two opposite ones that mean
    the same, it is everywhere the one nearer to the whole surface's own, so that neighbors may be averaged.
    """
    alpha = fitted.roughness.square()
    strength, direction = torch.zeros_like(alpha), _flat_direction(alpha)
    if fitted.stretch is not None:
        size = fitted.stretch.square().sum(0, keepdim=True).sqrt()
        along, alpha = (alpha * size.exp()).clamp(0, 1), (alpha * (-size).exp()).clamp(0, 1)
        strength = ((along - alpha) / (1 - alpha).clamp_min(1e-3)).clamp(0, 1).sqrt()
        whole = _along(fitted.stretch.mean((1, 2), keepdim=True))
        turned = _along(fitted.stretch)
        turned = torch.where((turned * whole).sum(0, keepdim=True) < 0, -turned, turned)
        direction = torch.where(size > _LEAST_STRETCH, turned, whole)
    rough = alpha.sqrt()
    return {
        "diffuse_albedo": fitted.diffuse,
        "specular_albedo": fitted.f0.clamp(0, 1),
        "base_color": (fitted.f0 if metal else fitted.diffuse).clamp(0, 1),
        "metalness": torch.full_like(rough, float(metal)),
        "normal": of_slopes(fitted.slopes),
        "roughness": rough,
        "glossiness": 1 - rough,
        "anisotropy": strength,
        "anisotropy_direction": direction,
    }


def with_height(maps: Mapping[str, Tensor], *, repeat: bool) -> tuple[dict[str, Tensor], float]:
    """Return maps with the height that their normals have, 0 to 1, and its range in pixels."""
    normal = maps["normal"]
    height = integrated(normal[:2] / normal[2:].clamp_min(0.1), repeat=repeat)
    lowest, highest = torch.aminmax(height)
    scale = (highest - lowest).clamp_min(1e-6)
    return {**maps, "height": (height - lowest) / scale}, scale.item()


def textures(maps: Mapping[str, Tensor], wrap: af.Wrap) -> dict[str, af.Texture]:
    """Return textures of maps by their names."""
    made = {}
    for key, pixels in maps.items():
        space = af.ColorSpace.LIN_REC709 if key in _COLORS else af.ColorSpace.NONE
        data = normalize(pixels) if key in ("normal", "anisotropy_direction") else pixels
        made[key] = af.Texture(data.float().contiguous(), space, wrap)
    return made


def _along(stretch: Tensor) -> Tensor:
    """Return the direction (3, H, W) of a stretch (2, H, W), which has twice its angle."""
    angle = torch.atan2(stretch[1], stretch[0]) / 2
    return torch.stack([torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)])


def _flat_direction(like: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(like), torch.zeros_like(like), torch.zeros_like(like)])
