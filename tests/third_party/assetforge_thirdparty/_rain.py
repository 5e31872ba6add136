"""Where water stands, and what it does to color."""

from __future__ import annotations

from typing import TYPE_CHECKING

import assetforge as af
from assetforge.ops.color import luma
from assetforge.ops.resample import resample_map

if TYPE_CHECKING:
    from assetforge_thirdparty import Params


def rained(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Return the material with a map of its wetness, and darker where it is wet."""
    color, height = material["base_color"], material["height"]
    relief = resample_map(height, context.specs["height"], color.size).data
    low, high = relief.aminmax()
    if bool(low == high):
        raise af.StepError("height", "is flat, so that water stands nowhere", "give a height map with relief")
    wet = ((params.level - (relief - low) / (high - low)) * 8).clamp(0, 1)
    darker = color.data * (1 - params.darkening * wet)
    context.note("wet_share", round(wet.mean().item(), 4))
    if luma(darker).max() < 1e-3:
        context.flag("base_color: it is all but black")
    wetness = af.Texture(wet, af.ColorSpace.NONE, wrap_of(color, height))
    return material.replace(base_color=color.with_data(darker), wetness=wetness)


def wrap_of(*textures: af.Texture) -> af.Wrap:
    """Return how a map continues that is made of these."""
    wraps = {texture.wrap for texture in textures}
    return wraps.pop() if len(wraps) == 1 else "unknown"
