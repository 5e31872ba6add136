"""The networks that make pictures: a decoder of features, and the transformation network of one style."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from assetforge.weights.features import Border, convolve

BOTTLENECK = 4
"""What both reduce by, in between."""


class Conv(nn.Module):
    """A convolution of 3×3 that knows how a picture goes on."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(inputs, outputs, 3)
        nn.init.kaiming_normal_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, border: Border) -> Tensor:
        """Convolve (N, C, H, W); the size stays."""
        return convolve(x, self.layer.weight, self.layer.bias, border)

    def doubled(self, x: Tensor, border: Border) -> Tensor:
        """Convolve (N, C, H, W) as though each pixel were repeated to 2×2: (N, outputs, 2H, 2W).

        Of the nine pixels that a result depends on, four differ; the weights of equal ones are added up, and what is
        twice as large is never made: four ninths of the work, and far less memory.
        """
        height, width = x.shape[2:]
        around = F.pad(x, (1,) * 4, mode="circular" if border == "repeat" else "replicate")
        halves = x.new_tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
        result = x.new_empty(len(x), self.layer.out_channels, 2 * height, 2 * width)
        for row, column in itertools.product(range(2), repeat=2):
            kernel = torch.einsum("oiyx,ry,cx->oirc", self.layer.weight, halves[row], halves[column])
            seen = around[..., row : row + height + 1, column : column + width + 1]
            result[..., row::2, column::2] = F.conv2d(seen, kernel, self.layer.bias)
        return result


class Decoder(nn.Module):
    """From relu3_1 of the feature network, (N, 256, h, w), to pictures (N, 3, 4h, 4w)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Conv(256, 64), Conv(64, 64)
        self.third, self.fourth, self.last = Conv(64, 48), Conv(48, 16), Conv(16, 3)

    def forward(self, features: Tensor, border: Border = "reflect") -> Tensor:
        """Return pictures, about 0 to 1."""
        x = F.relu_(self.first(features, border))
        x = F.relu_(self.second(x, border))
        x = F.relu_(self.third.doubled(x, border))
        x = F.relu_(self.fourth.doubled(x, border))
        picture: Tensor = 0.5 + self.last(x, border)
        return picture


class Transformation(nn.Module):
    """From pictures (N, 3, H, W) to pictures of one style; their sides are multiples of four.

    Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016, with
    instance normalization (Ulyanov et al., 2016), a quarter of the channels and filters of 3×3 throughout.
    """

    def __init__(self, width: int = 16, blocks: int = 4) -> None:
        super().__init__()
        self.first, self.down, self.lower = Conv(3, width), Conv(width, 2 * width), Conv(2 * width, 4 * width)
        self.blocks = nn.ModuleList(_Block(4 * width) for _ in range(blocks))
        self.upper, self.up, self.last = Conv(4 * width, 2 * width), Conv(2 * width, width), Conv(width, 3)
        with torch.no_grad():
            self.last.layer.weight.mul_(0.1)

    def forward(self, pictures: Tensor, border: Border = "reflect") -> Tensor:
        """Return pictures, about 0 to 1."""
        x = F.relu_(_normalized(self.first(pictures - 0.5, border)))
        x = F.relu_(_normalized(self.down(F.avg_pool2d(x, 2), border)))
        x = F.relu_(_normalized(self.lower(F.avg_pool2d(x, 2), border)))
        for block in self.blocks:
            x = block(x, border)
        x = F.relu_(_normalized(self.upper.doubled(x, border)))
        x = F.relu_(_normalized(self.up.doubled(x, border)))
        picture: Tensor = 0.5 + self.last(x, border)
        return picture


class _Block(nn.Module):
    """A residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = Conv(channels, channels), Conv(channels, channels)

    def forward(self, x: Tensor, border: Border) -> Tensor:
        inner = F.relu_(_normalized(self.first(x, border)))
        return x + _normalized(self.second(inner, border))


def _normalized(x: Tensor) -> Tensor:
    return F.instance_norm(x, eps=1e-3)
