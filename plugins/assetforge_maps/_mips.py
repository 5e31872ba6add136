"""The step `mips`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.mips import coverage, half, halved, halved_with_alpha, lobe, sizes, toksvig, with_coverage
from assetforge.ops.normals import normalize, slopes_of
from assetforge.ops.resample import LANCZOS, nearest, resample, restore
from assetforge.ops.seams import continues
from assetforge_maps import MipsParams

_Size = tuple[int, int]
_ABOVE = 3
_PLAIN = 0.05
"""Alpha this near to 0 or 1 is a cut-out's."""
_CUT_OUT = 0.9
"""The part of the pixels that are, from which on a texture is a cut-out."""


def add_mips(material: af.Material, params: MipsParams, context: af.Context) -> af.Material:
    """Give every map its smaller levels."""
    maps = {}
    for index, (name, texture) in enumerate(material.items()):
        count = len(sizes(texture.size, params.smallest))
        count = count if params.levels is None else min(count, params.levels - 1)
        if name in ("roughness", "glossiness") and "normal" in material and params.roughness != "mean":
            levels = _rougher(texture, material["normal"], count, params, inverted=name == "glossiness")
        else:
            spec = context.specs[name]
            levels = _levels(name, texture, _cover(texture, material, spec), count, params, spec)
        maps[name] = texture.with_mips(levels)
        context.progress((index + 1) / len(material))
    return af.Material(material.name, maps)


def _cover(texture: af.Texture, material: af.Material, spec: af.MapSpec) -> Tensor | None:
    """Return what says how far each pixel of a map is seen: its own alpha, or of a color the opacity."""
    opacity = material.get("opacity")
    if texture.alpha is not None or opacity is None or not spec.is_color or opacity.size != texture.size:
        return texture.alpha
    return opacity.data


def _levels(
    name: str, texture: af.Texture, cover: Tensor | None, count: int, params: MipsParams, spec: af.MapSpec
) -> list[af.Texture]:
    """Return the levels of a map but its largest."""
    if spec.kind == "id":
        return _nearest_levels(texture, count)
    repeat = params.filter == "lanczos" and continues(texture, params.tileable)
    data, levels = texture.data, []
    for _ in range(count):
        data, cover = _next(data, cover, spec, sharp=params.filter == "lanczos", repeat=repeat)
        alpha = None if texture.alpha is None else cover
        levels.append(replace(texture, data=restore(data, spec, texture.data), alpha=alpha, mips=None))
    return _covered(name, texture, levels, params)


def _nearest_levels(texture: af.Texture, count: int) -> list[af.Texture]:
    levels, size = [], texture.size
    for _ in range(count):
        size = half(size)
        alpha = None if texture.alpha is None else nearest(texture.alpha, size)
        levels.append(replace(texture, data=nearest(texture.data, size), alpha=alpha, mips=None))
    return levels


def _next(
    data: Tensor, alpha: Tensor | None, spec: af.MapSpec, *, sharp: bool, repeat: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the next level of pixels. Normals are averaged and not yet of length 1, so that all count alike."""
    if alpha is not None and spec.is_color:
        return halved_with_alpha(data, alpha)
    smaller = None if alpha is None else halved(alpha)
    if sharp and spec.kind != "vector":
        return resample(data, half((data.shape[1], data.shape[2])), LANCZOS, repeat=repeat), smaller
    return halved(data), smaller


def _covered(name: str, texture: af.Texture, levels: list[af.Texture], params: MipsParams) -> list[af.Texture]:
    """Scale alpha, or opacity, of a cut-out so that as much of each level is seen as of the largest."""
    if name == "opacity":
        if not _is_cut_out(texture.data, params):
            return levels
        wanted = coverage(texture.data, params.cutoff)
        return [level.with_data(with_coverage(level.data, params.cutoff, wanted)) for level in levels]
    if texture.alpha is None or not _is_cut_out(texture.alpha, params):
        return levels
    wanted = coverage(texture.alpha, params.cutoff)
    return [replace(one, alpha=with_coverage(_alpha(one), params.cutoff, wanted)) for one in levels]


def _alpha(texture: af.Texture) -> Tensor:
    return torch.ones_like(texture.data[:1]) if texture.alpha is None else texture.alpha


def _is_cut_out(alpha: Tensor, params: MipsParams) -> bool:
    """Tell whether alpha is to be tested against a cutoff: as told, else where nearly all of it is 0 or 1."""
    if params.alpha != "auto":
        return params.alpha == "coverage"
    plain = int(((alpha < _PLAIN) | (alpha > 1 - _PLAIN)).sum())
    return plain >= _CUT_OUT * alpha.numel() and bool((alpha <= params.cutoff).any())


def _rougher(
    texture: af.Texture, normal: af.Texture, count: int, params: MipsParams, *, inverted: bool
) -> list[af.Texture]:
    """Return levels of roughness that have what those of the normal map have lost."""
    plain = _by_size(1 - texture.data if inverted else texture.data)
    bumpy = {**plain, **_bumpy(plain, normal, params)}
    levels, size, alpha = [], texture.size, texture.alpha
    for _ in range(count):
        size = half(size)
        data = 1 - bumpy[size] if inverted else bumpy[size]
        alpha = None if alpha is None else halved(alpha)
        levels.append(replace(texture, data=data, alpha=alpha, mips=None))
    return levels


def _bumpy(plain: Mapping[_Size, Tensor], normal: af.Texture, params: MipsParams) -> Mapping[_Size, Tensor]:
    """Return roughness by the size of the levels of the normal map below its largest.

    A level takes the lobes of the third one above it, 64 to a pixel, for those of the largest, as it was made so too.
    """
    means = _by_size(normal.data)
    ground = plain.get(normal.size)
    found = [nearest(next(iter(plain.values())), normal.size) if ground is None else ground]
    slopes = [slopes_of(normalize(mean)) for mean in means.values()]
    for index, (size, mean) in enumerate(means.items()):
        if index > 0 and params.roughness == "toksvig":
            own = plain.get(size)
            found.append(toksvig(nearest(found[0], size) if own is None else own, mean))
        elif index > 0:
            above = max(0, index - _ABOVE)
            found.append(lobe(found[above], slopes[above], slopes[index]))
    return dict(zip(list(means)[1:], found[1:], strict=True))


def _by_size(pixels: Tensor) -> dict[_Size, Tensor]:
    """Return all levels of pixels by their sizes, as means of what they cover."""
    found = {(pixels.shape[1], pixels.shape[2]): pixels}
    for size in sizes((pixels.shape[1], pixels.shape[2])):
        pixels = halved(pixels)
        found[size] = pixels
    return found
