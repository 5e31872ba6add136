"""Planks with grain, knots and gaps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from assetforge.material.material import Material
from assetforge.samples.noise import coordinates, noise, per_cell, smoothstep
from assetforge.samples.surface import OVERSAMPLING, blend, material, ramp

PLANKS = 5
KNOTS = 2
"""To each plank."""


def wood(size: int) -> Material:
    """Make a floor of upright planks, each cut from another place of the tree."""
    side = size * OVERSAMPLING
    y, x = coordinates(side)
    plank = (x * PLANKS).floor().long() % PLANKS
    across = x * PLANKS - (x * PLANKS).floor()
    edge = torch.minimum(across, 1 - across)
    knot, bend = _knots(y, across, plank)

    drift = per_cell(plank, 31) * 7
    waves = 0.5 * noise(side, 32, (3, 10), 4) + 0.12 * noise(side, 33, (8, 40), 3)
    rings = across * 9 + drift + waves + bend
    band = 0.5 + 0.5 * torch.sin(rings * math.tau * 0.55)
    late = band**3  # dark late wood ends each year sharply
    fibers = noise(side, 34, (8, 128), 3, 0.8)
    pores = smoothstep(1.2, 2.0, noise(side, 35, (16, 200), 2, 0.8))

    shade = 0.30 + 0.30 * per_cell(plank, 36) + 0.07 * fibers - 0.30 * late + 0.05 * waves
    color = ramp(shade, (0.25, 0.14, 0.07), (0.45, 0.28, 0.15), (0.62, 0.42, 0.25), (0.74, 0.55, 0.36))
    color = blend(color, color * 0.5, 0.7 * pores)
    color = blend(color, ramp(knot, (0.30, 0.17, 0.08), (0.16, 0.08, 0.04)), 0.85 * knot)
    gap = smoothstep(0.028, 0.012, edge + 0.004 * fibers)
    color = blend(color, torch.full_like(color, 0.05), 0.92 * gap)

    tilt = 0.05 * (per_cell(plank, 37) - 0.5)
    rounded = smoothstep(0.0, 0.10, edge)
    height = 0.58 + tilt + 0.15 * rounded - 0.05 * late + 0.02 * fibers - 0.05 * pores - 0.06 * knot
    height = height * (1 - gap) + 0.12 * gap
    roughness = 0.50 + 0.14 * late + 0.04 * fibers + 0.18 * pores + 0.3 * gap
    return material("wood", color, height, roughness, 0.018)


def _knots(y: Tensor, across: Tensor, plank: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much of a knot there is, 0 to 1, and how far the rings bend around it."""
    knot, bend = torch.zeros_like(y), torch.zeros_like(y)
    for number in range(KNOTS):
        at_y, at_x = per_cell(plank, 41 + number), 0.25 + 0.5 * per_cell(plank, 51 + number)
        present = (per_cell(plank, 61 + number) > 0.45).float()
        away = (y - at_y + 0.5) % 1 - 0.5
        distance = torch.hypot(away * PLANKS * 0.55, across - at_x)
        knot = torch.maximum(knot, present * smoothstep(0.085, 0.04, distance))
        bend = bend + present * 1.6 * torch.exp(-((distance / 0.22) ** 2)) * torch.sign(across - at_x + 1e-6)
    return knot, bend
