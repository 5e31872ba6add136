"""Make of maps what `multiply` made of others, by the coordinates that it saved.

Of the same maps, it makes the same, to the bit. The maps may be larger than those that the coordinates were found with:
a layout that was found at 1K makes 4K maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.resample import matched, resample
from assetforge_multiply._canvas import atlas_of
from assetforge_multiply._channels import Stack, to_material
from assetforge_multiply._exemplars import TURNS, flattened, turned_alike
from assetforge_multiply._field import FALLOFF, MAX_EXEMPLARS, PATCH, Field, field_of
from assetforge_multiply._params import ApplyParams
from assetforge_multiply._polish import compose, refine

_BAND = 128
"""Rows that are made at a time."""
_BYTE = 255
_FINE = 4
"""Fractions of 1 to which a scale is told."""


def apply_coordinates(material: af.Material, params: ApplyParams, context: af.Context) -> af.Material:
    """Apply the map `coordinates` of a material to all of its other maps, which are brought to one size first."""
    field = _field(material, params)
    others = af.Material(material.name, {name: one for name, one in material.items() if name != "coordinates"})
    if not others.maps:
        raise af.StepError("apply_map", "there is no map to apply the coordinates to", "add one to the inputs")
    exemplar = flattened(
        matched(others, max(texture.size for texture in others.values())), params.flatten, context.specs
    )
    stack = Stack.of(turned_alike([exemplar], TURNS[params.turn], context.specs), context.specs)
    scale = params.scale or _scale(field.source_size, (stack.channels.shape[2], stack.channels.shape[3]))
    size = round(field.source_size[0] * scale), round(field.source_size[1] * scale)
    channels = torch.stack([resample(one, size) for one in stack.channels])
    atlas = atlas_of(channels, size)
    if scale == 1:
        result = refine(compose(stack, atlas, field), stack, atlas, field, params.polish)
    else:
        result = _scaled(stack, atlas, field, scale, size[0], context)
    height, width = params.cropped_size((result.shape[1], result.shape[2]), scale)
    made = to_material(stack, result[:, :height, :width], params, context.specs)
    return made.replace(coordinates=material["coordinates"])


def _field(material: af.Material, params: ApplyParams) -> Field:
    """Return the field of a material's map `coordinates`. Raise StepError where it cannot be applied."""
    if "coordinates" not in material:
        raise af.StepError("apply_map", f"the map 'coordinates' is missing; there are: {', '.join(material)}")
    where = material["coordinates"].data
    if round(where[2].max().item() * MAX_EXEMPLARS) >= len(TURNS[params.turn]):
        what = f"the coordinates are of more exemplars than {params.turn!r} gives"
        raise af.StepError("turn", what, "write the `turn` that `multiply` had; `others` cannot be applied")
    if _is_coarse(where):
        instead = "write them as png16 or exr32 (`outputs: {format: {coordinates: png16}}`)"
        raise af.StepError("coordinates", "come from a file of 8 bits, which cannot tell pixels apart", instead)
    try:
        return field_of(where)
    except ValueError as error:
        raise af.StepError("coordinates", str(error), "write those that `multiply` saved, at their size") from error


def _is_coarse(where: Tensor) -> bool:
    """Tell whether all places are whole numbers of 255."""
    places = where[:2] * _BYTE
    return bool((places - places.round()).abs().max() < 1e-3)


def _scale(old: tuple[int, int], new: tuple[int, int]) -> float:
    """Return how much larger maps are than the exemplar was.

    An exemplar that repeats itself was stretched a little along one axis or both: then it is a power of two.
    """
    told = max(1, round(new[0] / old[0] * _FINE)) / _FINE
    if all(round(before * told) == after for after, before in zip(new, old, strict=True)):
        return told
    return 2.0 ** round(math.log2(new[0] / old[0] * new[1] / old[1]) / 2)


def _scaled(stack: Stack, atlas: Tensor, field: Field, scale: float, height: int, context: af.Context) -> Tensor:
    """Lay the patches of larger exemplars (C, S · height, W) over each other: (C, *field.size · scale)."""
    averaged = stack.averaged()
    rows, columns = (round(side * scale) for side in field.size)
    result = torch.empty(atlas.shape[0], rows, columns)
    for top in range(0, rows, _BAND):
        band = torch.arange(top, min(top + _BAND, rows))
        total, weight = torch.zeros(atlas.shape[0], len(band), columns), torch.zeros(len(band), columns)
        best, chosen = torch.zeros(len(band), columns), torch.zeros_like(total)
        for i, below, share in _covering(band, field.y.shape[0], field.stride, scale):
            for j, beyond, part in _covering(torch.arange(columns), field.x.shape[1], field.stride, scale):
                patch = (i[:, None], j)
                counted = field.weight[patch] * share[:, None] * part
                y, x = (place.round().long() for place in _places(field, patch, below[:, None], beyond, scale))
                y += (field.y[patch] // field.source_size[0]) * height
                picked = atlas[:, y, x]
                total += picked * counted
                weight += counted
                chosen = torch.where(counted > best, picked, chosen)
                best = torch.maximum(best, counted)
        result[:, band] = torch.where(averaged[:, None, None], total / weight, chosen)
        context.progress(top / rows)
    return result


def _covering(places: Tensor, count: int, stride: int, scale: float) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the patches that cover pixels along an axis: their numbers, how far into them that is, and their shares."""
    last = ((places + 0.5) / (stride * scale)).floor().long()
    for before in range(PATCH // stride):
        inside = places - (last - before) * (stride * scale)
        away = (inside.double() + 0.5) / scale - PATCH / 2
        yield (last - before) % count, inside, torch.exp(-(away * away) / (2 * (PATCH * FALLOFF) ** 2)).float()


def _places(
    field: Field, patch: tuple[Tensor, Tensor], below: Tensor, beyond: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Return row and column in a larger exemplar, so many pixels into patches."""
    y = (field.y[patch] % field.source_size[0]) * scale + below
    x = field.x[patch] * scale + beyond
    limits = (round(side * scale) - 1 for side in field.source_size)
    return tuple(one.clamp(0, most) for one, most in zip((y, x), limits, strict=True))  # type: ignore[return-value]
