"""SRResNet, the generator of SRGAN (Ledig et al. 2017), with and without batch normalization."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from assetforge_upscale._architectures.network import Network, Tensors, filled, numbers


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))
        return result


class _Doubling(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width * 4, 3, padding=1)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.prelu(F.pixel_shuffle(self.conv(x), 2))
        return result


class SrResNet(nn.Module):
    """With the names of the most spread implementation for PyTorch; its results are -1 to 1, and made 0 to 1."""

    def __init__(self, channels: int, width: int, depth: int, doublings: int, *, has_norm: bool) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        for number in range(2, depth + 2):
            self.add_module(f"block{number}", _ResidualBlock(width))
        closing = nn.BatchNorm2d(width) if has_norm else nn.PReLU()
        self.add_module(f"block{depth + 2}", nn.Sequential(nn.Conv2d(width, width, 3, padding=1), closing))
        upscaling = [*(_Doubling(width) for _ in range(doublings)), nn.Conv2d(width, channels, 9, padding=4)]
        self.add_module(f"block{depth + 3}", nn.Sequential(*upscaling))

    def forward(self, x: Tensor) -> Tensor:
        first, *blocks, last = self.children()
        features = start = first(x)
        for block in blocks:
            features = block(features)
        return (torch.tanh(last(start + features)) + 1) / 2


def recognized(tensors: Tensors) -> Network | None:
    if "block1.0.weight" not in tensors or "block2.conv1.weight" not in tensors:
        return None
    width, channels = tensors["block1.0.weight"].shape[:2]
    depth = len(numbers(tensors, r"block(\d+)\.conv1\.weight"))
    doublings = len(numbers(tensors, rf"block{depth + 3}\.(\d+)\.conv\.weight"))
    has_norm = f"block{depth + 2}.1.running_mean" in tensors
    module = SrResNet(channels, width, depth, doublings, has_norm=has_norm)
    # 9×9, two to a block and the one after them; then one at each doubled resolution, and 9×9 at the last.
    radius = 4 + 2 * depth + 1 + 2 + math.ceil(4 / 2**doublings)
    return Network(filled(module, tensors), channels, 2**doublings, radius)


class _PlainBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.conv2(F.relu(self.conv1(x)))
        return result


class MsrResNet(nn.Module):
    """SRResNet without batch normalization, over a bilinear base: MSRResNet of BasicSR."""

    def __init__(self, channels: int, width: int, depth: int, factors: list[int]) -> None:
        super().__init__()
        self.factors = factors
        self.conv_first = nn.Conv2d(channels, width, 3, padding=1)
        self.body = nn.Sequential(*(_PlainBlock(width) for _ in range(depth)))
        for number, factor in enumerate(factors, 1):
            self.add_module(f"upconv{number}", nn.Conv2d(width, width * factor**2, 3, padding=1))
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(F.leaky_relu(self.conv_first(x), 0.1))
        for number, factor in enumerate(self.factors, 1):
            layer = self.get_submodule(f"upconv{number}")
            features = F.leaky_relu(F.pixel_shuffle(layer(features), factor), 0.1)
        base = F.interpolate(x, scale_factor=math.prod(self.factors), mode="bilinear", align_corners=False)
        result: Tensor = base + self.conv_last(F.leaky_relu(self.conv_hr(features), 0.1))
        return result


def recognized_without_norm(tensors: Tensors) -> Network | None:
    if "conv_first.weight" not in tensors or "body.0.conv1.weight" not in tensors or "upconv1.weight" not in tensors:
        return None
    width, channels = tensors["conv_first.weight"].shape[:2]
    depth = len(numbers(tensors, r"body\.(\d+)\."))
    upscaling = numbers(tensors, r"upconv(\d+)\.")
    factors = [math.isqrt(tensors[f"upconv{number}.weight"].shape[0] // width) for number in upscaling]
    module = MsrResNet(channels, width, depth, factors)
    return Network(filled(module, tensors), channels, math.prod(factors), 1 + 2 * depth + len(factors) + 2)
