"""The steps between height, normal, ambient occlusion and curvature. Depths are in parts of the longer side."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.blur import blurred_widely
from assetforge.ops.heights import divergence, fitted_depth, integrated, normals_of_height, slopes_of_height
from assetforge.ops.normals import slopes_of
from assetforge.ops.occlusion import horizon_occlusion
from assetforge.ops.resample import resample_map
from assetforge.ops.seams import continues
from assetforge_maps import CurvatureParams, HeightParams, NormalParams, OcclusionParams

USUAL_DEPTH = 0.05
_FITS = 0.3
"""Correlation of slopes from which on a normal map tells how deep the height map is."""
_FLAT = 1e-6
_STEP = 2**-18
"""Pixels that heights are rounded to: Fourier transforms differ by much less from processor to processor."""


_HALF_CODE = 1 / 255
"""Of a normal's component, -1 to 1, in 8 bits."""


def add_height(material: af.Material, params: HeightParams, context: af.Context) -> af.Material:
    """Integrate normals; note the depth of the relief, so that other steps can be told it."""
    texture = material["normal"]
    repeat, longer = continues(texture, params.tileable), max(texture.size)
    slopes = _leveled(slopes_of(texture.data).double())
    found = integrated(slopes, repeat=repeat, hills=True, central=True)
    found = (found / _STEP).round().mul(_STEP).float()
    if params.largest is not None:
        found = found - blurred_widely(found, params.largest * longer / 2, repeat=repeat)
    lowest, highest = (one.item() for one in torch.aminmax(found))
    context.note("depth", round((highest - lowest) / longer, 5))
    if params.depth is None:
        flat = highest - lowest < _FLAT
        data = torch.full_like(found, 0.5) if flat else (found - lowest) / (highest - lowest)
    else:
        data = 0.5 + (found - (lowest + highest) / 2) / (params.depth * longer)
        _tell_cut(data, context)
    return material.replace(height=_like(texture, data.clamp(0, 1), repeat=repeat))


def _leveled(slopes: Tensor) -> Tensor:
    """Take from slopes (2, H, W) a tilt of the whole that 8 bits cannot tell from none.

    They have no code for a slope of 0, and what is rounded adds up from one edge to the other.
    """
    tilt = slopes.mean((1, 2), keepdim=True)
    return slopes - tilt.clamp(-_HALF_CODE, _HALF_CODE)


def _tell_cut(data: Tensor, context: af.Context) -> None:
    share = ((data < 0) | (data > 1)).float().mean().item()
    if share:
        context.flag(f"{share:.1%} of the height is beyond `depth`, and was cut; give a larger one")


def add_normal(material: af.Material, params: NormalParams) -> af.Material:
    """Differentiate a height map."""
    texture = material["height"]
    repeat = continues(texture, params.tileable)
    normal = normals_of_height(texture.data, params.depth * max(texture.size), repeat=repeat)
    return material.replace(normal=_like(texture, normal, repeat=repeat))


def add_occlusion(material: af.Material, params: OcclusionParams, context: af.Context) -> af.Material:
    """Compute ambient occlusion; raise StepError where there is no height."""
    texture = _named(material, "height", "`ao_from_height` needs it; put `height_from_normal` before, or add the map")
    repeat, longer = continues(texture, params.tileable), max(texture.size)
    depth = (params.depth or _depth_of(material, context, repeat=repeat)) * longer
    slopes = slopes_of_height(texture.data, depth, repeat=repeat)
    reach = params.radius * longer
    data = horizon_occlusion(texture.data * depth, slopes, reach, repeat=repeat, progress=context.progress)
    if params.strength != 1:
        data = data.double().pow(params.strength).float()
    return material.replace(ambient_occlusion=_like(texture, data, repeat=repeat))


def _depth_of(material: af.Material, context: af.Context, *, repeat: bool) -> float:
    """Return how deep the relief is as its normals say, or as usual where they say nothing."""
    height = material["height"]
    if "normal" not in material:
        return USUAL_DEPTH
    normal = resample_map(material["normal"], af.MAPS["normal"], height.size).data
    fitted, fit = fitted_depth(height.data, normal, repeat=repeat)
    depth = round(fitted / max(height.size), 6)  # sums of many numbers differ in their last bits by processor
    context.note("depth", {"depth": depth, "slopes correlate": round(fit, 3)})
    if fit >= _FITS and depth > 0:
        return depth
    context.flag(f"height and normal do not fit (slopes correlate by {fit:.2f}): the depth is taken as {USUAL_DEPTH}")
    return USUAL_DEPTH


def add_curvature(material: af.Material, params: CurvatureParams) -> af.Material:
    """Compute curvature, the divergence of normals, times the radius: no unit is left."""
    source = params.source
    if source == "auto":
        source = "normal" if "normal" in material else "height"
    texture = _named(material, source, "`curvature` needs a normal or a height map")
    repeat, longer = continues(texture, params.tileable), max(texture.size)
    normal = texture.data
    if source == "height":
        normal = normals_of_height(normal, params.depth * longer, repeat=repeat)
    radius = params.radius * longer
    leaning = blurred_widely(normal[:2], radius / 2, repeat=repeat)
    data = 0.5 + 0.5 * params.strength * radius * divergence(leaning, repeat=repeat)
    return material.replace(curvature=_like(texture, data.clamp(0, 1), repeat=repeat))


def _named(material: af.Material, name: str, instead: str) -> af.Texture:
    if name not in material:
        raise af.StepError(material.name, f"has no map {name} ({', '.join(material)})", instead)
    return material[name]


def _like(texture: af.Texture, data: Tensor, *, repeat: bool) -> af.Texture:
    """Return a map of numbers made of another one, with its alpha."""
    wrap: af.Wrap = "repeat" if repeat else "clamp"
    return replace(texture, data=data.contiguous(), color_space=af.ColorSpace.NONE, wrap=wrap)
