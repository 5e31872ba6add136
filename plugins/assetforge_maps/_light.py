"""The step `delight`: what is slow in the logarithm of luminance is taken for light.

Horn, "Determining Lightness from an Image", 1974, and the homomorphic filter of Oppenheim, Schafer and Stockham, 1968.
All channels are divided by the same number, so that hue and saturation stay.
"""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.alpha import CLEAR
from assetforge.ops.blur import blurred_widely
from assetforge.ops.color_models import into_gamut
from assetforge.ops.exact import mean, mix
from assetforge.ops.resample import resample_map
from assetforge.ops.seams import continues
from assetforge_maps import DelightParams

_LUMINANCE = ((0.2126, 0.7152, 0.0722),)
"""BT.709."""
_DARKEST = 0.002
_LEAST_OCCLUSION = 0.1
"""Less light than this is not divided by: only noise would be left."""
_SEEN = 1e-6
"""Least mean alpha that is divided by."""
_MUCH = 0.02
"""Share of pixels whose color had to change so that it exists, from which on it is flagged."""


def delight_material(material: af.Material, params: DelightParams, context: af.Context) -> af.Material:
    """Delight the maps that are named; raise StepError where none is there, or occlusion is not."""
    names = [name for name in params.maps if name in material]
    if not names:
        what = f"none of {', '.join(params.maps)} is among its maps ({', '.join(material)})"
        raise af.StepError(material.name, what, "name the maps that `maps` means")
    if params.occlusion and "ambient_occlusion" not in material:
        what = "`occlusion` takes out what the map ambient_occlusion has, and there is none"
        raise af.StepError(material.name, what, "add it to `inputs`, put `ao_from_height` before, or leave it out")
    return material.replace(**{name: _delighted(name, material, params, context) for name in names})


def _delighted(name: str, material: af.Material, params: DelightParams, context: af.Context) -> af.Texture:
    texture = material[name]
    if context.specs[name].kind != "color":
        raise af.StepError(name, f"holds {context.specs[name].kind}, and not color", "name color maps in `maps`")
    light = texture.data
    if params.occlusion:
        occlusion = resample_map(material["ambient_occlusion"], af.MAPS["ambient_occlusion"], texture.size).data
        light = light / _power(occlusion.clamp_min(_LEAST_OCCLUSION), params.occlusion)
    if params.strength:
        repeat = continues(texture, params.tileable)
        light = light / _power(_light_of(light, texture.alpha, params.radius, repeat=repeat), params.strength)
    if light is texture.data:
        return texture
    light, moved = into_gamut(light, max(1.0, texture.data.max().item()))
    context.note(f"out of gamut, {name}", round(moved, 4))
    if moved > _MUCH:
        context.flag(f"{moved:.0%} of {name} would be brighter than white, and was cut: its light is too uneven")
    return texture.with_data(light)


def _light_of(color: Tensor, alpha: Tensor | None, radius: float, *, repeat: bool) -> Tensor:
    """Return the slow light (1, H, W) of color (3, H, W), 1 on average; what is clear does not count."""
    bright = mix(color.new_tensor(_LUMINANCE), color).clamp_min(_DARKEST).double().log().float()
    sigma = radius * max(color.shape[1:])
    if alpha is None:
        slow = blurred_widely(bright, sigma, repeat=repeat)
        return (slow - mean(bright)).double().exp().float()
    weight = torch.where(alpha < CLEAR, 0.0, alpha)
    level = mean(bright * weight) / max(mean(weight), _SEEN)
    off = blurred_widely((bright - level) * weight, sigma, repeat=repeat)
    slow = off / blurred_widely(weight, sigma, repeat=repeat).clamp_min(1e-4)
    return torch.where(weight > 0, slow.double().exp().float(), 1.0)


def _power(values: Tensor, exponent: float) -> Tensor:
    return values.double().pow(exponent).float()
