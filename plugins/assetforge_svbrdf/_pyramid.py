"""The features by which two photographs are aligned, at several sizes.

There are two kinds, each on a logarithmic scale and divided by its local contrast. Luminance has most detail, but
shading is in it. The ratios of the color channels know no shading, but gray surfaces have none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LUMINANCE, CHROMA, ALL = slice(0, 1), slice(1, 3), slice(0, 3)
"""Channels of the features."""
_CLIPPED = 0.98
_DARKEST = 5e-3
LOCAL = 6.0
"""Deviation of the Gaussian of the neighborhood whose mean and contrast are divided out, in pixels of each level."""
_LEAST_CONTRAST = 0.03
_SMALLEST = 128
"""Pixels of the shorter side of the coarsest level."""


@dataclass(frozen=True, eq=False)
class Level:
    """The features of both pictures, (3, H, W), at one size, and which pixels count, (H, W)."""

    flash: Tensor
    guide: Tensor
    weight: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.guide.shape[1], self.guide.shape[2]


def pyramid(flash: Tensor, guide: Tensor) -> list[Level]:
    """Return levels from the coarsest to the full size, each half as large as the next."""
    levels = []
    while True:
        bright = (flash.amax(0) < _CLIPPED) & (guide.amax(0) < _CLIPPED)
        levels.append(Level(features(flash), features(guide), bright.float()))
        if min(guide.shape[1:]) < 2 * _SMALLEST:
            return levels[::-1]
        flash, guide = (F.avg_pool2d(_even(photo)[None], 2)[0] for photo in (flash, guide))


def _even(photo: Tensor) -> Tensor:
    """Repeat the last row and column where they are odd in number, so that halving keeps the corner in its place."""
    return F.pad(photo[None], (0, photo.shape[2] % 2, 0, photo.shape[1] % 2), mode="replicate")[0]


def features(photo: Tensor) -> Tensor:
    """Return luminance and two color ratios of a linear photograph (3, H, W), of local mean 0 and contrast 1.

    Returns (3, H, W). All are logarithms, so that a light or a shadow adds to luminance alone.
    """
    logarithm = (photo.clamp_min(0) + _DARKEST).log()
    red, green, blue = logarithm
    ratios = torch.stack([blurred(red - green, 1.0), blurred(blue - green, 1.0)])
    return torch.cat([_normalized(logarithm.mean(0, keepdim=True)), _normalized(ratios)])


def _normalized(fields: Tensor) -> Tensor:
    """Subtract the local mean of fields (C, H, W), and divide them by the local contrast that they have together."""
    detail = torch.stack([field - blurred(field, LOCAL) for field in fields])
    return detail / (blurred(detail.square().sum(0), 1.5 * LOCAL).sqrt() + _LEAST_CONTRAST)


def blurred(field: Tensor, deviation: float) -> Tensor:
    """Blur (H, W) by a Gaussian; edges are mirrored where the field is large enough, else held."""
    reach = min(int(3 * deviation + 0.5), min(field.shape) - 1)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation).square())
    line = (line / line.sum()).to(field)
    padded = F.pad(field[None, None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))[0, 0]
