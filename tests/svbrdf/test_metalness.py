"""The specular workflow becomes the metallic one, and means the same surface."""

from __future__ import annotations

import torch
from assetforge_svbrdf._metalness import DIELECTRIC, converted, metallic

import assetforge as af


def specular_workflow(base: torch.Tensor, metal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Diffuse and specular color of the same surface, by the equations that the conversion solves."""
    specular = DIELECTRIC * (1 - metal) + base * metal
    diffuse = base * (1 - DIELECTRIC) * (1 - metal) / (1 - specular.amax(0, keepdim=True)).clamp_min(1e-6)
    return diffuse, specular


def test_grays_come_back_as_they_were() -> None:
    gray, metal = torch.meshgrid(torch.linspace(0.1, 0.9, 9), torch.linspace(0, 1, 11), indexing="ij")
    base = gray.expand(3, -1, -1)
    found, found_metal = metallic(*specular_workflow(base, metal[None]))
    assert (found_metal - metal[None]).abs().max() < 1e-4
    assert (found - base).abs().max() < 1e-3


def test_gold_is_metal_and_brick_is_none() -> None:
    base = torch.tensor([[1.0, 0.45], [0.77, 0.2], [0.34, 0.1]])[:, None]
    found, metal = metallic(*specular_workflow(base, torch.tensor([[[1.0, 0.0]]])))
    assert metal[0, 0, 0] > 0.95
    assert metal[0, 0, 1] < 0.01
    assert (found - base).abs().max() < 0.05


def test_sizes_may_differ_and_alpha_stays() -> None:
    alpha = torch.rand(1, 8, 8)
    base = af.Texture(torch.rand(3, 8, 8), af.ColorSpace.LIN_REC709, "repeat", alpha)
    specular = af.Texture(torch.full((3, 4, 4), 0.04), af.ColorSpace.LIN_REC709)
    made = converted(af.Material("rock", {"base_color": base, "specular_color": specular}))
    assert made["metalness"].size == (8, 8)
    assert made["metalness"].data.max() < 1e-3
    assert made["base_color"].alpha is alpha
    assert (made["base_color"].data - base.data).abs().max() < 1e-3
