"""The step `stylize_fast`: a network that was trained for one style."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import assetforge as af
from assetforge import weights
from assetforge.ops.alpha import filled
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.seams import continues
from assetforge.ops.threads import one_thread
from assetforge.ops.tile import extended
from assetforge_stylize import FastParams
from assetforge_stylize._color import gray_of, with_brightness
from assetforge_stylize._maps import check_size, chosen, exposed, hidden_as_before, tell_gamut
from assetforge_stylize._networks import BOTTLENECK, Transformation

_AROUND = 48
"""What the network looks at around a pixel, nearly."""


def stylize_material(material: af.Material, params: FastParams, context: af.Context) -> af.Material:
    """Return the material in the network's style; raise StepError where something does not fit."""
    names = chosen(material, params.maps)
    if params.strength == 0:
        return material
    network = load_transformation(params.network).to(context.device)
    with one_thread():
        changed = {name: _restyled(name, material[name], network, params, context) for name in names}
    return material.replace(**changed)


def load_transformation(path: Path) -> Transformation:
    """Load the network of a style; raise StepError where the file holds none."""
    network = Transformation()
    try:
        network.load_state_dict(weights.load(path))
    except RuntimeError as error:
        what = "is not the network of a style"
        raise af.StepError(str(path), what, "make one: assetforge train style -p style=PICTURE --data DATA") from error
    return network.requires_grad_(requires_grad=False).eval()


def _restyled(
    name: str, texture: af.Texture, network: Transformation, params: FastParams, context: af.Context
) -> af.Texture:
    check_size(name, texture)
    tiles = continues(texture, params.tileable)
    own, scale = exposed(hdr_encode(texture.data), texture.alpha)
    if texture.alpha is not None:
        own = filled(own, texture.alpha)
    made = torch.lerp(own, _applied(network, own.to(context.device), tiles=tiles).cpu(), params.strength)
    light = hdr_decode(made * scale)
    if params.preserve_color == "luma":
        most = max(1.0, float(texture.data.max()))
        light, moved = with_brightness(texture.data, gray_of(made, params.space) * scale, params.space, most)
        tell_gamut(name, moved, context)
    return texture.with_data(hidden_as_before(light, texture.data, texture.alpha, params.gutter, repeat=tiles))


def _applied(network: Transformation, picture: Tensor, *, tiles: bool) -> Tensor:
    height, width = picture.shape[1:]
    whole = height % BOTTLENECK == 0 and width % BOTTLENECK == 0
    around = 0 if whole else _AROUND  # what repeats after another length is seen to go on, and cut off again
    padded = extended(picture, around, BOTTLENECK, repeat=tiles)
    ready = padded[None].contiguous(memory_format=torch.channels_last)
    result: Tensor = network(ready, "repeat" if tiles else "reflect")
    return result[0, :, around : around + height, around : around + width].clamp(0, 1)
