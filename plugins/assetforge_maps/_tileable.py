"""The step `make_tileable`: all maps of a material are cut along the same paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.alpha import CLEAR
from assetforge.ops.quilt import LEAST_SIDE, quilted
from assetforge.ops.resample import restore
from assetforge.ops.seams import TILEABLE_BELOW, seam_score
from assetforge.ops.threads import one_thread
from assetforge_maps import TileableParams
from assetforge_maps._size import resampled_by_axis

_DARKEST = 0.01
_FLAT = 0.02
"""Least deviation by which a map is divided, so that noise does not count."""
_ALPHA, _COLOR = " alpha", " color by alpha"
"""What is added to the names of maps, which have no spaces, for what is cut along with them."""


def tile_material(material: af.Material, params: TileableParams, context: af.Context) -> af.Material:
    """Cut where edges do not meet; raise StepError where maps differ in size or are too small."""
    wanted = "xy" if params.axes == "both" else params.axes
    axes = "".join(axis for axis in wanted if params.force or not _meets(material, axis))
    if not axes:
        return material
    _check_sizes(material)
    with one_thread():
        cut = quilted(
            _parts(material),
            lambda maps: _features(maps, context.specs),
            axes,
            closed=len(axes) == 1 and _meets(material, "y" if axes == "x" else "x"),
            unmixed=frozenset(name for name in material if context.specs[name].kind == "id"),
        )
    maps = {name: _texture(name, texture, cut, context.specs[name]) for name, texture in material.items()}
    made = af.Material(material.name, maps)
    whole = all(_meets(made, axis) for axis in "xy")
    _tell(made, axes, context)
    done = {n: replace(t, wrap="repeat" if whole else "clamp") for n, t in made.items()}
    if params.size == "keep":
        done = {n: _kept(t, context.specs[n], material[n].size) for n, t in done.items()}
    return af.Material(made.name, done)


def _kept(texture: af.Texture, spec: af.MapSpec, size: tuple[int, int]) -> af.Texture:
    """Bring a map back to its size; one that was cut along one axis goes on tiling along that."""
    return replace(resampled_by_axis(texture, spec, size), wrap=texture.wrap)


def _meets(material: Mapping[str, af.Texture], axis: str) -> bool:
    """Tell whether the opposite edges of all maps meet along an axis."""
    return all(
        texture.wrap == "repeat" or seam_score(pixels, axis) <= TILEABLE_BELOW
        for texture in material.values()
        for pixels in (texture.data, texture.alpha)
        if pixels is not None
    )


def _check_sizes(material: af.Material) -> None:
    [first, *others] = material.items()
    for name, texture in others:
        if texture.size != first[1].size:
            (height, width), (rows, columns) = texture.size, first[1].size
            what = f"is {width}×{height}, and {first[0]} is {columns}×{rows}: one cut fits maps of one size"
            raise af.StepError(name, what, "`resize` all maps to one size before")
    if min(first[1].size) < LEAST_SIDE:
        what = f"is {first[1].size[1]}×{first[1].size[0]} pixels, which is too small to be cut"
        raise af.StepError(first[0], what, f"its sides must be {LEAST_SIDE} pixels at least")


def _parts(material: af.Material) -> dict[str, Tensor]:
    """Return all that is cut: maps, and with alpha also that and the colors by it, which are what is blended."""
    parts = {}
    for name, texture in material.items():
        parts[name] = texture.data
        if texture.alpha is not None:
            parts |= {name + _ALPHA: texture.alpha, name + _COLOR: texture.data * texture.alpha}
    return parts


def _features(maps: Mapping[str, Tensor], specs: Mapping[str, af.MapSpec]) -> Tensor:
    """Return what tells of the material: logarithms of color, slopes, numbers; ids where nothing else is there."""
    kinds = {name: specs[name].kind for name in maps if name in specs}
    telling = [name for name, kind in kinds.items() if kind != "id"] or list(kinds)
    parts = [_telling(maps[name], kinds[name]) for name in telling]
    parts += [pixels for name, pixels in maps.items() if name.endswith(_ALPHA)]
    return torch.cat([part / part.std().clamp_min(_FLAT) for part in parts])


def _telling(pixels: Tensor, kind: str) -> Tensor:
    if kind == "color":
        return pixels.clamp_min(_DARKEST).log()
    return pixels[:2] if kind == "vector" else pixels


def _texture(name: str, texture: af.Texture, cut: Mapping[str, Tensor], spec: af.MapSpec) -> af.Texture:
    data, alpha = cut[name], cut.get(name + _ALPHA)
    if alpha is not None and spec.kind != "id":
        data = torch.where(alpha >= CLEAR, cut[name + _COLOR] / alpha.clamp_min(CLEAR), data)
    if spec.kind != "id":
        data = restore(data, spec, texture.data)
    return replace(texture, data=data.contiguous(), alpha=alpha)


def _tell(made: af.Material, axes: str, context: af.Context) -> None:
    """Note the seam scores, and flag what still shows."""
    scores = {name: round(seam_score(texture.data, axes), 3) for name, texture in made.items()}
    context.note("seam score", scores)
    for name, score in scores.items():
        if score > TILEABLE_BELOW:
            context.flag(f"{name}: the seam may show (score {score}, at most {TILEABLE_BELOW})")
