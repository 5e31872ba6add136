"""Warps: a homography and a radial term, which tell where the pixels of a picture come from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge.ops import homography as plane


@dataclass(frozen=True, eq=False)
class Warp:
    """Where the pixels of a picture of a size come from."""

    homography: Tensor
    radial: float
    size: tuple[int, int]

    def points(self) -> Tensor:
        """Return where they come from: (2, H, W), x and y."""
        return plane.bend(plane.apply(self.homography, plane.grid(self.size)), self.radial, self.size)

    def at(self, size: tuple[int, int]) -> Warp:
        """Return the same warp for pictures of another size."""
        scale = _scaling(self.size, size)
        return Warp(scale @ self.homography @ torch.linalg.inv(scale), self.radial, size)


def corners(warp: Warp) -> Tensor:
    """Return by how much the homography moves the corners, (4, 2)."""
    height, width = warp.size
    places = torch.tensor([[0, width - 1, width - 1, 0], [0, 0, height - 1, height - 1]], dtype=torch.float64)
    return (plane.apply(warp.homography, places) - places).T


def between(warp: Warp, other: Warp) -> float:
    """Return how far apart two warps are, in pixels, by the mean square."""
    return math.sqrt(float((warp.points() - other.points()).square().sum(0).mean()))


def distance(warp: Warp) -> float:
    """Return how far a warp moves the corners, as a share of the longer side."""
    return float(torch.linalg.vector_norm(corners(warp), dim=1).mean()) / max(warp.size)


def shift(x: float, y: float) -> Tensor:
    """Return the homography of a shift."""
    return torch.tensor([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=torch.float64)


def _scaling(size: tuple[int, int], other: tuple[int, int]) -> Tensor:
    """Return the homography from pixels of one size to those of another that shows the same."""
    x, y = other[1] / size[1], other[0] / size[0]
    return torch.tensor([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], dtype=torch.float64)
