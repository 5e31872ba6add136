"""What surfaces look like in photographs, learned: a network from pictures to features or to parameters of pixels.

A U-Net (Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015), small, without
normalization: what it says of a pixel depends on its surroundings alone, so that pictures of any size will do.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

WIDTHS = (16, 32, 48, 64)
"""Channels of each level; each has half the resolution of the one before."""
FEATURES = 16
MAPS = 4
"""Of a start: logarithm of albedo over what the picture shows, two slopes, roughness as a logit."""
_LEAST = 0.01


class Unet(nn.Module):
    """Pictures (N, inputs, H, W) to features (N, outputs, H, W); H and W of at least 8."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        before = (inputs, *WIDTHS[:-1])
        self.down = nn.ModuleList(_block(a, b) for a, b in zip(before, WIDTHS, strict=True))
        self.up = nn.ModuleList(_block(a + b, a) for a, b in itertools.pairwise(WIDTHS))
        self.last = nn.Conv2d(WIDTHS[0], outputs, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return what it says of each pixel."""
        levels, here = [], pictures
        for index, block in enumerate(self.down):
            here = block(F.avg_pool2d(here, 2, ceil_mode=True) if index else here)
            levels.append(here)
        for block, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            larger = F.interpolate(here, size=level.shape[2:], mode="bilinear", align_corners=False)
            here = block(torch.cat([level, larger], 1))
        found: Tensor = self.last(here)
        return found


def _block(before: int, after: int) -> nn.Sequential:
    first = nn.Conv2d(before, after, 3, padding=1)
    second = nn.Conv2d(after, after, 3, padding=1)
    return nn.Sequential(first, nn.LeakyReLU(0.1), second, nn.LeakyReLU(0.1))


def feature_network() -> Unet:
    """Return the network from a guide to features of which its parameters are linear functions."""
    return Unet(3, FEATURES)


def start_network() -> Unet:
    """Return the network from flash, guide and place to parameters."""
    return Unet(9, MAPS)


def contrasts(picture: Tensor) -> Tensor:
    """Return logarithmic brightness and two color differences of a picture (3, H, W), about 0, brightness of size 1."""
    light = picture.clamp_min(_LEAST).log()
    parts = torch.stack([light.mean(0), light[0] - light[1], light[2] - light[1]])
    parts = parts - parts.mean((1, 2), keepdim=True)
    return parts / parts[0].std().clamp_min(0.05)


def start_input(flash: Tensor, guide: Tensor | None, points: Tensor) -> Tensor:
    """Return what the network of a start reads, (9, H, W).

    flash: (3, H, W), linear, its fall-off taken out; guide: likewise, flattened; points: (2, H, W), where pixels lie.
    """
    shown = torch.zeros_like(flash) if guide is None else contrasts(guide)
    there = torch.full_like(flash[:1], float(guide is not None))
    return torch.cat([contrasts(flash), shown, points, there])


def networks(weights: Mapping[str, Path]) -> tuple[Unet, Unet]:
    """Return the networks of features and of a start, by the files of their weights."""
    made = {"features": feature_network(), "start": start_network()}
    found = [loaded(network, weights[name].read_bytes()) for name, network in made.items()]
    return found[0], found[1]


def loaded(network: Unet, content: bytes) -> Unet:
    """Return a network with the weights of a file."""
    network.load_state_dict(load(content))
    return network.eval().requires_grad_(requires_grad=False)
