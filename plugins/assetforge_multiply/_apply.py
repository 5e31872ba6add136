"""Make of maps what `multiply` made of others, by the coordinates that it saved.

The maps may be larger than those that the coordinates were found with: a layout that was found at 1K makes 4K maps.
"""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.resample import matched
from assetforge_multiply import ApplyParams
from assetforge_multiply._channels import Stack
from assetforge_multiply._coordinates import NUMBERS
from assetforge_multiply._exemplars import TURNS, turned_alike

_NEAR = range(-2, 3)
"""Pixels of the coordinates over which pieces turn into one another."""
_BAND = 128
"""Rows that are made at a time."""
_BYTE = 255
_FINE = 64
"""Fractions of a pixel to which a scale is told."""


def apply_coordinates(material: af.Material, params: ApplyParams, context: af.Context) -> af.Material:
    """Apply the map `coordinates` of a material to all of its other maps, which are brought to one size first."""
    if "coordinates" not in material:
        raise af.StepError("apply_map", f"the map 'coordinates' is missing; there are: {', '.join(material)}")
    where = material["coordinates"]
    turns = TURNS[params.turn]
    if round(where.data[2].max().item() * NUMBERS) >= len(turns):
        what = f"the coordinates are of more exemplars than {params.turn!r} gives"
        raise af.StepError("turn", what, "write the `turn` that `multiply` had; `others` cannot be applied")
    if _is_coarse(where.data):
        instead = "write them as png16 or exr32 (`outputs: {format: {coordinates: png16}}`)"
        raise af.StepError("coordinates", "come from a file of 8 bits, which cannot tell pixels apart", instead)
    others = af.Material(material.name, {name: one for name, one in material.items() if name != "coordinates"})
    if not others.maps:
        raise af.StepError("apply_map", "there is no map to apply the coordinates to", "add one to the inputs")
    exemplar = matched(others, max(texture.size for texture in others.values()))
    stack = Stack.of(turned_alike([exemplar], turns, context.specs), context.specs)
    atlas = torch.cat(list(stack.channels), 1)
    scale = params.scale or _scale(where.data, (stack.channels.shape[2], stack.channels.shape[3]))
    averaged = stack.averaged()
    size = (round(where.size[0] * scale), round(where.size[1] * scale))
    result = torch.empty(stack.channels.shape[1], *size)
    for top in range(0, size[0], _BAND):
        rows = torch.arange(top, min(top + _BAND, size[0]))
        result[:, rows] = _band(atlas, where.data, rows, size, averaged, len(turns))
        context.progress(top / size[0])
    made = stack.restore(result, where.wrap)
    return made.replace(coordinates=where)


def _is_coarse(where: Tensor) -> bool:
    """Tell whether all places are whole numbers of 255."""
    places = where[:2] * _BYTE
    return bool((places - places.round()).abs().max() < 1e-3)


def _scale(where: Tensor, size: tuple[int, int]) -> float:
    """Return how much larger maps are than the exemplar was: one pixel on, most pixels come from one pixel on."""
    step = (where[0, :, 1:] - where[0, :, :-1]).flatten()
    found = step[step > 0].median() if (step > 0).any() else torch.tensor(1 / size[1])
    return float(max(1, round(size[1] * found.item() * _FINE)) / _FINE)


def _band(atlas: Tensor, where: Tensor, rows: Tensor, size: tuple[int, int], averaged: Tensor, count: int) -> Tensor:
    """Make some rows: each pixel from where the coordinates around it lead, the nearest counting most."""
    y, x = ((torch.arange(side) + 0.5) * old / side - 0.5 for side, old in zip(size, where.shape[1:], strict=True))
    y = y[rows]
    up = size[0] / where.shape[1], size[1] / where.shape[2]
    total, weight = torch.zeros(atlas.shape[0], len(rows), size[1]), torch.zeros(len(rows), size[1])
    nearest = total
    for dy in _NEAR:
        for dx in _NEAR:
            near = y.round().long() + dy, x.round().long() + dx
            rest = (y - near[0])[:, None], x - near[1]
            place = where[:, near[0] % where.shape[1]][:, :, near[1] % where.shape[2]]
            picked = _picked(atlas, place, (rest[0] * up[0], rest[1] * up[1]), count)
            share = torch.exp(-(rest[0] ** 2 + rest[1] ** 2) / 2)
            total += picked * share
            weight += share
            if dy == dx == 0:
                nearest = picked
    return torch.where(averaged[:, None, None], total / weight, nearest)


def _picked(atlas: Tensor, place: Tensor, beyond: tuple[Tensor, Tensor], count: int) -> Tensor:
    """Look up `count` exemplars (C, count · H, W) at coordinates, and so many pixels beyond: down, right."""
    height, width = atlas.shape[1] // count, atlas.shape[2]
    y = (place[1] * height - 0.5 + beyond[0]).round().long().clamp(0, height - 1)
    x = (place[0] * width - 0.5 + beyond[1]).round().long().clamp(0, width - 1)
    return atlas[:, y + (place[2] * NUMBERS).round().long() * height, x]
