"""A network of super-resolution as it is used, and what its architecture is recognized by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from assetforge_upscale._network import Compact

Tensors = Mapping[str, Tensor]
FARTHEST = 64
"""Source pixels around a tile that are computed with it at most. What a network sees beyond is lost at tiles' edges."""


@dataclass(frozen=True)
class Network:
    """A network that maps (B, channels, H, W) to (B, channels, scale·H, scale·W), both nominally 0 to 1.

    radius: how many source pixels around itself a result depends on; None where that may be all. multiple: of what the
    sides of its input must be multiples.
    """

    module: nn.Module
    channels: int
    scale: int
    radius: int | None
    multiple: int = 1

    @property
    def overlap(self) -> int:
        """Source pixels that a tile needs around it, or what of them is affordable."""
        around = FARTHEST if self.radius is None else min(self.radius, FARTHEST)
        return -(-around // self.multiple) * self.multiple

    @property
    def inside(self) -> Callable[[Tensor], Tensor] | None:
        """What makes a result without its outermost `radius` source pixels, where the network can leave them out."""
        return self.module.inside if isinstance(self.module, Compact) else None

    @property
    def is_exact(self) -> bool:
        """Whether a result in tiles is that of the whole."""
        return self.radius is not None and self.radius <= self.overlap

    @property
    def is_large(self) -> bool:
        """Whether a tile of usual size would take much memory."""
        return sum(parameter.numel() for parameter in self.module.parameters()) > 2_000_000


def filled(module: nn.Module, tensors: Tensors) -> nn.Module:
    module.load_state_dict(dict(tensors))
    return module.requires_grad_(requires_grad=False).eval()


def numbers(tensors: Tensors, pattern: str) -> list[int]:
    """Return the different numbers that a group of a pattern stands for in the names, in order."""
    found = (re.match(pattern, name) for name in tensors)
    return sorted({int(match.group(1)) for match in found if match})
