"""Painted steel plates with rivets, scratches and rust at the edges."""

from __future__ import annotations

import torch

from assetforge.material.material import Material
from assetforge.samples.noise import coordinates, noise, per_cell, smoothstep
from assetforge.samples.surface import OVERSAMPLING, blend, material, ramp

PLATES = 2
"""To a side."""
RIVETS = 5
"""Along a plate's side."""


def metal(size: int) -> Material:
    """Make the hull."""
    side = size * OVERSAMPLING
    y, x = coordinates(side)
    v, u = (y * PLATES + 0.5) % PLATES, (x * PLATES + 0.5) % PLATES  # so that no gap lies on the edge
    plate = (v.floor().long() % PLATES) * PLATES + u.floor().long() % PLATES
    down, across = v - v.floor(), u - u.floor()
    edge = torch.minimum(torch.minimum(down, 1 - down), torch.minimum(across, 1 - across))
    grit, lumps = noise(side, 81, (64, 64), 3, 0.7), noise(side, 82, (6, 6), 6, 0.6)

    near_row = torch.minimum((down - 0.08).abs(), (1 - down - 0.08).abs())
    near_column = torch.minimum((across - 0.08).abs(), (1 - across - 0.08).abs())
    along_x, along_y = (((t - 0.08) / 0.84 * RIVETS) for t in (across, down))
    to_x, to_y = (((t - t.round()) * 0.84 / RIVETS) for t in (along_x, along_y))
    inside = (edge > 0.04).float()
    distance = torch.minimum(torch.hypot(near_row, to_x), torch.hypot(near_column, to_y))
    rivet = smoothstep(0.026, 0.016, distance) * inside
    ring = smoothstep(0.040, 0.026, distance) * inside

    gap = smoothstep(0.014, 0.006, edge)
    scratches = smoothstep(0.035, 0.0, noise(side, 83, (3, 48), 2).abs()) * smoothstep(0.6, 1.4, lumps + 0.3 * grit)
    wear = smoothstep(0.5, 1.1, lumps * 0.7 + 0.25 * grit + 1.5 * smoothstep(0.06, 0.0, edge) + 0.6 * rivet - 0.35)
    rust = smoothstep(0.9, 1.7, lumps * 0.6 + 0.4 * grit + 1.1 * smoothstep(0.08, 0.0, edge) + 0.5 * (ring - rivet))

    shade = 0.35 + 0.3 * per_cell(plate, 84) + 0.06 * lumps + 0.03 * grit
    paint = ramp(shade, (0.20, 0.27, 0.26), (0.33, 0.42, 0.40), (0.46, 0.54, 0.50))
    paint = paint * (1 - 0.35 * (ring - rivet).clamp_min(0))
    steel = ramp(0.5 + 0.2 * grit, (0.52, 0.52, 0.53), (0.68, 0.68, 0.67))
    oxide = ramp(0.5 + 0.25 * grit + 0.1 * lumps, (0.21, 0.10, 0.05), (0.41, 0.20, 0.09), (0.55, 0.31, 0.14))
    bare = torch.maximum(wear, 0.8 * scratches)
    color = blend(blend(paint, steel, bare), oxide, rust)
    color = blend(color, torch.full_like(color, 0.06), 0.9 * gap)

    height = 0.55 + 0.25 * rivet - 0.04 * (ring - rivet).clamp_min(0) + 0.015 * lumps - 0.03 * bare + 0.04 * rust * grit
    height = height * (1 - gap) + 0.2 * gap
    roughness = torch.lerp(torch.lerp(0.46 + 0.05 * lumps, 0.32 + 0.05 * grit, bare), 0.88 + 0.04 * grit, rust)
    metalness = bare * (1 - rust) * (1 - gap)
    return material("metal", color, height, roughness, 0.02, metalness)
