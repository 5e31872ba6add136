"""The step `levels`."""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.errors import did_you_mean
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge_maps import Levels, LevelsParams


def level_material(material: af.Material, params: LevelsParams, context: af.Context) -> af.Material:
    """Apply levels map by map; raise StepError where a map is not there or has none."""
    maps = {}
    for name, levels in params.maps.items():
        if name not in material:
            raise af.StepError(name, f"is not among the maps ({', '.join(material)})", did_you_mean(name, material))
        maps[name] = _leveled(name, material[name], levels, context.specs[name])
    return material.replace(**maps)


def _leveled(name: str, texture: af.Texture, levels: Levels, spec: af.MapSpec) -> af.Texture:
    if spec.kind not in ("color", "data"):
        what = {"vector": "holds directions", "id": "holds ids"}.get(spec.kind, f"is a {spec.kind}")
        raise af.StepError(name, f"{what}, which have no levels", "name color maps, or maps of numbers")
    if levels == Levels():
        return texture
    data = texture.data
    if not spec.is_color:
        return texture.with_data(_applied(data, levels))
    return texture.with_data(hdr_decode(_applied(hdr_encode(data), levels)))


def _applied(values: Tensor, levels: Levels) -> Tensor:
    """Return low + (high − low) · ((v − black) / (white − black)) ^ (1 / gamma), in float64."""
    part = (values.double() - levels.black) / (levels.white - levels.black)
    if levels.clamp:
        part = part.clamp(0, 1)
    if levels.gamma != 1:
        part = part.pow(1 / levels.gamma)
    low, high = (levels.high, levels.low) if levels.invert else (levels.low, levels.high)
    result: Tensor = torch.add(part * (high - low), low)
    return result.float()
