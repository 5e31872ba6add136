"""Rounded cobblestones with moss and dirt between them."""

from __future__ import annotations

import torch

from assetforge.material.material import Material
from assetforge.samples.noise import noise, per_cell, smoothstep, voronoi
from assetforge.samples.surface import OVERSAMPLING, blend, material, ramp

COUNT = 6


def stone(size: int) -> Material:
    """Make the pavement."""
    side = size * OVERSAMPLING
    warp = torch.stack([0.10 * noise(side, seed, (7, 7), 4) for seed in (11, 12)])
    cell, _, edge = voronoi(side, 13, COUNT, warp)
    lumps, grit = noise(side, 14, (10, 10), 6, 0.6), noise(side, 15, (48, 48), 4, 0.7)
    dome = smoothstep(0.03, 0.22, edge)
    body = smoothstep(0.035, 0.07, edge)
    cracks = smoothstep(0.06, 0.0, noise(side, 16, (5, 5), 6, 0.55).abs()) * smoothstep(0.2, 0.8, per_cell(cell, 17))

    top = 0.55 + 0.3 * dome + 0.1 * (per_cell(cell, 18) - 0.5) + 0.035 * lumps + 0.012 * grit - 0.05 * cracks
    ground = 0.28 + 0.03 * grit + 0.03 * lumps
    height = torch.lerp(ground, top, body)

    shade = 0.15 + 0.6 * per_cell(cell, 19) + 0.10 * lumps + 0.07 * grit - 0.25 * cracks
    rock = ramp(shade, (0.25, 0.25, 0.26), (0.42, 0.41, 0.40), (0.57, 0.55, 0.52), (0.68, 0.65, 0.60))
    warm = per_cell(cell, 20)
    rock = rock * torch.stack([1 + 0.08 * (warm - 0.5), torch.ones_like(warm), 1 - 0.12 * (warm - 0.5)])
    rock = rock * (0.72 + 0.28 * dome)
    damp = noise(side, 21, (3, 3), 4)
    soil = ramp(0.5 + 0.2 * grit, (0.15, 0.12, 0.09), (0.27, 0.22, 0.16))
    moss = ramp(0.5 + 0.25 * grit, (0.13, 0.18, 0.06), (0.25, 0.32, 0.10), (0.36, 0.42, 0.16))
    growth = smoothstep(-0.2, 0.6, damp + 0.4 * grit)
    color = blend(blend(soil, moss, growth), rock, body)
    color = blend(color, moss, growth * smoothstep(0.16, 0.05, edge) * smoothstep(0.0, 0.8, damp + 0.5 * grit))
    roughness = torch.lerp(0.95 + 0.02 * grit, 0.62 + 0.08 * lumps + 0.05 * grit, body)
    return material("stone", color, height, roughness, 0.06)
