"""What the steps that change color maps have in common: which maps, how small, and what is said of their colors."""

from __future__ import annotations

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.alpha import CLEAR, bleed

LEAST_SIDE = 16
"""Of a texture that has a style to take, in pixels."""
_USUAL = 0.999
"""Part of what is seen that is no brighter than white is to be."""
_MUCH = 0.02
"""Share of pixels that had to be brought back to colors that exist, from which on it is said."""


def chosen(material: af.Material, names: tuple[str, ...]) -> list[str]:
    """Return the names of the maps that a step is to change; raise StepError where none of them is there."""
    found = [name for name in names if name in material]
    if not found:
        what = f"none of {', '.join(names)} is among its maps ({', '.join(material)})"
        raise af.StepError(material.name, what, "name the maps that `maps` means")
    return found


def check_size(name: str, texture: af.Texture) -> None:
    """Raise StepError where a texture is too small for a style."""
    height, width = texture.size
    if min(height, width) < LEAST_SIDE:
        what = f"is {width}×{height} pixels, which is too small for a style"
        raise af.StepError(name, what, f"its sides must be {LEAST_SIDE} pixels at least")


def exposed(encoded: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return a picture of 0 to 1 of what is encoded (3, H, W), and by what it was divided, (1, H, W).

    What is brighter than nearly all that is seen keeps its ratio to that, so that one lamp does not darken the rest.
    """
    encoded = encoded.clamp_min(0)
    brightest = encoded.amax(0, keepdim=True)
    seen = brightest.flatten() if visible is None else brightest[visible >= CLEAR]
    seen = seen if len(seen) else brightest.flatten()
    usual = float(seen.kthvalue(max(1, round(_USUAL * len(seen)))).values)
    scale = brightest.clamp_min(max(1.0, usual))
    return encoded / scale, scale


def tell_gamut(name: str, moved: float, context: af.Context) -> None:
    """Note which share of a map was out of gamut, and flag it where it is much."""
    context.note(f"out of gamut, {name}", round(moved, 4))
    if moved > _MUCH:
        context.flag(f"{moved:.0%} of {name} became colors that do not exist, and less saturated")


def hidden_as_before(data: Tensor, before: Tensor, visible: Tensor | None, gutter: int, *, repeat: bool) -> Tensor:
    """Return data (C, H, W) where it is visible, spread by so many pixels, and what was there before beyond."""
    if visible is None:
        return data
    return bleed(torch.where(visible >= CLEAR, data, before), visible, gutter, repeat=repeat)
