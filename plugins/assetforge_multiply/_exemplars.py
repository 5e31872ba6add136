"""What a result is made of, and what goes where: the exemplars, masks and guides.

Exemplars are the material, further ones, and all of them turned, as far as is wanted. Guides are Hertzmann et al.'s
("Image Analogies", 2001, texture by numbers): the exemplar and the result each have a picture, and pieces go where the
two look alike. Which of several exemplars goes where is such a picture, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.color import hdr_decode, hdr_encode, srgb_encode
from assetforge.ops.exact import deviation, mean_channel, moments, root
from assetforge.ops.ranks import match_ranks
from assetforge.ops.resample import matched, nearest, resample, restore
from assetforge.ops.turn import Turn, turn_material, turn_pixels
from assetforge_multiply import Guide, Other, Params
from assetforge_multiply._field import derive_seed
from assetforge_multiply._structure import places_in_pieces

TURNS = {
    "no": (Turn(),),
    "mirror": (Turn(), Turn(0, mirror=True)),
    "quarter": tuple(Turn(quarters) for quarters in range(4)),
    "all": tuple(Turn(quarters, mirror) for mirror in (False, True) for quarters in range(4)),
}
_LARGE = 4
"""What is larger than this part of the exemplar's side is flattened."""
_WHITE = 0.5
_STRENGTH = 3.0
"""What a guide's channel counts, where those of maps count 1."""
_PIECES = 1.5
"""What each channel counts that tells where in its piece a pixel is."""
_SPOTS = 6
"""Patches of each exemplar along the shorter side, where nobody says which goes where."""


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


def guide_channels(exemplars: Exemplars, size: tuple[int, int], params: Params, seed: int) -> tuple[Tensor, Tensor]:
    """Return the guide's channels of the exemplars, (S, G, H, W), and of the result, (G, *size)."""
    own, wanted = [], []
    if params.guide is not None:
        given, target = _looks(exemplars, size, params.guide)
        scale = _STRENGTH * params.guide.weight / max(deviation(given), 0.02)
        own.append(given * scale)
        wanted.append(target * scale)
    if exemplars.kinds > 1:
        turns = len(exemplars.turns)
        kind = torch.arange(exemplars.kinds).repeat_interleave(turns).float().reshape(-1, 1, 1, 1)
        own.append(_STRENGTH * kind.expand(-1, 1, *exemplars.size))
        wanted.append(_STRENGTH * _kinds(exemplars.kinds, size, params, seed))
    return torch.cat(own, 1), torch.cat(wanted)


def piece_channels(exemplars: Exemplars, maps: Tensor) -> list[Tensor]:
    """Return the channels of places in pieces, (S, 4, H, W), if exemplars are made of pieces.

    maps: (S, C, H, W), whose device they are to be on.
    """
    found = [places_in_pieces(_reliefs(one)) for one in exemplars.materials]
    if any(one is None for one in found):
        return []
    places = torch.stack([one for one in found if one is not None])
    means, covariance = moments(places.transpose(0, 1))
    strength = _PIECES / root(covariance.diagonal()).clamp_min(0.02)
    centered = places - means.float()[:, None, None]
    return [(centered * strength.float()[:, None, None]).to(maps)]


def _reliefs(material: af.Material) -> list[Tensor]:
    heights = [texture.data[0] for name, texture in material.items() if name == "height"]
    return [*heights, brightness(material)[0]]


def _looks(exemplars: Exemplars, size: tuple[int, int], guide: Guide) -> tuple[Tensor, Tensor]:
    """Return what the exemplars and the result look like to a guide."""
    if guide.source is None:
        given = torch.stack([brightness(one) for one in exemplars.materials])
        return given, match_ranks(resample(read_gray(guide.target), size), given)
    picture = resample(_read_color(guide.source), exemplars.size)
    given = torch.stack([turn_pixels(picture, turn) for turn in exemplars.turns])
    return given, resample(_read_color(guide.target), size)


def _read_color(path: af.File) -> Tensor:
    return srgb_encode(decode(path, af.MAPS["base_color"], Reading(), str(path)).texture.data)


def _kinds(count: int, size: tuple[int, int], params: Params, seed: int) -> Tensor:
    """Return which exemplar goes where: (1, *size), from 0 to count - 1."""
    if params.mix is not None:
        return resample(read_gray(params.mix), size).clamp(0, 1) * (count - 1)
    weights = torch.tensor([1.0, *(other.weight for other in params.others)])
    spots = [max(2, round(_SPOTS * side / min(size))) for side in size]
    noise = torch.rand(1, *spots, generator=torch.Generator().manual_seed(derive_seed(seed, 1)))
    smooth = resample(noise, size, repeat=True)
    limits = (
        smooth.flatten()
        .sort()
        .values[((weights.cumsum(0) / weights.sum())[:-1] * smooth.numel()).long().clamp(max=smooth.numel() - 1)]
    )
    return torch.bucketize(smooth, limits).float()
