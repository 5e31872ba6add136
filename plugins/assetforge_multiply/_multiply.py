"""What the steps do. `multiply`: by one of three methods, tried until nothing is wrong with the result, and measured.

`apply_map` makes of maps what `multiply` made of others, by the coordinates that it saved: of the same maps the same,
to the bit. The maps may be larger than those that the coordinates were found with: a layout that was found at 1K makes
4K maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.color import srgb_decode
from assetforge.ops.resample import matched, resample
from assetforge.ops.threads import one_thread
from assetforge_multiply import ApplyParams, Params, _blend, _neural, _patches
from assetforge_multiply._canvas import atlas_of
from assetforge_multiply._channels import Stack, to_material
from assetforge_multiply._exemplars import TURNS, Exemplars, flattened, gather, turned_alike
from assetforge_multiply._field import (
    FALLOFF,
    MAX_EXEMPLARS,
    PATCH,
    Field,
    SynthesisResult,
    coordinates,
    derive_seed,
    field_of,
)
from assetforge_multiply._polish import compose, refine
from assetforge_multiply._quality import Quality, measure

SMALLEST = 2 * PATCH
"""Least side of an exemplar in pixels."""
_REPORT_HEIGHT = 1024
"""Height of the report's picture in pixels."""

Method = Callable[[Exemplars, Stack, Params, af.Context], SynthesisResult]

METHODS: dict[str, Method] = {
    "patches": _patches.synthesize,
    "blend": _blend.synthesize,
    "neural": _neural.synthesize,
}


def multiply_material(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a new material like the given one. Its maps are brought to one size first.

    What fails a check is tried again with other seeds; the best result stays, and what is wrong with it is flagged.
    """
    exemplars = gather(material, params, context.specs)
    if not params.others and not params.save_map and all(map(_is_flat, exemplars.materials[0].values())):
        flat = _flat(exemplars.materials[0], params.result_size(exemplars.size))
        return flat.replace(**_on_demand(None, flat, exemplars, params))
    _check_size(exemplars.size)
    quality, made, result = _best_of_tries(exemplars, params, context)
    for name, value in quality.notes.items():
        context.note(name, value)
    for flag in quality.flags:
        context.flag(flag)
    return result.replace(**_on_demand(made.field, result, exemplars, params))


def _best_of_tries(
    exemplars: Exemplars, params: Params, context: af.Context
) -> tuple[Quality, SynthesisResult, af.Material]:
    """Try one seed after the other until nothing is wrong; return the try with the smallest penalty."""
    best: tuple[Quality, SynthesisResult, af.Material] | None = None
    retries = params.retries if params.method == "patches" else 0  # the others give much the same with any seed
    for number in range(retries + 1):
        made = _synthesize(exemplars, params, replace(context, seed=derive_seed(context.seed, number)))
        result = _finish(made, exemplars, params, context)
        quality = measure(result, exemplars, params, context.specs, made.field, made.variety)
        if best is None or quality.penalty < best[0].penalty:
            best = (quality, made, result)
        if not quality.flags:
            break
    if best is None:
        raise ValueError("nothing was tried")
    return best


def _check_size(size: tuple[int, int]) -> None:
    if min(size) < SMALLEST:
        what = f"is {size[1]}×{size[0]} pixels, which is too small to take pieces from"
        raise af.StepError("the exemplar", what, f"give one of at least {SMALLEST}×{SMALLEST}")


def _is_flat(texture: af.Texture) -> bool:
    pixels = texture.data if texture.alpha is None else torch.cat([texture.data, texture.alpha])
    lowest, highest = torch.aminmax(pixels.flatten(1), dim=1)
    return bool((highest == lowest).all())


def _flat(material: af.Material, size: tuple[int, int]) -> af.Material:
    """Return a material of one value everywhere at a size."""

    def spread(pixels: Tensor) -> Tensor:
        return pixels[:, :1, :1].expand(-1, *size).contiguous()

    return af.Material(
        material.name,
        {
            name: replace(
                one, data=spread(one.data), alpha=None if one.alpha is None else spread(one.alpha), wrap="repeat"
            )
            for name, one in material.items()
        },
    )


def _synthesize(exemplars: Exemplars, params: Params, context: af.Context) -> SynthesisResult:
    """Make a result on the context's device, and bring it back."""
    with one_thread():
        stack = Stack.of(exemplars.materials, context.specs).to(context.device)
    return METHODS[params.method](exemplars, stack, params, context).to("cpu")


def _finish(made: SynthesisResult, exemplars: Exemplars, params: Params, context: af.Context) -> af.Material:
    """Cut a result to its size, and make a material of it."""
    height, width = params.result_size(exemplars.size)
    stack = Stack.of(exemplars.materials[:1], context.specs)
    result = to_material(stack, made.channels[:, :height, :width], params, context.specs)
    return result if made.keep is None else _put_back(result, exemplars.materials[0], made.keep)


def _put_back(result: af.Material, exemplar: af.Material, keep: Tensor) -> af.Material:
    """Put the pixels that are kept back into a result, to the bit."""
    maps = {}
    for name, texture in result.items():
        before = exemplar[name]
        alpha = texture.alpha
        if alpha is not None and before.alpha is not None:
            alpha = torch.where(keep, before.alpha, alpha)
        maps[name] = replace(texture, data=torch.where(keep, before.data, texture.data), alpha=alpha)
    return af.Material(result.name, maps)


def _on_demand(field: Field | None, result: af.Material, exemplars: Exemplars, params: Params) -> dict[str, af.Texture]:
    maps = {}
    where = None if field is None else coordinates(field)
    if params.save_map and where is not None:
        maps["coordinates"] = af.Texture(where, af.ColorSpace.NONE, "clamp")
    if params.report:
        maps["multiply_report"] = _report(exemplars.materials[0], result, where)
    return maps


def _report(exemplar: af.Material, result: af.Material, where: Tensor | None) -> af.Texture:
    """Return exemplar, result tiled twice and the map of coordinates side by side; nothing where there is none."""
    shown = next((name for name, texture in result.items() if texture.color_space == af.ColorSpace.LIN_REC709), None)
    name = shown or next(iter(result))
    pictures = [_colored(exemplar[name], name), _colored(result[name], name).repeat(1, 2, 2)]
    if where is not None:
        pictures.append(srgb_decode(where[[0, 1, 2]].clamp(0, 1)))
    return af.Texture(torch.cat([_fitted(one) for one in pictures], 2), af.ColorSpace.LIN_REC709, "clamp")


def _colored(texture: af.Texture, name: str) -> Tensor:
    if texture.color_space == af.ColorSpace.LIN_REC709:
        return texture.data.clamp(0, 1)
    numbers = texture.data * 0.5 + 0.5 if name == "normal" else texture.data
    return srgb_decode(numbers[:3].clamp(0, 1)).expand(3, -1, -1)


def _fitted(pixels: Tensor) -> Tensor:
    width = max(1, round(pixels.shape[2] * _REPORT_HEIGHT / pixels.shape[1]))
    return resample(pixels, (_REPORT_HEIGHT, width)).clamp(0, 1)


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
    atlas = atlas_of(stack.resized(size), size)
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
