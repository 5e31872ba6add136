"""Lay maps into the channels of one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from assetforge.codecs.encode import stored_numbers
from assetforge.codecs.formats import Format
from assetforge.codecs.packing import Packing, Part
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.resample import power_of_two, resample_map

PACKED = "packed"
_COLOR = 3


def pack(
    maps: Mapping[str, Texture], specs: Mapping[str, MapSpec], packing: Packing, output_format: Format
) -> tuple[Texture, MapSpec]:
    """Return the numbers of a file, 0 to 1 where the format holds integers, as a texture of data that `encode` writes.

    maps: those that there are, at least one; each is resampled by its kind to the size of the largest, and to what the
    packing allows. A map that is missing has its neutral value. Without a part for it, alpha is that of the color.
    """
    size = _allowed(max((texture.size for texture in maps.values()), key=math.prod), packing)
    maps = {name: resample_map(texture, specs[name], size) for name, texture in maps.items()}
    planes: dict[str, Tensor] = {}
    alpha: Tensor | None = None
    for letter, part in packing.parts:
        numbers = _numbers(part, maps, specs, output_format)
        if letter == "rgb":
            planes |= dict(zip(letter, numbers.expand(_COLOR, -1, -1), strict=True))
            alpha = maps[part.map].alpha if part.map in maps else None
        elif letter == "a":
            left_out = part.left_out(specs.get(part.map), maps)
            alpha = alpha if left_out else numbers
        else:
            planes[letter] = numbers[0]
    channels = "r" if alpha is None and planes.keys() == {"r"} else "rgb"
    stacked = [planes.get(letter, torch.zeros(())).expand(size) for letter in channels]
    data = torch.stack(stacked) if alpha is None else torch.cat([torch.stack(stacked), alpha.expand(1, *size)])
    count = data.shape[0]
    wrap = next(iter(maps.values())).wrap
    return Texture(data, ColorSpace.NONE, wrap), MapSpec(PACKED, count, "data", (0.0, 1.0), (0.0,) * count, "A file.")


def _numbers(part: Part, maps: Mapping[str, Texture], specs: Mapping[str, MapSpec], output_format: Format) -> Tensor:
    """Return what the file holds of a part, (C, H, W), or (C, 1, 1) where it is the same everywhere."""
    if not part.map:
        return torch.full((1, 1, 1), part.constant)
    spec = specs[part.map]
    data = maps[part.map].data if part.map in maps else torch.tensor(spec.neutral).view(-1, 1, 1)
    numbers = stored_numbers(data, spec, output_format, part.green)
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
