"""Tangent-space normals: unit vectors, +Y up."""

from __future__ import annotations

import torch
from torch import Tensor

SHORTEST = 1e-4
"""Vectors shorter than this have no direction; they become flat."""


def normalize(vectors: Tensor) -> Tensor:
    """Scale the vectors of (3, H, W) to length 1; those of no length point straight up, (0, 0, 1)."""
    length = torch.linalg.vector_norm(vectors, dim=0, keepdim=True)
    flat = vectors.new_tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    return torch.where(length > SHORTEST, vectors / length.clamp_min(SHORTEST), flat)


def flip_green(vectors: Tensor) -> Tensor:
    """Turn +Y up (OpenGL) into +Y down (DirectX), and back. (3, H, W)."""
    return vectors * vectors.new_tensor([1.0, -1.0, 1.0]).view(3, 1, 1)


def from_height(height: Tensor, strength: float) -> Tensor:
    """Derive normals (3, H, W) from a tileable height map (1, H, W) by central differences on the torus.

    strength: the height of one unit in pixels.
    """
    right = height.roll(-1, 2) - height.roll(1, 2)
    up = height.roll(1, 1) - height.roll(-1, 1)
    slope = torch.cat([right, up]) * (-strength / 2)
    return normalize(torch.cat([slope, torch.ones_like(height)]))
