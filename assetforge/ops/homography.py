"""Homographies between pictures: how a plane moves from one photograph to another.

Pixels are counted from the center of the first one, x to the right and y down. A homography H (3, 3), float64, takes
(x, y, 1) of the picture that is made to the place in the picture that it is made of.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def grid(size: tuple[int, int]) -> Tensor:
    """Return where each pixel of a picture (height, width) lies: x and y, (2, H, W), float64."""
    y, x = (torch.arange(side, dtype=torch.float64) for side in size)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


def of_corners(offsets: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the homography (3, 3) that moves the corners of a picture (height, width) by offsets (4, 2) in pixels.

    The corners go around: top left, top right, bottom right, bottom left. The direct linear transform of Hartley and
    Zisserman, "Multiple View Geometry in Computer Vision", 2004, section 4.1, for four points.
    """
    height, width = size
    corners = torch.tensor([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], dtype=torch.float64)
    moved = corners + offsets.double()
    one, zero = torch.ones(4, 1, dtype=torch.float64), torch.zeros(4, 3, dtype=torch.float64)
    points = torch.cat([corners, one], 1)
    rows = torch.cat([
        torch.cat([points, zero, -moved[:, :1] * corners], 1),
        torch.cat([zero, points, -moved[:, 1:] * corners], 1),
    ])  # fmt: skip
    solved: Tensor = torch.linalg.solve(rows, moved.T.reshape(8))
    return torch.cat([solved, one[0]]).reshape(3, 3)


def apply(homography: Tensor, points: Tensor) -> Tensor:
    """Return where points (2, *) go."""
    moved: Tensor = torch.tensordot(homography, torch.cat([points, torch.ones_like(points[:1])]), 1)
    return moved[:2] / moved[2:]


def bend(points: Tensor, radial: float, size: tuple[int, int]) -> Tensor:
    """Move points (2, *) from the center of a picture (height, width) by 1 + radial · r²; r is 1 at its corners."""
    center = points.new_tensor([(size[1] - 1) / 2, (size[0] - 1) / 2]).reshape(2, *[1] * (points.ndim - 1))
    away = points - center
    reach = away.square().sum(0) / center.square().sum()
    bent: Tensor = center + away * (1 + radial * reach)
    return bent


def sample(pixels: Tensor, points: Tensor, *, bicubic: bool = True) -> Tensor:
    """Return pixels (C, H, W) at points (2, *size): (C, *size), bicubic or bilinear; edges are held.

    Bicubic is that of torch and OpenCV: Keys (1981) with a = -3/4.
    """
    height, width = pixels.shape[1:]
    extent = points.new_tensor([width, height])[:, None, None]
    unit = ((points + 0.5) / extent * 2 - 1).permute(1, 2, 0)[None].to(pixels)
    mode = "bicubic" if bicubic else "bilinear"
    return F.grid_sample(pixels[None], unit, mode=mode, padding_mode="border", align_corners=False)[0]


def inside(points: Tensor, size: tuple[int, int], margin: float = 0.0) -> Tensor:
    """Tell which points (2, *) lie in a picture (height, width), at least `margin` pixels from its edge."""
    (x, y), (height, width) = points, size
    within: Tensor = (x >= margin) & (x <= width - 1 - margin) & (y >= margin) & (y <= height - 1 - margin)
    return within
