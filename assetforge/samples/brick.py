"""A brick wall in running bond."""

from __future__ import annotations

import torch

from assetforge.material.material import Material
from assetforge.samples.noise import coordinates, noise, per_cell, smoothstep
from assetforge.samples.surface import OVERSAMPLING, blend, material, ramp

ROWS, COLUMNS = 8, 4


def brick(size: int) -> Material:
    """Make the wall: fired clay, each brick of its own shade, worn edges, sandy mortar."""
    side = size * OVERSAMPLING
    y, x = coordinates(side)
    wobble = [0.02 * noise(side, seed, (8, 8), 3) for seed in (1, 2)]
    v = y * ROWS + wobble[0] * 0.6
    row = v.floor()
    u = x * COLUMNS + 0.5 * (row % 2) + wobble[1] * 0.3
    column = u.floor()
    cell = (row.long() % ROWS) * COLUMNS + column.long() % COLUMNS

    # Distance to the nearest joint, in units of a brick's height; bricks are twice as wide as high.
    edge = torch.minimum(torch.minimum(v - row, row + 1 - v), 2 * torch.minimum(u - column, column + 1 - u))
    grit, lumps = noise(side, 3, (64, 64), 3, 0.7), noise(side, 4, (12, 12), 5)
    chips = 0.025 * lumps.clamp_min(0)
    body = smoothstep(0.045, 0.11, edge - chips)
    pits = smoothstep(1.3, 2.2, noise(side, 5, (40, 40), 3))

    tilt = 0.06 * (per_cell(cell, 6) - 0.5)
    face = 0.78 + tilt + 0.02 * lumps + 0.012 * grit - 0.12 * pits
    mortar = 0.3 + 0.03 * grit + 0.02 * lumps
    height = torch.lerp(mortar, face, body)

    shade = per_cell(cell, 7) * 0.75 + 0.12 + 0.09 * lumps + 0.05 * grit
    clay = ramp(shade, (0.28, 0.13, 0.10), (0.48, 0.21, 0.15), (0.61, 0.30, 0.20), (0.70, 0.43, 0.30))
    clay = blend(clay, ramp(pits, (0.2, 0.1, 0.08), (0.2, 0.1, 0.08)), 0.6 * pits)
    worn = smoothstep(0.16, 0.08, edge - chips) * smoothstep(-0.5, 1.5, lumps)
    clay = blend(clay, ramp(shade, (0.62, 0.40, 0.31), (0.74, 0.55, 0.44)), 0.5 * worn)
    sand = ramp(0.5 + 0.18 * grit + 0.12 * lumps, (0.42, 0.39, 0.35), (0.60, 0.57, 0.52), (0.70, 0.67, 0.61))
    roughness = torch.lerp(0.92 + 0.03 * grit, 0.74 + 0.06 * lumps + 0.12 * pits, body)
    return material("brick", blend(sand, clay, body), height, roughness, 0.022)
