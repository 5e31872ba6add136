"""From a material's maps to what a renderer asks of a surface."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Texture
from assetforge.ops.brdf import Surface

DIELECTRIC = 0.04
"""Reflectance at normal incidence of what is no metal, in glTF 2.0."""
SHOWN = frozenset({
    "base_color", "metalness", "specular_color", "diffuse_albedo", "specular_albedo", "roughness", "glossiness",
    "normal", "anisotropy", "anisotropy_direction", "ambient_occlusion",
})  # fmt: skip
"""The maps that say how a surface looks."""


def surface_of(material: Mapping[str, Texture]) -> Surface:
    """Return how a material whose maps have one size reflects light; a map that is missing is neutral.

    With `diffuse_albedo` the maps of a two-shot capture are taken, else those of glTF: base color and metalness.
    The strength of anisotropy is that of KHR_materials_anisotropy; `anisotropy_direction`, (x, y, 0), is where
    highlights are stretched to, to the right where there is none.
    """
    data = {name: texture.data for name, texture in material.items()}
    like = next(iter(data.values()))
    diffuse, f0 = _reflectances(data, like)
    roughness = data["roughness"] if "roughness" in data else 1 - _map("glossiness", data, like)
    alpha, tangent = roughness.square(), None
    if "anisotropy" in data:
        alpha = torch.cat([torch.lerp(alpha, torch.ones_like(alpha), data["anisotropy"].square()), alpha])
        right = like.new_tensor([1.0, 0.0]).view(2, 1, 1).expand(2, *like.shape[1:])
        tangent = data["anisotropy_direction"][:2] if "anisotropy_direction" in data else right
    return Surface(diffuse, f0, _map("normal", data, like), alpha, tangent)


def _reflectances(data: Mapping[str, Tensor], like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the diffuse albedo, and the reflectance at normal incidence."""
    if "diffuse_albedo" in data:
        return data["diffuse_albedo"], _map("specular_albedo", data, like)
    base, metalness = _map("base_color", data, like), _map("metalness", data, like)
    return base * (1 - metalness), torch.lerp(DIELECTRIC * _map("specular_color", data, like), base, metalness)


def _map(name: str, data: Mapping[str, Tensor], like: Tensor) -> Tensor:
    if name in data:
        return data[name]
    spec = MAPS[name]
    return like.new_tensor(spec.neutral).view(-1, 1, 1).expand(spec.channels, *like.shape[1:])
