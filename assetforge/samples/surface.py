"""From fields drawn at twice the size to the maps of a material."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.material.color_space import ColorSpace
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_decode
from assetforge.ops.heights import normals_of_height
from assetforge.ops.resample import BOX, resample

OVERSAMPLING = 2


def ramp(field: Tensor, *colors: tuple[float, float, float]) -> Tensor:
    """Blend sRGB colors along a field of 0 to 1; return sRGB (3, H, W)."""
    stops = torch.tensor(colors)
    position = field.clamp(0, 1) * (len(colors) - 1)
    index = position.floor().long().clamp_max(len(colors) - 2)
    return torch.lerp(stops[index], stops[index + 1], (position - index)[..., None]).permute(2, 0, 1)


def blend(below: Tensor, above: Tensor, amount: Tensor) -> Tensor:
    """Lay `above` over `below` (3, H, W) by an amount (H, W) of 0 to 1."""
    return torch.lerp(below, above, amount.clamp(0, 1)[None])


def material(
    name: str, color: Tensor, height: Tensor, roughness: Tensor, relief: float, metalness: Tensor | None = None
) -> Material:
    """Make a material of sRGB color (3, H, W) and fields (H, W) of 0 to 1, all at twice its size.

    relief: the height of one unit, as a fraction of the material's side.
    """
    size = height.shape[0] // OVERSAMPLING
    light = _reduced(srgb_decode(color.clamp(0, 1)), size)
    level = _reduced(height[None].clamp(0, 1), size)
    maps = {
        "base_color": Texture(light, ColorSpace.LIN_REC709, "repeat"),
        "normal": _data(normals_of_height(level, relief * size, repeat=True)),
        "roughness": _data(_reduced(roughness[None].clamp(0, 1), size)),
        "height": _data(level),
        "ambient_occlusion": _data(occlusion(level, relief)),
    }
    if metalness is not None:
        maps["metalness"] = _data(_reduced(metalness[None].clamp(0, 1), size))
    return Material(name, maps)


def occlusion(height: Tensor, relief: float) -> Tensor:
    """Estimate ambient occlusion (1, H, W): how far the surroundings rise above, at three distances on the torus."""
    size, total = height.shape[1], torch.zeros_like(height)
    for fraction in (0.01, 0.03, 0.08):
        radius = max(1, round(size * fraction))
        rise = (_blurred(height, radius) - height).clamp_min(0)
        total += rise * relief / fraction
    return (1 / (1 + total)).clamp(0, 1)


def _blurred(field: Tensor, radius: int) -> Tensor:
    """Return the means over squares of 2 · radius + 1 pixels around each, rows first."""
    padded = F.pad(field[None], (radius,) * 4, mode="circular")
    side = 2 * radius + 1
    return F.avg_pool2d(F.avg_pool2d(padded, (1, side), stride=1), (side, 1), stride=1)[0]


def _reduced(pixels: Tensor, size: int) -> Tensor:
    return resample(pixels, (size, size), BOX)


def _data(pixels: Tensor) -> Texture:
    return Texture(pixels, ColorSpace.NONE, "repeat")
