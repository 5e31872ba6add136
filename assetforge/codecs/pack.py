"""Lay maps into the channels of one picture."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from assetforge.codecs.encode import stored_numbers
from assetforge.codecs.formats import GPU, Format
from assetforge.codecs.packing import PACKED, Packing, Part, held
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.mips import sizes
from assetforge.ops.normals import flip_green
from assetforge.ops.resample import power_of_two, resample_map


def pack(
    maps: Mapping[str, Texture], specs: Mapping[str, MapSpec], packing: Packing, output_format: Format
) -> tuple[Texture, MapSpec]:
    """Return what a file holds as a texture that `encode` writes, and what it is: see `held`.

    maps: those that there are, at least one; each is resampled by its kind to the size of the largest, and to what the
    packing allows. A map that is missing has its neutral value. Without a part for it, alpha is that of the color.
    Files for GPUs get smaller levels where a map has some.
    """
    spec = held_by(packing, specs, maps, output_format)
    size = _allowed(max((texture.size for texture in maps.values()), key=math.prod), packing)
    smaller = _smaller(maps.values(), size) if output_format.container in GPU else []
    top, *levels = (_laid(maps, specs, packing, output_format, one) for one in (size, *smaller))
    return top.with_mips(levels), spec


def held_by(
    packing: Packing, specs: Mapping[str, MapSpec], maps: Mapping[str, Texture], output_format: Format
) -> MapSpec:
    """Return what a file of these maps holds, as if it were one map."""
    clear = _alpha_part(packing, specs, maps) is not None or _own_alpha(packing, maps) is not None
    return held(packing, specs, output_format, clear=clear)


def _alpha_part(packing: Packing, specs: Mapping[str, MapSpec], maps: Mapping[str, Texture]) -> Part | None:
    part = dict(packing.parts).get("a")
    return None if part is None or part.left_out(specs.get(part.map), maps) else part


def _own_alpha(packing: Packing, maps: Mapping[str, Texture]) -> Tensor | None:
    color = dict(packing.parts).get("rgb")
    return maps[color.map].alpha if color is not None and color.map in maps else None


def _smaller(textures: Collection[Texture], size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes of the levels below a size, down to the smallest that a map has; none where no map has any."""
    smallest = [max(texture.levels[-1].size) for texture in textures if texture.mips is not None]
    return sizes(size, min(smallest)) if smallest else []


def _level(texture: Texture, size: tuple[int, int]) -> Texture:
    """Return the smallest level that is no smaller than a size, or the largest."""
    enough = [level for level in texture.levels if level.size[0] >= size[0] and level.size[1] >= size[1]]
    return enough[-1] if enough else texture


def _veiled(maps: Mapping[str, Texture], specs: Mapping[str, MapSpec], packing: Packing) -> Mapping[str, Texture]:
    """Give a color the alpha that it gets, so that no color that this hides is mixed in when it is resampled."""
    parts = dict(packing.parts)
    color, part = parts.get("rgb", Part()).map, parts.get("a", Part())
    if color not in maps or part.map not in maps or part.invert or part.channel is not None:
        return maps
    texture = maps[color]
    alpha = resample_map(maps[part.map], specs[part.map], texture.size).data
    return {**maps, color: replace(texture, alpha=alpha)}


def _laid(
    maps: Mapping[str, Texture],
    specs: Mapping[str, MapSpec],
    packing: Packing,
    output_format: Format,
    size: tuple[int, int],
) -> Texture:
    spec = held_by(packing, specs, maps, output_format)
    chosen = _veiled({name: _level(texture, size) for name, texture in maps.items()}, specs, packing)
    maps = {name: resample_map(texture, specs[name], size) for name, texture in chosen.items()}
    alpha_part, alpha = _alpha_part(packing, specs, maps), _own_alpha(packing, maps)
    if alpha_part is not None:
        alpha = _numbers(alpha_part, maps, specs, output_format).expand(1, *size)
    wrap = next(iter(maps.values())).wrap
    if spec.name != PACKED:
        part = next(part for _, part in packing.parts if part.map == spec.name)
        data = _pixels(part, maps, specs)
        data = flip_green(data) if part.green == "down" else data
        return Texture(data.expand(-1, *size).contiguous(), spec.color_space, wrap, alpha)
    planes: dict[str, Tensor] = {}
    for letter, part in packing.parts:
        if letter != "a":
            numbers = _numbers(part, maps, specs, output_format).expand(len(letter), -1, -1)
            planes |= dict(zip(letter, numbers, strict=True))
    channels = "rgb"[: spec.channels]
    stacked = torch.stack([planes.get(letter, torch.zeros(())).expand(size) for letter in channels])
    return Texture(stacked if alpha is None else torch.cat([stacked, alpha]), ColorSpace.NONE, wrap)


def _pixels(part: Part, maps: Mapping[str, Texture], specs: Mapping[str, MapSpec]) -> Tensor:
    return maps[part.map].data if part.map in maps else torch.tensor(specs[part.map].neutral).view(-1, 1, 1)


def _numbers(part: Part, maps: Mapping[str, Texture], specs: Mapping[str, MapSpec], output_format: Format) -> Tensor:
    """Return what the file holds of a part, (C, H, W), or (C, 1, 1) where it is the same everywhere."""
    if not part.map:
        return torch.full((1, 1, 1), part.constant)
    numbers = stored_numbers(_pixels(part, maps, specs), specs[part.map], output_format, part.green)
    if part.channel is not None:
        numbers = numbers[part.channel : part.channel + 1]
    return 1 - numbers if part.invert else numbers


def _allowed(size: tuple[int, int], packing: Packing) -> tuple[int, int]:
    scale = min(1.0, (packing.longest or max(size)) / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    if not packing.power_of_two:
        return height, width
    most = packing.longest or 2 * max(size)
    return _power_within(height, most), _power_within(width, most)


def _power_within(side: int, most: int) -> int:
    power = power_of_two(side, "nearest")
    return power if power <= most else power_of_two(most, "down")
