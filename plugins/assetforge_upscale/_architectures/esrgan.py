"""ESRGAN (Wang et al. 2018), in its first names and in those of today."""

from __future__ import annotations

import math
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from assetforge_upscale._architectures.network import Network, Tensors, filled, numbers

_OLD_NAMES = (
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)
"""Between the first names of ESRGAN and those of today."""


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it; a fifth of the last one's result is added to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            nn.Conv2d(width + number * growth, growth, 3, padding=1) for number in range(4)
        )
        self.conv5 = nn.Conv2d(width + 4 * growth, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, F.leaky_relu(layer(seen), 0.2)], 1)
        result: Tensor = x + 0.2 * self.conv5(seen)
        return result


class _DenseBlocks(nn.Module):
    """Residual in residual dense block."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_DenseBlock(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))
        return result


class Esrgan(nn.Module):
    """`unshuffled`: squares of so many pixels to a side become channels first, which makes networks of less scale."""

    def __init__(self, channels: int, width: int, growth: int, depth: int, doublings: int, unshuffled: int) -> None:
        super().__init__()
        self.unshuffled = unshuffled
        self.conv_first = nn.Conv2d(channels * unshuffled**2, width, 3, padding=1)
        self.body = nn.Sequential(*(_DenseBlocks(width, growth) for _ in range(depth)))
        self.conv_body = nn.Conv2d(width, width, 3, padding=1)
        self.conv_up = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(doublings))
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv_first(F.pixel_unshuffle(x, self.unshuffled))
        features = first + self.conv_body(self.body(first))
        for layer in self.conv_up:
            features = F.leaky_relu(layer(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        result: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(features), 0.2))
        return result


def recognized(tensors: Tensors) -> Network | None:
    if "conv_first.weight" not in tensors or "body.0.rdb1.conv1.weight" not in tensors:
        return None
    named = {re.sub(r"^conv_up(\d)", lambda one: f"conv_up.{int(one[1]) - 1}", name): tensors[name] for name in tensors}
    channels = named["conv_last.weight"].shape[0]
    width, seen = named["conv_first.weight"].shape[:2]
    growth = named["body.0.rdb1.conv1.weight"].shape[0]
    depth, doublings = len(numbers(named, r"body\.(\d+)\.")), len(numbers(named, r"conv_up\.(\d+)\."))
    unshuffled = math.isqrt(seen // channels)
    if not unshuffled or seen != channels * unshuffled**2:
        raise ValueError(f"{seen} channels go in, and {channels} come out")
    module = Esrgan(channels, width, growth, depth, doublings, unshuffled)
    # Two convolutions beside those of the blocks at the input's resolution, and less than three pixels of it beyond.
    radius = (15 * depth + 2 + 3) * unshuffled
    return Network(filled(module, named), channels, 2**doublings // unshuffled, radius, unshuffled)


def in_names_of_today(tensors: Tensors) -> dict[str, Tensor]:
    """Give the tensors of an old ESRGAN the names that they have today; all others keep theirs."""
    if "model.0.weight" in tensors and "model.1.sub.0.RDB1.conv1.0.weight" in tensors:
        return _of_numbered_layers(tensors)
    named = dict(tensors)
    if "RRDB_trunk.0.RDB1.conv1.weight" in tensors:
        for pattern, name in _OLD_NAMES:
            named = {re.sub(pattern, name, old): tensor for old, tensor in named.items()}
    return named


def _of_numbered_layers(tensors: Tensors) -> dict[str, Tensor]:
    """Give the tensors of the first ESRGAN, which are numbered by layer, the names that they have today."""
    places = numbers(tensors, r"model\.(\d+)\.weight$")
    trunk = max(numbers(tensors, r"model\.1\.sub\.(\d+)\."))
    names = {0: "conv_first", places[-2]: "conv_hr", places[-1]: "conv_last"}
    names |= {place: f"conv_up{number}" for number, place in enumerate(places[1:-2], 1)}

    def renamed(name: str) -> str:
        name = name.replace(f"model.1.sub.{trunk}.", "conv_body.")
        name = re.sub(r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3.", name)
        return re.sub(r"^model\.(\d+)\.", lambda one: f"{names[int(one[1])]}.", name)

    return {renamed(name): tensor for name, tensor in tensors.items()}
