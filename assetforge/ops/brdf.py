"""How surfaces reflect light: the microfacet model of glTF 2.0, differentiable.

A Lambertian base below a GGX specular lobe (Walter et al., "Microfacet Models for Refraction through Rough Surfaces",
2007) with the height-correlated masking and shadowing of Smith (Heitz, "Understanding the Masking-Shadowing Function in
Microfacet-Based BRDFs", 2014, eq. 99) and the Fresnel term of Schlick (1994), as in glTF 2.0, appendix B, and in
KHR_materials_anisotropy. All tensors have their channels first and any shape after them, which broadcasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SMOOTHEST = 2e-3
"""Least width of the lobe: below, it is narrower than any pixel sees."""
_GRAZING = 1e-4
"""Least cosine that is divided by."""


@dataclass(frozen=True, eq=False)
class Surface:
    """What a surface reflects.

    diffuse: (3, *), linear albedo of the base. f0: (1 or 3, *), reflectance at normal incidence. normal: (3, *), unit,
    +Y up. alpha: (1, *), or (2, *) along tangent and bitangent; the GGX width, which is roughness². tangent: (2, *),
    unit, the direction in the texture's plane along which the highlight is stretched; None where alpha is one.
    """

    diffuse: Tensor
    f0: Tensor
    normal: Tensor
    alpha: Tensor
    tangent: Tensor | None = None


def dot(first: Tensor, second: Tensor) -> Tensor:
    """Return the dot products of vectors (3, *): (1, *)."""
    return (first * second).sum(0, keepdim=True)


def unit(vectors: Tensor) -> Tensor:
    """Scale vectors (3, *) to length 1."""
    length: Tensor = torch.linalg.vector_norm(vectors, dim=0, keepdim=True)
    return vectors / length.clamp_min(1e-12)


def reflectance(surface: Surface, light: Tensor, view: Tensor) -> Tensor:
    """Return the BRDF (3, *) in 1/sr for unit directions to the light and to the viewer, (3, *); 0 from below.

    Multiply it by the irradiance, which has the cosine of the light, to get radiance.
    """
    half = unit(light + view)
    n_l, n_v = dot(surface.normal, light), dot(surface.normal, view)
    fresnel = surface.f0 + (1 - surface.f0) * (1 - dot(view, half).clamp(0, 1)).pow(5)
    lobe = _distribution(surface, half) * _visibility(surface, light, view)
    reflected = surface.diffuse / math.pi * (1 - fresnel) + lobe * fresnel
    return torch.where((n_l > 0) & (n_v > 0), reflected, 0.0)


def co_located(surface: Surface, direction: Tensor) -> Tensor:
    """Return the BRDF (3, *) where the light is at the viewer: one direction for light, view and half vector.

    What a camera sees by its own flash. Only an isotropic lobe has a form this short.
    """
    cosine = dot(surface.normal, direction).clamp_min(_GRAZING)
    square, width = cosine.square(), surface.alpha.clamp_min(SMOOTHEST).square()
    lobe = width / (math.pi * (square * (width - 1) + 1).square())
    visibility = 0.25 / (cosine * (square * (1 - width) + width).sqrt())
    return surface.diffuse / math.pi * (1 - surface.f0) + lobe * visibility * surface.f0


def _distribution(surface: Surface, half: Tensor) -> Tensor:
    """GGX: how many of the microfacets face a direction."""
    along, across, upward = _in_frame(surface, half)
    a_t, a_b = _widths(surface)
    stretched = (along / a_t).square() + (across / a_b).square() + upward.square()
    return 1 / (math.pi * a_t * a_b * stretched.square()) * (upward > 0)


def _visibility(surface: Surface, light: Tensor, view: Tensor) -> Tensor:
    """Smith, height-correlated, over 4 (n·l) (n·v)."""
    a_t, a_b = _widths(surface)
    lengths = []
    for direction in (light, view):
        along, across, upward = _in_frame(surface, direction)
        lengths.append((upward, ((a_t * along).square() + (a_b * across).square() + upward.square()).sqrt()))
    (n_l, to_light), (n_v, to_view) = lengths
    return 0.5 / (n_l.clamp_min(0) * to_view + n_v.clamp_min(0) * to_light).clamp_min(_GRAZING)


def _widths(surface: Surface) -> tuple[Tensor, Tensor]:
    alpha = surface.alpha.clamp_min(SMOOTHEST)
    return alpha[:1], alpha[-1:]


def _in_frame(surface: Surface, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the parts of vectors along tangent, bitangent and normal, (1, *) each."""
    normal = surface.normal
    upward = dot(normal, vectors)
    if surface.tangent is None:
        across = (dot(vectors, vectors) - upward.square()).clamp_min(0).sqrt()
        return torch.zeros_like(across), across, upward
    flat = torch.cat([surface.tangent, torch.zeros_like(surface.tangent[:1])])
    tangent = unit(flat - normal * dot(normal, flat))
    bitangent = torch.linalg.cross(normal.expand(tangent.shape), tangent, dim=0)
    return dot(tangent, vectors), dot(bitangent, vectors), upward
