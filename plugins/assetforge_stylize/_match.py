"""The step `match_color`: statistics of what is seen, a transfer of colors, and back into the range of colors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.color_models import COLOR_MODELS, into_gamut
from assetforge.ops.threads import one_thread
from assetforge_stylize import MatchParams
from assetforge_stylize._maps import chosen, tell_gamut
from assetforge_stylize._transfer import Transfer, covariance, mean_deviation, sliced

_SAMPLES = 2**18
_FLAT = 1e-3
"""Deviation of what is of one color, in light."""
_SEEN = 1 / 255
"""Least alpha of what counts."""


def match_material(material: af.Material, params: MatchParams, context: af.Context) -> af.Material:
    """Return the material in other colors; raise StepError where none of the maps that are named is there."""
    names = chosen(material, params.maps)
    if params.strength == 0:
        return material
    like = decode(params.like, af.MAPS["base_color"], Reading(), str(params.like)).texture
    with one_thread():
        matched = {name: _matched(name, material[name], like, params, context) for name in names}
    return material.replace(**matched)


def _matched(name: str, texture: af.Texture, like: af.Texture, params: MatchParams, context: af.Context) -> af.Texture:
    model = COLOR_MODELS[params.space]
    own, theirs = (_sampled(one, f"{what} of {name}") for what, one in (("the map", texture), ("`like`", like)))
    if float(theirs.std(1, correction=0).max()) < _FLAT:
        what = "is all of one color: there is nothing to match"
        raise af.StepError(str(params.like), what, "give a picture of several colors")
    transfer = _transfer(model.of_linear(own), model.of_linear(theirs), params.method, context.seed)
    before = model.of_linear(texture.data)
    after = transfer(before)
    if params.brightness == "keep":
        after = torch.cat([before[:1], after[1:]])
    light = model.to_linear(before + (after - before) * params.strength)
    light, moved = into_gamut(light, max(1.0, texture.data.max().item()))
    tell_gamut(name, moved, context)
    return texture.with_data(light)


def _transfer(colors: Tensor, like: Tensor, method: str, seed: int) -> Transfer:
    if method == "sliced":
        return sliced(colors, like, torch.Generator().manual_seed(seed))
    return (covariance if method == "covariance" else mean_deviation)(colors, like)


def _sampled(texture: af.Texture, what: str) -> Tensor:
    """Return the colors (3, N) of what is not transparent, or of every n-th pixel of it where there are very many."""
    pixels = texture.data.flatten(1)
    if texture.alpha is not None:
        pixels = pixels[:, texture.alpha.flatten() >= _SEEN]
    if not pixels.shape[1]:
        raise af.StepError("match_color", f"{what} is all transparent: it has no colors", "give one that is seen")
    step = max(1, pixels.shape[1] // _SAMPLES)
    while math.gcd(step, texture.size[1]) > 1:  # or the same columns would be seen in every row
        step += 1
    return pixels[:, ::step].contiguous()
