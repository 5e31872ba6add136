"""What is checked: maps with what their files say, and how a flag is raised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge.flags import Flag, Severity
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.alpha import CLEAR
from assetforge.ops.color import srgb_encode
from assetforge.ops.resample import nearest

COLORS = ("base_color", "diffuse_albedo")
CODES = 255
MOST_SIDE = 2048
"""Of the middle part of a map where what is measured is the same everywhere."""
_LUMINANCE = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Subject:
    """One map, and what is known of its file."""

    texture: Texture
    """Normals as the file has them: they may have any length. Steps have only unit ones."""
    spec: MapSpec
    bits: int | None = None
    """Of the integers of its file; None for floats, and where there is no file."""

    @property
    def data(self) -> Tensor:
        """The pixels, (C, H, W)."""
        return self.texture.data

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.texture.size


Subjects = Mapping[str, Subject]
Flags = Iterator[Flag]


def flag(check: str, map_name: str, text: str, value: float, threshold: float, severity: Severity = "warning") -> Flag:
    """Return a flag whose numbers are rounded, as sums of many end in other digits on each processor."""
    return Flag(text, severity, map_name, round(value, 4), round(threshold, 4), check)


def codes(pixels: Tensor) -> Tensor:
    """Return the sRGB code, 0 to 255, of linear light of any shape."""
    return srgb_encode(pixels) * CODES


def luminance(rgb: Tensor) -> Tensor:
    """Return the luminance (H, W) of linear light (3, H, W)."""
    return torch.einsum("chw,c->hw", rgb, rgb.new_tensor(_LUMINANCE))


def metal(subjects: Subjects, size: tuple[int, int]) -> Tensor:
    """Return where there is metal, (H, W)."""
    if "metalness" not in subjects:
        return torch.zeros(size, dtype=torch.bool)
    return nearest(subjects["metalness"].data, size)[0] > 0.5


def visible(subjects: Subjects, subject: Subject) -> Tensor:
    """Return what alpha, or else the opacity of the material, does not hide, (H, W)."""
    alpha = subject.texture.alpha
    if alpha is None and "opacity" in subjects:
        alpha = nearest(subjects["opacity"].data, subject.size)
    return torch.ones(subject.size, dtype=torch.bool) if alpha is None else alpha[0] >= CLEAR


def middle(pixels: Tensor) -> Tensor:
    """Return the middle of (C, H, W), `MOST_SIDE` wide and high at most."""
    for axis in (1, 2):
        side = pixels.shape[axis]
        length = min(side, MOST_SIDE)
        pixels = pixels.narrow(axis, (side - length) // 2, length)
    return pixels


def share(wrong: Tensor) -> float:
    """Return the part of a mask that is set; 0 where it is empty."""
    return wrong.double().mean().item() if wrong.numel() else 0.0


def spread(pixels: Tensor) -> float:
    """Return the deviation of all numbers of a map around the mean of their channel."""
    return (pixels.double() - pixels.double().mean((1, 2), keepdim=True)).square().mean().sqrt().item()


def correlation(first: Tensor, second: Tensor) -> float:
    """Return the correlation of two pictures of one shape; 0 where one is the same everywhere."""
    one, two = (part.double() - part.double().mean() for part in (first, second))
    scale = (one.square().sum() * two.square().sum()).sqrt().item()
    return (one * two).sum().item() / scale if scale > 0 else 0.0
