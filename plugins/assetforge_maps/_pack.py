"""The steps `pack` and `unpack`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.color import srgb_encode
from assetforge.ops.normals import normalize
from assetforge.ops.resample import resample_map
from assetforge_maps import PackParams, UnpackParams, packed_name

_LETTERS = "rgba"
_FEWEST = 0.0


def pack_material(material: af.Material, params: PackParams, context: af.Context) -> af.Material:
    """Put channels of maps side by side; raise StepError where a map has no such channel."""
    names = params.sources
    size = max((material[name].size for name in names), key=lambda size: size[0] * size[1])
    maps = {name: resample_map(material[name], context.specs[name], size) for name in sorted(names)}
    data = torch.cat([_channel(one, maps, context, size) for one in params.channels])
    return material.replace(**{packed_name(params): af.Texture(data, af.ColorSpace.NONE, _wrap(maps))})


def _wrap(maps: Mapping[str, af.Texture]) -> af.Wrap:
    """Return what lies beyond the edges of packed maps: they repeat where all do, and say so where all say so."""
    wraps = {texture.wrap for texture in maps.values()}
    return "clamp" if "clamp" in wraps else "unknown" if "unknown" in wraps else "repeat"


def _parts(spelled: str) -> tuple[bool, str, str]:
    """Return whether `1 - name.r` is turned around, its map and its channel."""
    turned = spelled.startswith("1 - ")
    name, _, letter = spelled.removeprefix("1 - ").partition(".")
    return turned, name, letter


def _channel(wanted: str | float, maps: dict[str, af.Texture], context: af.Context, size: tuple[int, int]) -> Tensor:
    """Return one channel as a file has it, (1, H, W): colors sRGB-encoded, 0 to 1 for the −1 to 1 of normals."""
    if not isinstance(wanted, str):
        return torch.full((1, *size), float(wanted))
    turned, name, letter = _parts(wanted)
    data, spec = maps[name].data, context.specs[name]
    if (data.shape[0] > 1) != bool(letter) or _LETTERS.find(letter) >= data.shape[0]:
        shown = ", ".join(f"{name}.{one}" for one in _LETTERS[: data.shape[0]]) if data.shape[0] > 1 else name
        raise af.StepError(name, f"has {data.shape[0]} channels, and {wanted!r} is asked for", f"write {shown}")
    channel = data[_LETTERS.find(letter)][None] if letter else data
    if spec.is_color:
        channel = srgb_encode(channel)
    elif spec.kind == "vector":
        channel = (channel + 1) / 2
    return 1 - channel if turned else channel


def unpack_material(material: af.Material, params: UnpackParams, context: af.Context) -> af.Material:
    """Take maps out of the channels of a packed one; raise StepError where a map is not of numbers."""
    [packed] = material.values()
    maps = {}
    for name, spelled in params.maps.items():
        if name == "normal":
            maps[name] = replace(packed, data=_rebuilt(packed.data, spelled))
            continue
        if context.specs[name].kind != "data" or context.specs[name].channels != 1 or len(spelled.split(" ")[-1]) > 1:
            raise af.StepError(name, f"cannot be taken out of {spelled!r}", "unpack maps of one channel of numbers")
        channel = packed.data[_LETTERS.index(spelled[-1])][None].contiguous()
        maps[name] = replace(packed, data=1 - channel if spelled.startswith("1 - ") else channel)
    return material.replace(**maps)


def _rebuilt(data: Tensor, spelled: str) -> Tensor:
    """Return normals (3, H, W) of two channels that hold their x and y: z is what makes them unit."""
    if len(spelled) != 2:
        raise af.StepError("normal", f"cannot be taken out of {spelled!r}", "name two channels: rg, or ga")
    x, y = (data[_LETTERS.index(letter)] * 2 - 1 for letter in spelled)
    z = (1 - x.square() - y.square()).clamp_min(_FEWEST).sqrt()
    return normalize(torch.stack([x, y, z]))
