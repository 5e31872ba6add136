"""RLFN (Kong et al. 2022) and EFDN (Wang 2022): they look at a small copy of the picture to tell where to work."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from assetforge_upscale._architectures.network import Network, Tensors, filled, numbers


class SpatialAttention(nn.Module):
    """Weighs features by what a much smaller copy of them shows (ESA, Liu et al. 2020, "RFANet").

    The copy is laid over the picture from edge to edge, so a result depends on where the edges are, if only a little.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1, self.conv4 = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)
        self.conv_f = nn.Conv2d(inner, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=2)
        self.conv3 = nn.Conv2d(inner, inner, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.conv1(x)
        small = self.coarse(F.max_pool2d(self.conv2(narrow), 7, stride=3))
        over = F.interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.conv4(over + self.conv_f(narrow)))

    def coarse(self, small: Tensor) -> Tensor:
        """Work on the small copy."""
        result: Tensor = self.conv3(small)
        return result


class _DeepSpatialAttention(SpatialAttention):
    """That of EFDN: three convolutions on the small copy."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__(width, inner)
        self.conv_max, self.conv3_ = (nn.Conv2d(inner, inner, 3, padding=1) for _ in range(2))

    def coarse(self, small: Tensor) -> Tensor:
        result: Tensor = self.conv3_(F.relu(self.conv3(F.relu(self.conv_max(small)))))
        return result


class RlfnBlock(nn.Module):
    def __init__(self, width: int, middle: int, inner: int) -> None:
        super().__init__()
        self.c1_r, self.c3_r = nn.Conv2d(width, middle, 3, padding=1), nn.Conv2d(middle, width, 3, padding=1)
        self.c2_r = nn.Conv2d(middle, middle, 3, padding=1)
        self.c5 = nn.Conv2d(width, width, 1)
        self.esa = SpatialAttention(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for layer in (self.c1_r, self.c2_r, self.c3_r):
            features = F.leaky_relu(layer(features), 0.05)
        result: Tensor = self.esa(self.c5(features + x))
        return result


class Rlfn(nn.Module):
    """Its pictures are 0 to 255."""

    def __init__(self, channels: int, width: int, middle: int, inner: int, depth: int, scale: int) -> None:
        super().__init__()
        self.depth = depth
        self.fea_conv = nn.Conv2d(channels, width, 3, padding=1)
        for number in range(1, depth + 1):
            self.add_module(f"B{number}", RlfnBlock(width, middle, inner))
        self.LR_conv = nn.Conv2d(width, width, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        first = features = self.fea_conv(x * 255)
        for number in range(1, self.depth + 1):
            features = self.get_submodule(f"B{number}")(features)
        result: Tensor = self.upsampler(self.LR_conv(features) + first) / 255
        return result


def recognized_rlfn(tensors: Tensors) -> Network | None:
    if "fea_conv.weight" not in tensors or "B1.esa.conv1.weight" not in tensors:
        return None
    width, channels = tensors["fea_conv.weight"].shape[:2]
    middle, inner = tensors["B1.c1_r.weight"].shape[0], tensors["B1.esa.conv1.weight"].shape[0]
    scale = math.isqrt(tensors["upsampler.0.weight"].shape[0] // channels)
    module = Rlfn(channels, width, middle, inner, len(numbers(tensors, r"B(\d+)\.")), scale)
    return Network(filled(module, tensors), channels, scale, None)


class _EfdnLayer(nn.Module):
    """A convolution and PReLU; `name` is what the convolution is called."""

    def __init__(self, width: int, size: int, name: str) -> None:
        super().__init__()
        self.add_module(name, nn.Conv2d(width, width, size, padding=size // 2))
        self.act = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        convolution, activation = self.children()
        result: Tensor = activation(convolution(x))
        return result


class _EfdnCell(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1 = _EfdnLayer(width, 1, "conv1x1")
        self.conv2, self.conv3 = (_EfdnLayer(width, 3, "rep_conv") for _ in range(2))
        self.branch = nn.ModuleList(nn.Conv2d(width, width // 2, 1) for _ in range(4))
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self.att = _DeepSpatialAttention(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        stages = [x]
        for layer in (self.conv1, self.conv2, self.conv3):
            stages.append(layer(stages[-1]))
        distilled = [branch(stage) for branch, stage in zip(self.branch, stages, strict=True)]
        result: Tensor = x + self.att(self.fuse(torch.cat(distilled, 1)))
        return result


class Efdn(nn.Module):
    """Four cells; each but the first is mixed with an earlier one. Its blocks are those that are merged for use."""

    MIXED_WITH = (0, 1, 1)

    def __init__(self, channels: int, width: int, inner: int, scale: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(channels, width, 3, padding=1)
        self.cells = nn.ModuleList(_EfdnCell(width, inner) for _ in range(4))
        self.local_fuse = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for _ in range(3))
        self.tail = nn.Sequential(nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        start = self.head(x)
        features = self.cells[0](start)
        results = [features]
        for number, (fuse, earlier) in enumerate(zip(self.local_fuse, self.MIXED_WITH, strict=True), 1):
            results.append(self.cells[number](features))
            features = fuse(torch.cat([results[earlier], results[-1]], 1))
        result: Tensor = self.tail(features + start)
        return result


def recognized_efdn(tensors: Tensors) -> Network | None:
    if "cells.0.conv2.rep_conv.weight" not in tensors or "local_fuse.0.weight" not in tensors:
        return None
    width, channels = tensors["head.weight"].shape[:2]
    scale = math.isqrt(tensors["tail.0.weight"].shape[0] // channels)
    module = Efdn(channels, width, tensors["cells.0.att.conv1.weight"].shape[0], scale)
    return Network(filled(module, tensors), channels, scale, None)
