"""Turn and mirror textures; vectors turn with them, or the light would fall from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from assetforge.material.map_spec import MapSpec
from assetforge.material.material import Material
from assetforge.material.texture import Texture


@dataclass(frozen=True)
class Turn:
    """Mirror left and right, or not, and then turn counterclockwise by quarters, 0 to 3."""

    quarters: int = 0
    mirror: bool = False


def turn_pixels(pixels: Tensor, turn: Turn) -> Tensor:
    """Turn (C, H, W)."""
    mirrored = pixels.flip(2) if turn.mirror else pixels
    return torch.rot90(mirrored, turn.quarters, (1, 2)).contiguous()


def turn_vectors(vectors: Tensor, turn: Turn) -> Tensor:
    """Turn (3, H, W) of vectors in tangent space, +Y up."""
    x, y, z = turn_pixels(vectors, turn)
    if turn.mirror:
        x = -x
    for _ in range(turn.quarters % 4):
        x, y = -y, x
    return torch.stack([x, y, z])


def turn_material(material: Material, specs: Mapping[str, MapSpec], turn: Turn) -> Material:
    """Turn all maps of a material."""
    return Material(
        material.name, {name: _turn_texture(texture, specs[name], turn) for name, texture in material.items()}
    )


def _turn_texture(texture: Texture, spec: MapSpec, turn: Turn) -> Texture:
    function = turn_vectors if spec.kind == "vector" else turn_pixels
    alpha = None if texture.alpha is None else turn_pixels(texture.alpha, turn)
    return replace(texture, data=function(texture.data, turn), alpha=alpha)
