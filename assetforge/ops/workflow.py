"""Metalness workflow and specular workflow: the same surface told in two ways, as `ops.surface` reads both."""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.surface import DIELECTRIC

_PERCEIVED = (0.299, 0.587, 0.114)
_LEAST = 1e-6


def to_specular(base: Tensor, metalness: Tensor, tint: Tensor | float = 1.0) -> tuple[Tensor, Tensor]:
    """Return the diffuse albedo and the reflectance at normal incidence, (3, H, W) each.

    base: color, (3, H, W); metalness: (1, H, W); tint: of the reflection of what is no metal.
    """
    return base * (1 - metalness), DIELECTRIC * tint * (1 - metalness) + base * metalness


def to_metalness(diffuse: Tensor, specular: Tensor) -> tuple[Tensor, Tensor]:
    """Return base color (3, H, W) and metalness (1, H, W) of a diffuse and a specular albedo.

    By the perceived brightness d of the diffuse part and f of the specular one, metalness m solves
    0.04 m² + (d + f − 0.08) m + 0.04 − f = 0, which is what `to_specular` makes of it (Khronos Group, "Converting
    between workflows", KHR_materials_pbrSpecularGlossiness). The color is that of the diffuse part where m is small and
    that of the specular one where it is large. What reflects less than 0.04 is no metal.
    """
    bright, shine = _perceived(diffuse.double()), _perceived(specular.double())
    linear = bright + shine - 2 * DIELECTRIC
    root = (linear.square() - 4 * DIELECTRIC * (DIELECTRIC - shine)).clamp_min(0).sqrt()
    metalness = ((root - linear) / (2 * DIELECTRIC)).clamp(0, 1)
    metalness = torch.where(shine < DIELECTRIC, 0.0, metalness)
    of_diffuse = diffuse / (1 - metalness).clamp_min(_LEAST)
    of_specular = (specular - DIELECTRIC * (1 - metalness)) / metalness.clamp_min(_LEAST)
    base = of_diffuse + (of_specular - of_diffuse) * metalness.square()
    return base.clamp(0, 1).float(), metalness.float()


def _perceived(rgb: Tensor) -> Tensor:
    weights = rgb.new_tensor(_PERCEIVED).view(3, 1, 1)
    return (rgb.square() * weights).sum(0, keepdim=True).sqrt()
