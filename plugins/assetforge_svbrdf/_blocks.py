"""By how much each block of an aligned picture is still off: what no warp of the whole can mend."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops import homography as plane
from assetforge_svbrdf._ecc import inner
from assetforge_svbrdf._pyramid import Level

_BLOCKS = 6
"""Along the shorter side."""
_REACH = 8
"""Pixels to each side in which a block looks for its place."""
_BLOCK_NOISE = 0.5
"""Pixels."""


def block_side(size: Sequence[int]) -> int:
    """Return the side of a block of a picture (height, width)."""
    return min(size) // _BLOCKS


def block_shifts(level: Level, points: Tensor, channels: slice) -> Tensor:
    """Return by how much each block of the picture is off: the peak of its correlation, (2, N, M) x and y."""
    height, width = level.size
    side = block_side(level.size)
    reach = min(_REACH, side // 4)
    seen = inner(points, level.size)[None]
    moved, guide = plane.sample(level.flash[channels], points) * seen, level.guide[channels] * seen
    padded, known = (F.pad(one[None], (reach,) * 4)[0] for one in (moved, seen))
    shifts = torch.empty(2, height // side, width // side)
    for row in range(shifts.shape[1]):
        for column in range(shifts.shape[2]):
            y, x = row * side, column * side
            here = ..., slice(y, y + side), slice(x, x + side)
            around = ..., slice(y, y + side + 2 * reach), slice(x, x + side + 2 * reach)
            shifts[:, row, column] = _peak(padded[around], known[around], guide[here], seen[here])
    return shifts


def _peak(around: Tensor, known: Tensor, block: Tensor, inner: Tensor) -> Tensor:
    """Return where in its surroundings (C, H + 2 reach, W + 2 reach) a block (C, H, W) fits best, x and y.

    The peak is found to a part of a pixel; a block that has none within reach is off by the reach.
    """
    reach = (around.shape[1] - block.shape[1]) // 2
    together = F.conv2d(around[None], block[None])[0, 0]
    energy = F.conv2d(around.square().sum(0, keepdim=True)[None], inner[None])[0, 0]
    own = F.conv2d(known[None], block.square().sum(0, keepdim=True)[None])[0, 0]
    score = together / (energy * own).sqrt().clamp_min(1e-3)
    best = int(score.argmax())
    y, x = best // score.shape[1], best % score.shape[1]
    if not 0 < y < 2 * reach or not 0 < x < 2 * reach:
        return torch.tensor([float(reach), float(reach)])
    near = score[y - 1 : y + 2, x - 1 : x + 2]
    return torch.stack([x - reach + _vertex(near[1]), y - reach + _vertex(near[:, 1])])


def _vertex(three: Tensor) -> Tensor:
    """Return where the parabola through three values has its peak, −0.5 to 0.5."""
    before, at, after = three
    peak: Tensor = (before - after) / (2 * (before - 2 * at + after)).clamp_max(-1e-9)
    return peak.clamp(-0.5, 0.5)


def misplaced(shifts: Tensor) -> float:
    """Return how far off a block is, by the median, beyond what shading and noise move a single block."""
    return max(0.0, float(torch.linalg.vector_norm(shifts, dim=0).median()) - _BLOCK_NOISE)
