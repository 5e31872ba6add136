"""Discriminators, and what they and a network make of each other.

U-Net with spectral norm: Wang et al., "Real-ESRGAN", 2021, after Schönfeld et al. 2020. Patches: Isola et al. 2017,
with spectral norm (Miyato et al. 2018) instead of batch normalization. Both judge places rather than whole pictures.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import assetforge as af

Judgement = Literal["softplus", "relativistic", "hinge"]

_LEAK = 0.2


class PatchDiscriminator(nn.Module):
    """Judge (B, C, H, W): a score for each square of about 34 pixels, high where it looks real."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = [channels, width, 2 * width, 4 * width]
        halvings = [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)) for inputs, outputs in pairwise(widths)]
        self.layers = nn.ModuleList([*halvings, spectral_norm(nn.Conv2d(widths[-1], 2 * width, 3, padding=1))])
        self.last = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (B, 1, H / 8, W / 8)."""
        for layer in self.layers:
            x = F.leaky_relu(layer(x), _LEAK)
        scores: Tensor = self.last(x)
        return scores


class UNetDiscriminator(nn.Module):
    """Judge (B, C, H, W), sides of at least 8: a score for each pixel, high where it looks real."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        depths = (1, 2, 4)
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(depth * width, 2 * depth * width, 4, 2, 1, bias=False)) for depth in depths
        )
        self.up = nn.ModuleList(
            spectral_norm(nn.Conv2d(2 * depth * width, depth * width, 3, padding=1, bias=False))
            for depth in reversed(depths)
        )
        self.after = nn.ModuleList(spectral_norm(nn.Conv2d(width, width, 3, padding=1, bias=False)) for _ in range(2))
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (B, 1, H, W)."""
        x = F.leaky_relu(self.first(x), _LEAK)
        skipped = []
        for layer in self.down:
            skipped.append(x)
            x = F.leaky_relu(layer(x), _LEAK)
        for layer in self.up:
            beside = skipped.pop()
            larger = F.interpolate(x, beside.shape[2:], mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(larger), _LEAK) + beside
        for layer in self.after:
            x = F.leaky_relu(layer(x), _LEAK)
        scores: Tensor = self.last(x)
        return scores


def discriminator(shape: Literal["unet", "patch"], channels: int, width: int) -> nn.Module:
    """Make a discriminator with random weights."""
    return (UNetDiscriminator if shape == "unet" else PatchDiscriminator)(channels, width)


def fooled(real: Tensor, made: Tensor, judgement: Judgement) -> Tensor:
    """Return what the network minimizes of the scores of real and of made pictures of one shape.

    `softplus` is the non-saturating loss of Goodfellow et al. 2014. `relativistic` compares what is made with the real
    one of the same place (Jolicoeur-Martineau 2018). `hinge`: Lim and Ye 2017.
    """
    if judgement == "relativistic":
        return F.softplus(real - made).mean()
    return F.softplus(-made).mean() if judgement == "softplus" else -made.mean()


def told(real: Tensor, made: Tensor, judgement: Judgement) -> Tensor:
    """Return what the discriminator minimizes of the same scores."""
    if judgement == "relativistic":
        return F.softplus(made - real).mean()
    if judgement == "softplus":
        return F.softplus(-real).mean() + F.softplus(made).mean()
    return F.relu(1 - real).mean() + F.relu(1 + made).mean()


def against(network: nn.Module, judgement: Judgement, rate: float) -> af.Discriminator:
    """Train a discriminator against networks that make the second of (small, large) of the first."""

    def loss(generator: nn.Module, rival: nn.Module, batch: Any) -> Tensor:
        small, large = batch[0], batch[1]
        with torch.no_grad():
            made = generator(small)
        return told(rival(large), rival(made), judgement)

    return af.Discriminator(network, loss, rate)
