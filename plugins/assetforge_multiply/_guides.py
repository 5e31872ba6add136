"""Channels that say what goes where, beside those that patches are compared by.

Hertzmann et al., "Image Analogies", 2001, texture by numbers: the exemplar and the result each have a picture, and
pieces go where the two look alike. Which of several exemplars goes where is such a picture, too.
"""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.color import srgb_encode
from assetforge.ops.exact import deviation, moments
from assetforge.ops.resample import resample
from assetforge.ops.turn import turn_pixels
from assetforge_multiply import Guide, Params
from assetforge_multiply._exemplars import Exemplars, brightness, read_gray
from assetforge_multiply._pieces import places_in_pieces
from assetforge_multiply._seeds import mixed

_STRENGTH = 3.0
"""What a guide's channel counts, where those of maps count 1."""
_PIECES = 1.5
"""What each channel counts that tells where in its piece a pixel is."""
_SPOTS = 6
"""Patches of each exemplar along the shorter side, where nobody says which goes where."""


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
    strength = _PIECES / covariance.diagonal().sqrt().clamp_min(0.02)
    centered = places - means.float()[:, None, None]
    return [(centered * strength.float()[:, None, None]).to(maps)]


def _reliefs(material: af.Material) -> list[Tensor]:
    heights = [texture.data[0] for name, texture in material.items() if name == "height"]
    return [*heights, brightness(material)[0]]


def _looks(exemplars: Exemplars, size: tuple[int, int], guide: Guide) -> tuple[Tensor, Tensor]:
    """Return what the exemplars and the result look like to a guide."""
    if guide.exemplar is None:
        given = torch.stack([brightness(one) for one in exemplars.materials])
        return given, _ranked(resample(read_gray(guide.target), size), given)
    picture = resample(_read_color(guide.exemplar), exemplars.size)
    given = torch.stack([turn_pixels(picture, turn) for turn in exemplars.turns])
    return given, resample(_read_color(guide.target), size)


def _read_color(path: af.File) -> Tensor:
    return srgb_encode(decode(path, af.MAPS["base_color"], Reading(), str(path)).texture.data)


def _ranked(target: Tensor, like: Tensor) -> Tensor:
    """Give each value of a target the value of the same rank in the exemplars: dark goes where it is dark there."""
    flat = target.flatten()
    ranks = torch.empty_like(flat)
    ranks[flat.argsort(stable=True)] = torch.arange(flat.numel()) / flat.numel()
    ordered = like.flatten().sort().values
    return ordered[(ranks * ordered.numel()).long()].reshape(target.shape)


def _kinds(count: int, size: tuple[int, int], params: Params, seed: int) -> Tensor:
    """Return which exemplar goes where: (1, *size), from 0 to count - 1."""
    if params.mix is not None:
        return resample(read_gray(params.mix), size).clamp(0, 1) * (count - 1)
    weights = torch.tensor([1.0, *(other.weight for other in params.others)])
    spots = [max(2, round(_SPOTS * side / min(size))) for side in size]
    noise = torch.rand(1, *spots, generator=torch.Generator().manual_seed(mixed(seed, 1)))
    smooth = resample(noise, size, repeat=True)
    limits = (
        smooth.flatten()
        .sort()
        .values[((weights.cumsum(0) / weights.sum())[:-1] * smooth.numel()).long().clamp(max=smooth.numel() - 1)]
    )
    return torch.bucketize(smooth, limits).float()
