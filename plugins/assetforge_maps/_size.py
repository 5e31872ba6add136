"""The steps `resize` and `crop`."""

from __future__ import annotations

from dataclasses import replace

import assetforge as af
from assetforge.ops.resample import nearest, power_of_two, resample_map
from assetforge.ops.seams import TILEABLE_BELOW, continues, seam_score
from assetforge_maps import CropParams, ResizeParams

_MOST = 2**28
"""Pixels of a map."""


def resize_material(material: af.Material, params: ResizeParams, context: af.Context) -> af.Material:
    """Resize all maps; one that has the size already stays as it is."""
    maps = {}
    for index, (name, texture) in enumerate(material.items()):
        maps[name] = _resized(name, texture, params, context.specs[name])
        context.progress((index + 1) / len(material))
    return af.Material(material.name, maps)


def _resized(name: str, texture: af.Texture, params: ResizeParams, spec: af.MapSpec) -> af.Texture:
    size = _wanted(texture.size, params)
    if size == texture.size:
        return texture
    if size[0] * size[1] > _MOST:
        raise af.StepError(name, f"would become {size[1]}×{size[0]}, which is too large", "choose a smaller size")
    if params.filter == "nearest":
        alpha = None if texture.alpha is None else nearest(texture.alpha, size)
        return replace(texture, data=nearest(texture.data, size), alpha=alpha)
    return resampled(texture, spec, size, repeat=continues(texture, params.tileable))


def resampled(texture: af.Texture, spec: af.MapSpec, size: tuple[int, int], *, repeat: bool) -> af.Texture:
    """Resample a map by its kind, as one that repeats or does not."""
    return resample_map(replace(texture, wrap="repeat" if repeat else "clamp"), spec, size)


def resampled_by_axis(texture: af.Texture, spec: af.MapSpec, size: tuple[int, int]) -> af.Texture:
    """Resample a map that may tile along one axis alone; its wrap says whether it does along the vertical one."""
    across = resampled(texture, spec, (texture.size[0], size[1]), repeat=_tiles(texture, "x"))
    return resampled(across, spec, size, repeat=_tiles(texture, "y"))


def _tiles(texture: af.Texture, axis: str) -> bool:
    return texture.wrap == "repeat" or seam_score(texture.data, axis) <= TILEABLE_BELOW


def _wanted(own: tuple[int, int], params: ResizeParams) -> tuple[int, int]:
    """Return the height and width that a map gets."""
    if params.size is not None:
        size = params.size[1], params.size[0]
    else:
        scale = params.scale or (params.longer or max(own)) / max(own)
        size = max(1, round(own[0] * scale)), max(1, round(own[1] * scale))
    to = params.power_of_two
    return size if to is None else (power_of_two(size[0], to), power_of_two(size[1], to))


def crop_material(material: af.Material, params: CropParams) -> af.Material:
    """Crop all maps alike; raise StepError where the rectangle does not fit, or ends within a pixel of a map."""
    whole = max((texture.size for texture in material.values()), key=max)
    top, left, height, width = _rectangle(whole, params)
    if top + height > whole[0] or left + width > whole[1]:
        what = f"{width}×{height} pixels at ({left}, {top}) do not fit into {whole[1]}×{whole[0]}"
        raise af.StepError(material.name, what, "choose a smaller rectangle, or another corner")
    maps = {name: _cropped(name, texture, whole, (top, left, height, width)) for name, texture in material.items()}
    return af.Material(material.name, maps)


def _rectangle(whole: tuple[int, int], params: CropParams) -> tuple[int, int, int, int]:
    """Return top, left, height and width in pixels of the largest map."""
    unit = (1, 1) if params.parts is None else whole
    wide, high = params.size or params.parts or (1, 1)
    height, width = max(1, round(high * unit[0])), max(1, round(wide * unit[1]))
    if params.at == "center":
        return (whole[0] - height) // 2, (whole[1] - width) // 2, height, width
    return round(params.at[1] * unit[0]), round(params.at[0] * unit[1]), height, width


def _cropped(
    name: str, texture: af.Texture, whole: tuple[int, int], rectangle: tuple[int, int, int, int]
) -> af.Texture:
    if rectangle == (0, 0, *whole):
        return texture
    scaled = []
    for index, length in enumerate(rectangle):
        pixels, rest = divmod(length * texture.size[index % 2], whole[index % 2])
        if rest:
            height, width = texture.size
            what = f"is {width}×{height}, and the rectangle of {whole[1]}×{whole[0]} would end within a pixel of it"
            raise af.StepError(name, what, "`resize` all maps to one size before, or move the rectangle")
        scaled.append(pixels)
    rows, columns = slice(scaled[0], scaled[0] + scaled[2]), slice(scaled[1], scaled[1] + scaled[3])
    alpha = None if texture.alpha is None else texture.alpha[:, rows, columns].contiguous()
    wrap: af.Wrap = "clamp" if texture.wrap == "clamp" else "unknown"
    return replace(texture, data=texture.data[:, rows, columns].contiguous(), alpha=alpha, wrap=wrap)
