"""The step `trim_sheet`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.seams import TILEABLE_BELOW, seam_score
from assetforge.ops.tile import window
from assetforge_maps import Strip, TrimSheetParams
from assetforge_maps._size import resampled_by_axis

_LARGEST = 16384


def lay_out(material: af.Material, params: TrimSheetParams, context: af.Context) -> af.Material:
    """Lay strips below each other, each with padding around it; raise StepError where one lacks a map."""
    specs = {name: context.specs[name] for name in material}
    if not material:
        raise af.StepError("", "has no maps", "add some to `inputs`")
    width = params.width or max(texture.size[1] for texture in material.values())
    strips: list[Mapping[str, af.Texture]] = [_fitted(material, 1, width, specs)]
    for number, strip in enumerate(params.strips):
        strips.append(_fitted(_read(number, strip, material, specs), strip.across, width, specs))
        context.progress((number + 1) / len(params.strips))
    heights = [next(iter(one.values())).size[0] for one in strips]
    rows = _rows(heights, params)
    names = ["material", *(strip.name or str(number + 1) for number, strip in enumerate(params.strips))]
    context.note("strips", [{"name": n, "top": t, "bottom": b} for n, (t, b) in zip(names, rows, strict=True)])
    _tell(strips, names, context)
    maps = {name: _laid([one[name] for one in strips], rows, params) for name in material}
    if params.ids:
        maps["id"] = af.Texture(_ids(rows, width, _total(rows, params)), af.ColorSpace.NONE, "clamp")
    return af.Material(material.name, maps)


def _tell(strips: list[Mapping[str, af.Texture]], names: list[str], context: af.Context) -> None:
    for strip, called in zip(strips, names, strict=True):
        for name, texture in strip.items():
            score = round(seam_score(texture.data, "x"), 3)
            if score > TILEABLE_BELOW:
                text = f"the strip {called} does not tile across (score {score}, at most {TILEABLE_BELOW})"
                context.flag(af.Flag(text, "warning", name, score, TILEABLE_BELOW))


def _read(number: int, strip: Strip, material: af.Material, specs: Mapping[str, af.MapSpec]) -> af.Material:
    if set(strip.maps) != set(material):
        where, given = f"strips[{number}]", ", ".join(sorted(strip.maps))
        raise af.StepError(where, f"has the maps {given}", f"give those of the material: {', '.join(sorted(material))}")
    maps = {}
    for name, path in strip.maps.items():
        read = decode(path, specs[name], Reading(green=strip.green), str(path)).texture
        maps[name] = replace(read, alpha=_alpha(read) if material[name].alpha is not None else None)
    return af.Material(material.name, maps)


def _alpha(texture: af.Texture) -> Tensor:
    return torch.ones(1, *texture.size) if texture.alpha is None else texture.alpha


def _fitted(
    material: af.Material, across: int, width: int, specs: Mapping[str, af.MapSpec]
) -> Mapping[str, af.Texture]:
    """Return maps as wide as the sheet, of one height: a strip that repeats `across` times is that much smaller."""
    if width % across:
        what = f"is to repeat {across} times across {width} pixels"
        raise af.StepError("across", what, "choose a number that divides the width of the sheet")
    high, wide = max((texture.size for texture in material.values()), key=math.prod)
    size = max(1, round(high * width / across / wide)), width // across
    return {name: _repeated(resampled_by_axis(one, specs[name], size), across) for name, one in material.items()}


def _repeated(texture: af.Texture, across: int) -> af.Texture:
    alpha = None if texture.alpha is None else texture.alpha.repeat(1, 1, across)
    return replace(texture, data=texture.data.repeat(1, 1, across), alpha=alpha)


def _rows(heights: list[int], params: TrimSheetParams) -> list[tuple[int, int]]:
    """Return the first row of each strip, and the row after its last."""
    rows, top = [], params.padding
    for height in heights:
        rows.append((top, top + height))
        top += height + 2 * params.padding
    needed, most = rows[-1][1] + params.padding, params.height or _LARGEST
    if needed > most:
        what = f"its {len(heights)} strips with their padding need {needed} rows, and it may have {most}"
        raise af.StepError("", what, "give a greater `height`, a smaller `width`, or fewer strips")
    return rows


def _total(rows: list[tuple[int, int]], params: TrimSheetParams) -> int:
    return params.height or rows[-1][1] + params.padding


def _laid(strips: list[af.Texture], rows: list[tuple[int, int]], params: TrimSheetParams) -> af.Texture:
    """Lay the strips of one map; what is between them goes on as they do, so that mips mix no strip with another."""
    data = _column([one.data for one in strips], strips, rows, params)
    alpha = None if strips[0].alpha is None else _column([_alpha(one) for one in strips], strips, rows, params)
    return replace(strips[0], data=data, alpha=alpha, wrap="clamp")


def _column(
    pixels: list[Tensor], strips: list[af.Texture], rows: list[tuple[int, int]], params: TrimSheetParams
) -> Tensor:
    parts = []
    for number, (one, strip, (top, bottom)) in enumerate(zip(pixels, strips, rows, strict=True)):
        below = params.padding if number < len(rows) - 1 else _total(rows, params) - bottom
        size = bottom - top + params.padding + below, one.shape[2]
        parts.append(window(one, (-params.padding, 0), size, repeat=strip.wrap == "repeat"))
    return torch.cat(parts, 1)


def _ids(rows: list[tuple[int, int]], width: int, height: int) -> Tensor:
    """Return the number of the strip that each pixel is of, from 1, (1, H, W); 0 is padding."""
    ids = torch.zeros(1, height, width)
    for number, (top, bottom) in enumerate(rows):
        ids[:, top:bottom] = number + 1
    return ids
