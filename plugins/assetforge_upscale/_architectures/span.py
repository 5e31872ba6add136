"""SPAN (Wan et al. 2023)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from assetforge_upscale._architectures.network import Network, Tensors, filled


class _Attention(nn.Module):
    """Three convolutions; how strong the last one's result is, is how much of itself and the input it lets pass."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (nn.Conv2d(width, width, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result and what the first convolution gives."""
        first = F.silu(self.c1_r(x))
        last = self.c3_r(F.silu(self.c2_r(first)))
        return (last + x) * (torch.sigmoid(last) - 0.5), first


class SpanNetwork(nn.Module):
    MEAN, RANGE = (0.4488, 0.4371, 0.4040), 255.0

    def __init__(self, channels: int, width: int, scale: int, *, is_centered: bool) -> None:
        super().__init__()
        self.is_centered = is_centered
        self.conv_1 = nn.Conv2d(channels, width, 3, padding=1)
        for number in range(1, 7):
            self.add_module(f"block_{number}", _Attention(width))
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_cat = nn.Conv2d(4 * width, width, 1)
        self.upsampler = nn.Sequential(nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        if self.is_centered:
            x = (x - x.new_tensor(self.MEAN).view(1, 3, 1, 1)) * self.RANGE
        first = features = self.conv_1(x)
        results = []
        for number in range(1, 7):
            features, inner = self.get_submodule(f"block_{number}")(features)
            results.append(features)
        together = torch.cat([first, self.conv_2(features), results[0], inner], 1)
        result: Tensor = self.upsampler(self.conv_cat(together))
        return result


def recognized(tensors: Tensors) -> Network | None:
    if "conv_1.sk.weight" not in tensors or "block_1.c1_r.sk.weight" not in tensors:
        return None
    width, channels = tensors["conv_1.sk.weight"].shape[:2]
    scale = math.isqrt(tensors["upsampler.0.weight"].shape[0] // channels)
    module = SpanNetwork(channels, width, scale, is_centered="no_norm" not in tensors)
    return Network(filled(module, _merged(tensors)), channels, scale, 6 * 3 + 3)


def _merged(tensors: Tensors) -> dict[str, Tensor]:
    """Make one convolution of each chain of three and the one beside it, as they were trained."""
    merged = {name: value for name, value in tensors.items() if name.startswith(("conv_cat.", "upsampler."))}
    for name in tensors:
        if name.endswith(".sk.weight"):
            block = name.removesuffix(".sk.weight")
            merged[f"{block}.weight"], merged[f"{block}.bias"] = one_convolution(tensors, block)
    return merged


def one_convolution(tensors: Tensors, block: str) -> tuple[Tensor, Tensor]:
    """Merge 1×1, 3×3 and 1×1 convolutions and a 1×1 beside them (the "structural re-parameterization" of SPAN)."""
    (w1, b1), (w2, b2), (w3, b3) = (
        (tensors[f"{block}.conv.{number}.weight"].double(), tensors[f"{block}.conv.{number}.bias"].double())
        for number in range(3)
    )
    weight = torch.einsum("om,mnhw,ni->oihw", w3[:, :, 0, 0], w2, w1[:, :, 0, 0])
    bias = w3[:, :, 0, 0] @ (torch.einsum("mnhw,n->m", w2, b1) + b2) + b3
    weight[:, :, 1, 1] += tensors[f"{block}.sk.weight"][:, :, 0, 0]
    return weight.float(), (bias + tensors[f"{block}.sk.bias"]).float()
