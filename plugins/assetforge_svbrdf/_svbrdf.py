"""From photographs to a material, in order: register, examine, fit, refine, cut, and say what is doubtful.

After Aittala, Weyrich and Lehtinen, "Two-Shot SVBRDF Capture for Stationary Materials", 2015, with a function of the
guide's descriptors where they have stacks of matched pixels (see `_surface`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.resample import resample_map
from assetforge.ops.threads import one_thread
from assetforge_svbrdf import Params
from assetforge_svbrdf._align import align, refuse
from assetforge_svbrdf._checks import imprint_doubts
from assetforge_svbrdf._descriptors import describe, learned
from assetforge_svbrdf._fit import Data, Solution, fit, registered, tried
from assetforge_svbrdf._maps import maps_of, textures, with_height
from assetforge_svbrdf._naive import naive
from assetforge_svbrdf._network import Unet, networks, start_input
from assetforge_svbrdf._photos import (
    Photos,
    check_pair,
    check_photo,
    flattened,
    from_flash,
    moved,
    placed,
    prepared,
    see_through,
)
from assetforge_svbrdf._refine import refine, residual
from assetforge_svbrdf._stationarity import Stationarity, examine
from assetforge_svbrdf._surface import Fitted, Kind
from assetforge_svbrdf._tileable import made_tileable

STEPS = 700
_USUAL_FOV = 60.0
_NARROWEST, _WIDEST = 5.0, 135.0
"""Angles that lenses see; others are not believed."""
_GRAY = 0.18
_OTHER_LENS = 1.05
"""By which factor focal lengths of two photographs differ that were not taken with one lens."""
_POOR_FIT = 0.08
"""Mean difference of tones between the photograph and its rendering from which on it is said to be poor."""


@dataclass(frozen=True, eq=False)
class Captured:
    """Maps in the frame of the photograph, and what is known of them."""

    fitted: Fitted
    metal: bool
    notes: Mapping[str, Any]
    flags: tuple[str, ...]
    tile: tuple[int, int, int] | None = None


def capture(photographs: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make the material; raise StepError where the photographs cannot be used."""
    with one_thread():
        smaller = af.Material(
            photographs.name, {name: _reduced(one, params.longest) for name, one in photographs.items()}
        )
        captured = _captured(smaller, params, context)
        result, notes = _cut(captured, params)
    for name, value in {**captured.notes, **notes}.items():
        context.note(name, value)
    for flag in captured.flags:
        context.flag(flag)
    context.progress(1.0)
    return photographs.replace(**textures(result, "repeat" if params.tileable else "clamp"))


def _reduced(photo: af.Texture, longest: int) -> af.Texture:
    """Return a photograph with so many pixels along its longer side, at most."""
    scale = longest / max(photo.size)
    if scale >= 1:
        return photo
    height, width = (max(1, round(side * scale)) for side in photo.size)
    return resample_map(replace(photo, wrap="clamp"), af.MAPS["flash"], (height, width))


def _captured(photographs: af.Material, params: Params, context: af.Context) -> Captured:
    name = photographs.name
    flash, guide = photographs.get("flash"), photographs.get("guide")
    if flash is None and guide is None:
        raise af.StepError(name, "there is neither a flash nor a guide photo", "name the inputs 'flash' and 'guide'")
    if flash is None and guide is not None:
        return _from_guide(guide)
    assert flash is not None  # noqa: S101
    angle, told = _angle((flash, guide), params)
    light, cast = _balanced(flash.data, params.gray_card)
    flags = [] if told else [f"the photographs do not say what the camera saw; {_USUAL_FOV:.0f}° is a guess"]
    flags += see_through(flash.alpha, "flash")
    if guide is None:
        flags += check_photo(light, "flash")
        flags.append("made of the flash photo alone: relief and gloss are less certain than with a guide")
        photos = from_flash(prepared(light, light, angle))
        return _solved([photos], photos.guide, params, context, flags, {}, alone=True)
    flags += see_through(guide.alpha, "guide") + _other_lens(flash, guide) + check_pair(light, guide.data)
    aligned = align(light, guide.data)
    refuse(aligned, guide.data)
    photos = prepared(light, guide.data, angle, aligned.places)
    notes = {"alignment_residual": round(aligned.residual, 3), "gray_card_cast": cast}
    likely = [photos, *(placed(photos, places) for places in aligned.others)]
    return _solved(likely, guide.data, params, context, flags, notes)


def _solved(
    likely: Sequence[Photos],
    guide: Tensor,
    params: Params,
    context: af.Context,
    flags: list[str],
    notes: Mapping[str, Any],
    *,
    alone: bool = False,
) -> Captured:
    photos = likely[0]
    descriptors = describe(photos.guide)
    found = examine(photos, guide, descriptors)
    flags = flags + [f"the surface is not the same everywhere: {doubt}" for doubt in found.doubts()]
    features, start = networks(context.weights)
    known = torch.cat([descriptors, learned(photos.guide, features)]).flatten(1).T.contiguous()
    kinds = {"auto": (Kind(), Kind(metal=True)), "yes": (Kind(metal=True),), "no": (Kind(),)}[params.metal]
    if alone:  # one photograph tells nothing of either
        kinds = kinds[:1]
    steps = max(1, round(STEPS * params.effort))
    brushed = params.anisotropy == "auto" and not alone
    light = _intensity(params.gray_card)
    if alone:
        data = Data.of(photos, known, light, still=True)
        trial = tried(data, kinds, steps, context.seed)
    else:
        photos, data, trial = registered(likely, known, light, kinds, steps, context.seed)
    context.progress(0.4)
    solution = fit(data, trial, steps, context.seed, lambda done: context.progress(0.4 + 0.4 * done), brushed=brushed)
    photos = moved(photos, solution.motion(photos.points))
    fitted = solution.maps(data, photos.size)
    if alone:  # the fit has nothing that tells shading from color
        fitted = fitted.with_slopes(seen_slopes(photos, start))
    fitted = refine(fitted, photos, solution.offset, solution.intensity)
    off = residual(fitted, photos, solution.offset, solution.intensity).abs().mean().item()
    if off > _POOR_FIT:
        flags.append(f"the material does not look as the flash photo does: its rendering is {off:.0%} off")
    flags += imprint_doubts(fitted, photos)
    notes = {**notes, **_notes(photos, params, solution, found), "residual": round(off, 4)}
    return Captured(fitted, solution.kind.metal, notes, tuple(flags), found.tile)


def seen_slopes(photos: Photos, start: Unet) -> Tensor:
    """Return the slopes (2, H, W) that a network sees in the flash photo."""
    fall_off = (1 + photos.points.square().sum(0)).pow(1.5)
    with torch.no_grad():
        found: Tensor = start(start_input(photos.flash * fall_off, None, photos.points)[None])
    return found[0, 1:3]


def _notes(photos: Photos, params: Params, solution: Solution, found: Stationarity) -> dict[str, Any]:
    anchor = "highlight and a typical albedo" if params.gray_card is None else "gray card"
    return {
        "fov": round(photos.fov, 2),
        "light_offset": [round(value, 4) for value in solution.offset.tolist()],
        "light_intensity": round(solution.intensity, 4),
        "exposure_anchor": anchor,
        "match_quality": round(found.quality, 3),
        "slow_change": round(found.slow, 3),
        "spread": round(found.spread, 3),
        "master_tile": list(found.tile),
        "surface": ("metal" if solution.kind.metal else "dielectric") + ", brushed" * solution.kind.brushed,
    }


def _from_guide(guide: af.Texture) -> Captured:
    flags = see_through(guide.alpha, "guide") + check_photo(guide.data, "guide")
    flags.append("made of the guide alone: nothing of relief and gloss is measured")
    return Captured(naive(flattened(guide.data)), metal=False, notes={}, flags=tuple(flags))


def _cut(captured: Captured, params: Params) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the maps as they are wanted."""
    maps = maps_of(captured.fitted, metal=captured.metal)
    if params.output == "tile":
        rows, columns = _window(captured.tile, captured.fitted.slopes.shape[1:])
        maps = {name: pixels[:, rows, columns] for name, pixels in maps.items()}
    if params.tileable:
        maps = made_tileable(maps)
    maps, scale = with_height(maps, repeat=params.tileable)
    return maps, {"height_in_pixels": round(scale, 3)}


def _window(tile: tuple[int, int, int] | None, size: torch.Size) -> tuple[slice, slice]:
    """Return the rows and columns of a square of half the photograph, about the master tile."""
    side = min(size) // 2
    y, x, small = tile or (size[0] // 2, size[1] // 2, 0)
    starts = [
        min(max(0, first + small // 2 - side // 2), whole - side) for first, whole in zip((y, x), size, strict=True)
    ]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)


def _angle(photos: Sequence[af.Texture | None], params: Params) -> tuple[float, bool]:
    """Return degrees along the longer side, as the first photograph says that says so, and whether anybody did."""
    if params.fov is not None:
        return params.fov, True
    for photo in photos:
        seen = None if photo is None else af.fov(photo.camera)
        if seen is not None and _NARROWEST < seen < _WIDEST:
            return seen, True
    return _USUAL_FOV, False


def _other_lens(flash: af.Texture, guide: af.Texture) -> list[str]:
    """Return a doubt where two photographs say that they were taken with different lenses: one of them lies."""
    first, second = (photo.camera.focal_35mm if photo.camera else None for photo in (flash, guide))
    if not first or not second or max(first, second) <= _OTHER_LENS * min(first, second):
        return []
    said = f"the flash photo says that its focal length is {first:g} mm, and the guide {second:g}"
    return [f"{said}: one of them is wrong"]


def _intensity(gray: float | tuple[float, float, float] | None) -> float | None:
    """Return the light's intensity at the distance of the camera, from what 18 % of it look like."""
    if gray is None:
        return None
    return (gray if isinstance(gray, float) else sum(gray) / 3) / _GRAY * math.pi


def _balanced(flash: Tensor, gray: float | tuple[float, float, float] | None) -> tuple[Tensor, list[float] | None]:
    """Take out of the flash photo the color that a gray card has in it."""
    if gray is None or isinstance(gray, float):
        return flash, None
    mean = sum(gray) / 3
    cast = [value / mean for value in gray]
    return flash / flash.new_tensor(cast)[:, None, None], [round(value, 4) for value in cast]
