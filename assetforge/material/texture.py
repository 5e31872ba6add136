"""The pixels of one map, with what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from assetforge.material.camera import Camera
from assetforge.material.color_space import ColorSpace

Wrap = Literal["repeat", "clamp", "unknown"]
"""What lies beyond the edges of a texture."""

IMAGE_DIMENSIONS = 3


@dataclass(frozen=True, eq=False, repr=False)
class Texture:
    """Pixels + color space + wrap. Nobody changes `data` or `alpha` in place.

    data: float32 (C, H, W), row 0 on top.
    wrap: "repeat" tiles and every operation must keep it so; "clamp" does not; "unknown" is what a file says.
    alpha: float32 (1, H, W), 0 to 1, straight, never premultiplied at rest.
    camera: how a photograph was taken; None for all that is none.
    mips: smaller levels, as `with_mips` makes them. They go with the pixels that they are of: a texture that gets other
    pixels has none.
    """

    data: Tensor
    color_space: ColorSpace
    wrap: Wrap = "unknown"
    alpha: Tensor | None = None
    camera: Camera | None = None
    mips: Mips | None = None

    def __post_init__(self) -> None:
        _check("data", self.data)
        if self.alpha is not None:
            _check("alpha", self.alpha)
            if self.alpha.shape != (1, *self.data.shape[1:]):
                expected = (1, *self.data.shape[1:])
                raise ValueError(f"alpha has shape {tuple(self.alpha.shape)}; with this data it must be {expected}")
        if self.mips is not None and not self.mips.are_of(self):
            object.__setattr__(self, "mips", None)

    def __repr__(self) -> str:
        """Say what it is, without its pixels: a failing test shows it."""
        alpha = ", alpha" if self.alpha is not None else ""
        levels = f", {len(self.levels)} levels" if self.mips is not None else ""
        return f"<Texture {tuple(self.data.shape)}, {self.color_space.name}, {self.wrap}{alpha}{levels}>"

    @property
    def channels(self) -> int:
        """Number of channels, alpha not counted."""
        return self.data.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.data.shape[1], self.data.shape[2]

    def with_data(self, data: Tensor) -> Texture:
        """Return a texture with other pixels of the same meaning; its size may change only where there is no alpha."""
        return replace(self, data=data)

    @property
    def levels(self) -> tuple[Texture, ...]:
        """The texture itself, and its smaller levels if it has some, each half the size of the one before."""
        return (self, *(self.mips.levels if self.mips is not None else ()))

    def with_mips(self, levels: Sequence[Texture]) -> Texture:
        """Return the texture with smaller levels; raise ValueError where one is not half the size of the one before.

        A side of an odd number of pixels is rounded down, and the least is 1.
        """
        size = self.size
        for level in levels:
            size = max(1, size[0] // 2), max(1, size[1] // 2)
            if level.size != size or level.channels != self.channels or (level.alpha is None) != (self.alpha is None):
                raise ValueError(f"a level is {level.channels} × {level.size}; it must be {self.channels} × {size}")
        return replace(self, mips=Mips(self.data, self.alpha, tuple(levels)) if levels else None)

    def to(self, device: str) -> Texture:
        """Return the texture with its pixels on the given device."""
        alpha = None if self.alpha is None else self.alpha.to(device)
        moved = replace(self, data=self.data.to(device), alpha=alpha)
        return moved.with_mips([level.to(device) for level in self.levels[1:]])


@dataclass(frozen=True, eq=False)
class Mips:
    """Smaller levels of a texture, and the pixels that they were made of."""

    data: Tensor
    alpha: Tensor | None
    levels: tuple[Texture, ...]

    def are_of(self, texture: Texture) -> bool:
        """Tell whether they are of the pixels of a texture."""
        return self.data is texture.data and self.alpha is texture.alpha


def _check(name: str, pixels: Tensor) -> None:
    if not isinstance(pixels, Tensor):
        raise TypeError(f"{name} is a {type(pixels).__name__}; it must be a torch.Tensor")
    if pixels.dtype != torch.float32:
        raise ValueError(f"{name} is {pixels.dtype}; it must be torch.float32")
    if pixels.ndim != IMAGE_DIMENSIONS or 0 in pixels.shape:
        raise ValueError(f"{name} has shape {tuple(pixels.shape)}; it must be (C, H, W) and not empty")
