"""A two-colored twill."""

from __future__ import annotations

import math

import torch

from assetforge.material.material import Material
from assetforge.samples.noise import coordinates, noise, per_cell, smoothstep
from assetforge.samples.surface import OVERSAMPLING, material, ramp

THREADS = 32
"""To a side; a multiple of the weave's period of 4."""
TWIST = 3
"""Strands that show along one thread cell."""


def fabric(size: int) -> Material:
    """Make the cloth: blue warp over and under cream weft, two by two, with loose fibers."""
    side = size * OVERSAMPLING
    y, x = coordinates(side)
    sway = [0.12 * noise(side, seed, (6, 6), 3) for seed in (71, 72)]
    v, u = y * THREADS + sway[0], x * THREADS + sway[1]
    row, column = v.floor().long() % THREADS, u.floor().long() % THREADS
    down, across = v - v.floor(), u - u.floor()
    warp_on_top = (row + column) % 4 < 2

    # A thread is a cylinder across, and dives where it goes under.
    warp_round = torch.sqrt((1 - (2 * across - 1) ** 2).clamp_min(0))
    weft_round = torch.sqrt((1 - (2 * down - 1) ** 2).clamp_min(0))
    warp_dive = 0.5 + 0.5 * torch.cos((v + u.floor() - 0.5 - 0.5) * math.tau / 4)
    weft_dive = 0.5 + 0.5 * torch.cos((u + v.floor() - 0.5 - 2.5) * math.tau / 4)
    along = torch.where(warp_on_top, v, u)
    over = torch.where(warp_on_top, across, down)
    round_ = torch.where(warp_on_top, warp_round, weft_round)
    dive = torch.where(warp_on_top, warp_dive, weft_dive)
    strands = 0.5 + 0.5 * torch.sin((over * 2 + along * TWIST / 2) * math.tau)
    fuzz = noise(side, 73, (96, 96), 3, 0.8)

    height = 0.15 + 0.45 * round_ + 0.2 * dive + 0.06 * strands * round_ + 0.02 * fuzz
    thread = torch.where(warp_on_top, per_cell(column, 74), per_cell(row, 75))
    shade = 0.35 + 0.3 * thread + 0.18 * strands + 0.06 * fuzz + 0.15 * (round_ - 0.6)
    warp = ramp(shade, (0.07, 0.12, 0.22), (0.14, 0.24, 0.42), (0.28, 0.42, 0.62))
    weft = ramp(shade, (0.50, 0.45, 0.36), (0.72, 0.67, 0.56), (0.88, 0.84, 0.74))
    color = torch.where(warp_on_top[None], warp, weft)
    color = color * (0.35 + 0.65 * smoothstep(0.05, 0.75, round_ * (0.6 + 0.4 * dive)))
    roughness = 0.82 - 0.08 * strands + 0.03 * fuzz
    return material("fabric", color, height, roughness, 0.02)
