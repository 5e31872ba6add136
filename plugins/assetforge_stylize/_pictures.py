"""The pictures that `stylize` is given beside the texture: styles and masks, read, checked and scaled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.ops.alpha import CLEAR, filled
from assetforge.ops.color import hdr_encode
from assetforge.ops.resample import resample
from assetforge_stylize import Style as StyleParams
from assetforge_stylize import StylizeParams
from assetforge_stylize._optimize import SMALLEST

_FLAT = 2e-3
"""Deviation of a style that is of one color."""
_LARGEST = 2**26
"""Pixels of a style, after it was scaled."""
_ENLARGED = 2.0
_UNLIKE = 0.02
"""By how much proportions may differ."""


@dataclass(frozen=True, eq=False)
class StylePicture:
    """A style's picture (3, h, w), sRGB-encoded, 0 to 1, and how much each place counts, (1, h, w)."""

    picture: Tensor
    seen: Tensor | None


def read_color(path: Path) -> af.Texture:
    """Read a picture as a color map."""
    return decode(path, af.MAPS["base_color"], Reading(), str(path)).texture


def read_style(
    one: StyleParams, size: tuple[int, int], params: StylizeParams, flag: Callable[[str], None]
) -> StylePicture:
    """Read the picture of a style and scale it for a texture of a size. Raise StepError where it has no style."""
    texture = read_color(one.file)
    where = str(one.file)
    if texture.alpha is not None and not bool((texture.alpha >= CLEAR).any()):
        raise af.StepError(where, "is all transparent: it has no style", "give a picture that is seen")
    wanted = _size(texture.size, size, params)
    height, width = wanted
    if min(wanted) < SMALLEST:
        what = f"is {texture.size[1]}×{texture.size[0]}, and {width}×{height} as a style, which has too few pixels"
        raise af.StepError(where, what, f"give one of {SMALLEST} pixels at least, or raise `{_told(params)}`")
    if height * width > _LARGEST:
        what = f"would be {width}×{height} as a style, which is too large"
        raise af.StepError(where, what, f"lower `{_told(params)}`")
    enlarged = height / texture.size[0]
    if enlarged > _ENLARGED:
        flag(f"the style {one.file.name} is enlarged {enlarged:.1f} times, so it is soft: lower `{_told(params)}`")
    seen = None
    color = texture.data
    if texture.alpha is not None and bool((texture.alpha < 1).any()):
        color = filled(color, texture.alpha)
        seen = resample(texture.alpha, wanted).clamp(0, 1)
    picture = resample(hdr_encode(color).clamp(0, 1), wanted).clamp(0, 1)
    visible = picture.flatten(1) if seen is None else picture[:, seen[0] > 0]
    if float(visible.std(1, correction=0).max()) < _FLAT:
        raise af.StepError(where, "is all of one color: it has no style", "give a picture with something on it")
    return StylePicture(picture, seen)


def _told(params: StylizeParams) -> str:
    return "style_scale" if params.style_size is None else "style_size"


def _size(own: tuple[int, int], content: tuple[int, int], params: StylizeParams) -> tuple[int, int]:
    """Return height and width of a style's picture: told in pixels, or by the area of the texture."""
    if params.style_size is not None:
        scale = params.style_size / max(own)
    else:
        scale = params.style_scale * math.sqrt(content[0] * content[1] / (own[0] * own[1]))
        if min(content) < SMALLEST:  # of icons, a style is seen whole
            scale = max(scale, SMALLEST / min(own))
    return max(1, round(own[0] * scale)), max(1, round(own[1] * scale))


def read_plane(path: Path, texture: af.Texture, name: str) -> Tensor:
    """Read a picture that says where, black 0 to white 1, as (1, H, W) of a texture; raise StepError if it cannot be.

    It may be larger or smaller, but must have the same proportions.
    """
    plane = decode(path, af.MAPS["opacity"], Reading(), str(path)).texture.data
    check_proportions(plane, texture, str(path), name)
    return resample(plane, texture.size).clamp(0, 1)


def check_proportions(pixels: Tensor, texture: af.Texture, where: str, name: str) -> None:
    """Raise StepError where a picture (C, h, w) has other proportions than a texture."""
    height, width = texture.size
    unlike = abs(math.log(pixels.shape[2] * height / (pixels.shape[1] * width)))
    if unlike > _UNLIKE:
        what = f"is {pixels.shape[2]}×{pixels.shape[1]}, and {name} is {width}×{height}: other proportions"
        raise af.StepError(where, what, "give a picture of the same size")


def visible_part(texture: af.Texture, name: str, params: StylizeParams) -> Tensor | None:
    """Return how much each place of a texture counts, (1, H, W), None where all does. Raise StepError if none does."""
    planes = [] if texture.alpha is None else [texture.alpha]
    if params.islands is not None:
        planes.append(read_plane(params.islands, texture, name))
    if not planes:
        return None
    visible = torch.stack(planes).prod(0)
    if not bool((visible >= CLEAR).any()):
        raise af.StepError(name, "is all transparent or outside of all islands", "give a texture that is seen")
    return visible if bool((visible < 1).any()) else None
