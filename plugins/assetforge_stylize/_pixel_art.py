"""The step `pixel_art`: fewer pixels, fewer colors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import assetforge as af
from assetforge.ops.alpha import CLEAR
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.ops.color_models import lab_of_linear
from assetforge.ops.resample import nearest
from assetforge_stylize import PixelArtParams
from assetforge_stylize._pictures import read_color

MOST_COLORS = 256
_REFINEMENTS = 8
_BAND = 2**16
"""Pixels whose distances to all colors are computed at a time."""
_ALPHA = 0.5
_DIFFERENCES = "donot_use_mm_for_euclid_dist"


def pixelate(material: af.Material, params: PixelArtParams) -> af.Material:
    """Reduce all maps, and the colors of color maps; raise StepError where something does not fit."""
    told = None if params.palette is None else _palette_of(params)
    return af.Material(
        material.name,
        {name: _reduced(name, texture, params, told) for name, texture in material.items()},
    )


def _palette_of(params: PixelArtParams) -> Tensor:
    """Return the colors that occur in a picture, 8 bits each: (P, 3). Raise StepError where there are too many."""
    texture = read_color(params.palette)  # type: ignore[arg-type]
    pixels = _codes(texture.data).flatten(1)
    if texture.alpha is not None:
        pixels = pixels[:, texture.alpha.flatten() >= CLEAR]
    colors: Tensor = torch.unique(pixels.T.contiguous(), dim=0)
    if not 1 <= len(colors) <= MOST_COLORS:
        what = f"has {len(colors)} colors"
        raise af.StepError(str(params.palette), what, f"a palette is a picture of 1 to {MOST_COLORS} colors")
    return colors


def _reduced(name: str, texture: af.Texture, params: PixelArtParams, palette: Tensor | None) -> af.Texture:
    height, width = texture.size
    if height % params.reduce or width % params.reduce:
        what = f"is {width}×{height}, which {params.reduce} does not divide"
        raise af.StepError(name, what, "choose another `reduce`, or another size")
    size = (height // params.reduce, width // params.reduce)
    alpha = None if texture.alpha is None else (nearest(texture.alpha, size) >= _ALPHA).float()
    data = nearest(texture.data, size)
    if name not in params.maps:
        return replace(texture, data=data, alpha=alpha)
    if palette is None and params.colors is not None:
        palette = _chosen(data, alpha, params.colors)
    if palette is not None:
        data = _in_palette(data, palette)
    return replace(texture, data=data, alpha=alpha)


def _codes(light: Tensor) -> Tensor:
    return (srgb_encode(light).clamp(0, 1) * 255).round().to(torch.uint8)


def _chosen(light: Tensor, alpha: Tensor | None, count: int) -> Tensor:
    """Return so many colors that stand for all that are seen, (P, 3): by median cut, moved to the means of theirs."""
    pixels = _codes(light).flatten(1)
    if alpha is not None and bool((alpha > 0).any()):
        pixels = pixels[:, alpha.flatten() > 0]
    picture = Image.fromarray(np.ascontiguousarray(pixels.T.numpy())[None])
    quantized = picture.quantize(count, Image.Quantize.MEDIANCUT, kmeans=_REFINEMENTS)
    palette = torch.tensor(quantized.getpalette("RGB"), dtype=torch.uint8).reshape(-1, 3)
    used = [index for _, index in quantized.getcolors() or []]
    return palette[torch.tensor(used)]


def _in_palette(light: Tensor, palette: Tensor) -> Tensor:
    """Give each pixel of light (3, H, W) the color that looks nearest (CIE Lab)."""
    colors = srgb_decode(palette.T.float() / 255)
    wanted = lab_of_linear(colors)
    pixels = lab_of_linear(light.clamp(0, 1)).flatten(1)
    # By differences: of products, float32 cannot tell dark or saturated colors apart that differ by a code.
    distances = (torch.cdist(band.T, wanted.T, compute_mode=_DIFFERENCES) for band in torch.split(pixels, _BAND, 1))
    chosen = torch.cat([far.argmin(1) for far in distances])
    return colors[:, chosen].reshape(light.shape)
