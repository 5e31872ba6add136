"""What a result is made of: the material, further ones, and all of them turned, as far as is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.exact import mean_channel, moments
from assetforge.ops.resample import matched, nearest, resample, restore
from assetforge.ops.turn import Turn, turn_material, turn_pixels
from assetforge_multiply import Other, Params

TURNS = {
    "no": (Turn(),),
    "mirror": (Turn(), Turn(0, mirror=True)),
    "quarter": tuple(Turn(quarters) for quarters in range(4)),
    "all": tuple(Turn(quarters, mirror) for mirror in (False, True) for quarters in range(4)),
}
_LARGE = 4
"""What is larger than this part of the exemplar's side is flattened."""
_WHITE = 0.5


@dataclass(frozen=True)
class Exemplars:
    """Materials of the same maps and size; those that were turned follow each that they were made of.

    ignore: (S, H, W), bool, where nothing is taken from them. kinds: how many there were before they were turned.
    """

    materials: tuple[af.Material, ...]
    turns: tuple[Turn, ...]
    ignore: Tensor | None
    kinds: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return next(iter(self.materials[0].values())).size


def gather(material: af.Material, params: Params, specs: Mapping[str, af.MapSpec]) -> Exemplars:
    """Gather the exemplars of a material. Raise SourceError or StepError where a file does not fit."""
    given = [_same_size(material)]
    given += [_read_other(number, other, given[0], specs) for number, other in enumerate(params.others)]
    ignore = [torch.zeros(1, *_size(one), dtype=torch.bool) for one in given]
    if params.ignore is not None:
        ignore[0] |= read_mask(params.ignore, _size(given[0]))
    turns = TURNS[params.turn]
    turned = turned_alike([flattened(one, params.flatten, specs) for one in given], turns, specs)
    masks = [turn_pixels(mask, turn)[0] for mask in ignore for turn in turns]
    unusable = torch.stack([functional.pad(mask, _beyond(mask, _size(turned[0])), value=True) for mask in masks])
    return Exemplars(tuple(turned), turns, unusable if unusable.any() else None, len(given))


def turned_alike(
    materials: Sequence[af.Material], turns: Sequence[Turn], specs: Mapping[str, af.MapSpec]
) -> list[af.Material]:
    """Return each material turned in each way; the edges of smaller ones are held, right and below."""
    turned = [turn_material(one, specs, turn) for one in materials for turn in turns]
    height, width = (max(_size(one)[axis] for one in turned) for axis in (0, 1))
    return [_padded(one, (height, width)) for one in turned]


def read_mask(path: Path, size: tuple[int, int]) -> Tensor:
    """Read where a picture is more white than black: (H, W), bool. Raise SourceError where it cannot be read."""
    return nearest(read_gray(path), size)[0] >= _WHITE


def read_gray(path: Path) -> Tensor:
    """Read a picture's numbers, 0 black to 1 white: (1, H, W). Raise SourceError where it cannot be read."""
    return decode(path, af.MAPS["opacity"], Reading(), str(path)).texture.data


def brightness(material: af.Material) -> Tensor:
    """Return how bright the color of a material looks, or what its first map holds: (1, H, W)."""
    for texture in material.values():
        if texture.color_space == af.ColorSpace.LIN_REC709:
            return mean_channel(hdr_encode(texture.data))
    return mean_channel(next(iter(material.values())).data)


def _same_size(material: af.Material) -> af.Material:
    return matched(material, max(texture.size for texture in material.values()))


def _size(material: af.Material) -> tuple[int, int]:
    return next(iter(material.values())).size


def _read_other(number: int, other: Other, material: af.Material, specs: Mapping[str, af.MapSpec]) -> af.Material:
    if other.maps.keys() != material.maps.keys():
        where, given = f"others[{number}]", ", ".join(sorted(other.maps))
        raise af.StepError(where, f"has the maps {given}", f"give those of the material: {', '.join(sorted(material))}")
    maps = {}
    for name, texture in material.items():
        read = decode(other.maps[name], specs[name], Reading(other.green), str(other.maps[name])).texture
        opaque = torch.ones(1, *read.size) if read.alpha is None else read.alpha
        maps[name] = replace(read, alpha=None if texture.alpha is None else opaque)
    return _same_size(af.Material(material.name, maps))


def flattened(material: af.Material, share: float, specs: Mapping[str, af.MapSpec]) -> af.Material:
    """Take large differences out of colors and heights; the means stay."""
    if share == 0:
        return material
    maps = {}
    for name, texture in material.items():
        spec = specs[name]
        if spec.is_color:
            maps[name] = texture.with_data(
                restore(hdr_decode(_flat(hdr_encode(texture.data), share)), spec, texture.data)
            )
        elif name == "height":
            maps[name] = texture.with_data(restore(_flat(texture.data, share), spec, texture.data))
    return material.replace(**maps)


def _flat(pixels: Tensor, share: float) -> Tensor:
    few = tuple(max(2, min(_LARGE, side)) for side in pixels.shape[1:])
    large = resample(resample(pixels, (few[0], few[1])), (pixels.shape[1], pixels.shape[2]))
    return pixels - share * (large - moments(pixels)[0].to(pixels)[:, None, None])


def _beyond(pixels: Tensor, size: tuple[int, int]) -> tuple[int, int, int, int]:
    return 0, size[1] - pixels.shape[-1], 0, size[0] - pixels.shape[-2]


def _padded(material: af.Material, size: tuple[int, int]) -> af.Material:
    """Hold the edges of smaller maps, right and below."""

    def pad(pixels: Tensor) -> Tensor:
        return functional.pad(pixels[None], _beyond(pixels, size), mode="replicate")[0]

    return af.Material(
        material.name,
        {
            name: replace(texture, data=pad(texture.data), alpha=None if texture.alpha is None else pad(texture.alpha))
            for name, texture in material.items()
        },
    )
