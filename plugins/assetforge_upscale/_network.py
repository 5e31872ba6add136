"""A compact super-resolution network: plain 3×3 convolutions over a resampled base.

The body is that of SRVGGNetCompact (Wang et al. 2021, "Real-ESRGAN"): convolutions with PReLU at low resolution and a
pixel shuffle (Shi et al. 2016, "ESPCN") at the end. Ours depart from it in the base that the residual is added to:
bicubic instead of nearest, so that an untrained residual is already a usable picture. The base is computed as a
convolution, too, before the shuffle: on a CPU, that takes an eighth of the time of an interpolation.

Where it says so, what every third PReLU returns is bounded, as nothing else holds values that no training picture led
to: of a noise mask or a checkerboard, layer after layer of a deep stack may make more, up to several hundred thousand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Base = Literal["bicubic", "nearest"]
IMAGE_BATCH_DIMENSIONS = 4
_BICUBIC_RADIUS = 2
"""Source pixels that a bicubic sample reads to either side of itself."""
BOUNDS = "activation_bounds"
"""The tensor of a file that holds them."""
BOUNDED = 3
"""Every third activation has bounds: to bound all costs three times as much, and holds hardly better."""
_SHARPNESS = -0.75
"""Slope of the cubic convolution at a distance of 1, as torch's own interpolation has it."""


class Compact(nn.Module):
    """Upscale (B, C, H, W) to (B, C, scale·H, scale·W); values are sRGB-encoded color, or data, nominally 0 to 1.

    It pads with zeros at the border; a caller that wants another border pads by `radius` first, and calls `inside`.
    """

    kernel: Tensor

    def __init__(
        self,
        channels: int,
        scale: int,
        width: int = 32,
        depth: int = 8,
        base: Base = "bicubic",
        bounds: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.scale, self.base = scale, base
        self.radius = max(depth + 2, _BICUBIC_RADIUS)
        """Receptive radius in source pixels: each 3×3 convolution adds one."""
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        layers += [nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale)]
        self.residual = nn.Sequential(*layers)
        self.register_buffer("kernel", _bicubic(channels, scale), persistent=False)
        self.bounds: dict[int, float] = {}
        """By the place of the activation in `residual`."""
        if bounds:
            self.bound(bounds)

    def bounded(self, every: int = BOUNDED) -> list[int]:
        """Return the places of activations with bounds: the last, and each a multiple of `every` before it."""
        return [at for at, layer in enumerate(self.residual) if isinstance(layer, nn.PReLU)][::-every][::-1]

    def bound(self, bounds: Sequence[float]) -> None:
        """Bound the magnitude of what activations return, evenly from the last one back: of all, or of every third.

        The weights hold the bounds from now on.
        """
        as_stored = torch.tensor(tuple(bounds))
        self.register_buffer(BOUNDS, as_stored)
        places = self.bounded(math.ceil(len(self.bounded(1)) / len(as_stored)))
        self.bounds = dict(zip(places, as_stored.tolist(), strict=True))  # to read a tensor makes a GPU wait

    def channels_last(self) -> Self:
        """Lay the weights out as convolutions are fastest on most CPUs and GPUs."""
        for parameter in self.parameters():
            if parameter.ndim == IMAGE_BATCH_DIMENSIONS:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the base plus the learned residual."""
        around = _BICUBIC_RADIUS if self.base == "bicubic" else 0
        return self._enlarged(x, F.pad(x, (around,) * 4, mode="replicate"), padding=1)

    def inside(self, x: Tensor) -> Tensor:
        """Return what `forward` makes of all but the `radius` outermost pixels, without computing those."""
        around = self.radius - (_BICUBIC_RADIUS if self.base == "bicubic" else 0)
        return self._enlarged(x, F.pad(x, (-around,) * 4), padding=0)

    def _enlarged(self, x: Tensor, under: Tensor, padding: int) -> Tensor:
        """Enlarge the input (B, C, H, W); `under` is what of it the base is made of."""
        packed = x
        for at, layer in enumerate(list(self.residual)[:-1]):
            if isinstance(layer, nn.Conv2d):
                packed = _convolved(packed, layer.weight, layer.bias, padding)
            else:
                packed = _bounded(layer(packed), self.bounds.get(at))
        if self.base == "bicubic":
            packed += _convolved(under, self.kernel)
        else:
            packed += under.repeat_interleave(self.scale**2, 1)
        return _shuffled(packed, self.scale)


def _bicubic(channels: int, scale: int) -> Tensor:
    """Return the kernel (C·scale², C, 5, 5) of the base: of each pixel, the scale² that become of it.

    Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing".
    """
    places = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = torch.arange(-_BICUBIC_RADIUS, _BICUBIC_RADIUS + 1)
    x, a = (places[:, None] - taps).abs(), _SHARPNESS
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    line = torch.where(x <= 1, near, torch.where(x < _BICUBIC_RADIUS, far, 0.0))
    both = torch.einsum("pk,ql->pqkl", line, line).flatten(0, 1)
    kernel = torch.einsum("oi,pkl->opikl", torch.eye(channels, dtype=torch.float64), both).flatten(0, 1)
    return kernel.float().contiguous(memory_format=torch.channels_last)


def _bounded(x: Tensor, bound: float | None) -> Tensor:
    if bound is None:
        return x
    return x.clamp(-bound, bound) if x.requires_grad else x.clamp_(-bound, bound)


def _shuffled(packed: Tensor, scale: int) -> Tensor:
    """Shuffle (B, C·scale², H, W) to (B, C, scale·H, scale·W) as `nn.PixelShuffle` does, plane by plane in memory."""
    count, channels, height, width = packed.shape
    planes = packed.reshape(count, channels // scale**2, scale, scale, height, width).permute(0, 1, 4, 2, 5, 3)
    return planes.reshape(count, -1, height * scale, width * scale)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> Tensor:
    """Convolve one channel as three, two of them empty.

    For one channel the CPU's kernels are chosen by the size of the picture and add up in other orders, so that a tile
    would differ from the whole in the last bit. For three they do not.
    """
    if x.shape[1] == 1:
        x, weight = (
            F.pad(one, (0, 0, 0, 0, 0, 2)).contiguous(memory_format=torch.channels_last) for one in (x, weight)
        )
    return F.conv2d(x, weight, bias, padding=padding)
