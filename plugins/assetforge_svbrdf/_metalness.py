"""From the specular workflow to the metallic one, by the formula of the Khronos Group's converter for glTF."""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.resample import matched

DIELECTRIC = 0.04
"""Reflectance of what is no metal."""
_TINY = 1e-6


def converted(material: af.Material) -> af.Material:
    """Return a material with base color and metalness in place of diffuse and specular color."""
    base = material["base_color"]
    specular = matched(material.only("base_color", "specular_color"), base.size)["specular_color"]
    color, metal = metallic(base.data, specular.data)
    metalness = af.Texture(metal, af.ColorSpace.NONE, base.wrap)
    return material.replace(base_color=base.with_data(color), metalness=metalness)


def metallic(diffuse: Tensor, specular: Tensor) -> tuple[Tensor, Tensor]:
    """Return base color (3, H, W) and metalness (1, H, W) of linear diffuse and specular color (3, H, W)."""
    left = 1 - specular.amax(0, keepdim=True)
    metal = _solve(_brightness(diffuse), _brightness(specular), left)
    dull = diffuse * left / ((1 - DIELECTRIC) * (1 - metal).clamp_min(_TINY))
    shiny = (specular - DIELECTRIC * (1 - metal)) / metal.clamp_min(_TINY)
    return dull.lerp(shiny, metal**2).clamp(0, 1), metal


def _solve(diffuse: Tensor, specular: Tensor, left: Tensor) -> Tensor:
    """Return the metalness m whose base color b has this diffuse (b (1 − m)) and specular (0.04 (1 − m) + b m)."""
    half = diffuse * left / (1 - DIELECTRIC) + specular - 2 * DIELECTRIC
    root = (half**2 - 4 * DIELECTRIC * (DIELECTRIC - specular)).clamp_min(0).sqrt()
    solved = ((root - half) / (2 * DIELECTRIC)).clamp(0, 1)
    return torch.where(specular < DIELECTRIC, torch.zeros_like(solved), solved)


def _brightness(color: Tensor) -> Tensor:
    weights = torch.tensor((0.299, 0.587, 0.114), dtype=color.dtype, device=color.device)
    return (color**2 * weights[:, None, None]).sum(0, keepdim=True).sqrt()
