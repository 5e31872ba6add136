"""A picture of what was done: the exemplar, the result as it repeats, and where its pieces come from."""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.color import srgb_decode
from assetforge.ops.resample import resample

_SIDE = 1024
"""Height of the picture in pixels."""


def picture(exemplar: af.Material, result: af.Material, where: Tensor | None) -> af.Texture:
    """Return exemplar, result tiled twice and the map of coordinates side by side; black where there is none."""
    shown = next((name for name, texture in result.items() if texture.color_space == af.ColorSpace.LIN_REC709), None)
    name = shown or next(iter(result))
    pictures = [_colored(exemplar[name], name), _colored(result[name], name).repeat(1, 2, 2)]
    if where is not None:
        pictures.append(srgb_decode(where[[0, 1, 2]].clamp(0, 1)))
    return af.Texture(torch.cat([_fitted(one) for one in pictures], 2), af.ColorSpace.LIN_REC709, "clamp")


def _colored(texture: af.Texture, name: str) -> Tensor:
    if texture.color_space == af.ColorSpace.LIN_REC709:
        return texture.data.clamp(0, 1)
    numbers = texture.data * 0.5 + 0.5 if name == "normal" else texture.data
    return srgb_decode(numbers[:3].clamp(0, 1)).expand(3, -1, -1)


def _fitted(pixels: Tensor) -> Tensor:
    width = max(1, round(pixels.shape[2] * _SIDE / pixels.shape[1]))
    return resample(pixels, (_SIDE, width)).clamp(0, 1)
