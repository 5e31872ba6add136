"""A compact super-resolution network: plain 3×3 convolutions over a resampled base.

The body is that of SRVGGNetCompact (Wang et al. 2021, "Real-ESRGAN"): convolutions with PReLU at low resolution and a
pixel shuffle (Shi et al. 2016, "ESPCN") at the end. Ours depart from it in the base that the residual is added to:
bicubic instead of nearest, so that an untrained residual is already a usable picture.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Base = Literal["bicubic", "nearest"]
IMAGE_BATCH_DIMENSIONS = 4
BICUBIC_RADIUS = 2
"""Source pixels that a bicubic sample reads to either side of itself."""


class Compact(nn.Module):
    """Upscale (B, C, H, W) to (B, C, scale·H, scale·W); values are sRGB-encoded color, or data, nominally 0 to 1.

    It pads with zeros at the border; a caller that wants another border pads by `radius` first and crops.
    """

    def __init__(self, channels: int, scale: int, width: int = 32, depth: int = 8, base: Base = "bicubic") -> None:
        super().__init__()
        self.scale, self.base = scale, base
        self.radius = max(depth + 2, BICUBIC_RADIUS)
        """Receptive radius in source pixels: each 3×3 convolution adds one."""
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        layers += [nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale)]
        self.residual = nn.Sequential(*layers)

    def channels_last(self) -> Self:
        """Lay the weights out as convolutions are fastest on most CPUs and GPUs."""
        for parameter in self.parameters():
            if parameter.ndim == IMAGE_BATCH_DIMENSIONS:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the base plus the learned residual."""
        align = False if self.base == "bicubic" else None  # nearest knows no corners
        base = F.interpolate(x, scale_factor=self.scale, mode=self.base, align_corners=align)
        first, *rest = self.residual
        residual = _convolve(first, x)
        for layer in rest:
            residual = layer(residual)
        return base + residual


def _convolve(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply the first convolution to one channel as to three, two of them empty.

    For one channel the CPU's kernels are chosen by the size of the picture and add up in other orders, so that a tile
    would differ from the whole in the last bit. For three they do not.
    """
    if not isinstance(layer, nn.Conv2d) or layer.in_channels > 1:
        result: Tensor = layer(x)
        return result
    wide = F.pad(x, (0, 0, 0, 0, 0, 2)).contiguous(memory_format=torch.channels_last)
    weight = F.pad(layer.weight, (0, 0, 0, 0, 0, 2)).contiguous(memory_format=torch.channels_last)
    return F.conv2d(wide, weight, layer.bias, padding=1)
