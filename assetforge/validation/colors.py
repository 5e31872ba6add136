"""Checks of base colors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.blur import blurred_widely
from assetforge.ops.color import srgb_encode
from assetforge.validation.subject import (
    CODES,
    COLORS,
    Flags,
    Subjects,
    codes,
    flag,
    luminance,
    metal,
    share,
    visible,
)
from assetforge.validation.thresholds import Thresholds

_BLACK = 2.0
"""sRGB codes below which a color is black."""
_GRAY = 1.5
"""sRGB codes that channels of gray differ by on average."""
_BRIGHT = 191
_SMALL, _WIDE = 128, 1 / 8
"""Side of the small picture that light is looked for in, and how wide light is there."""
_UNIT, _LEANING, _UP = 0.1, 0.1, 0.7


def check_colors(subjects: Subjects, thresholds: Thresholds) -> Flags:
    """Yield what is doubtful about the base color."""
    for name in filter(subjects.__contains__, COLORS):
        subject = subjects[name]
        seen = visible(subjects, subject)
        if not seen.any():
            continue
        shown = codes(luminance(subject.data))
        metals = metal(subjects, subject.size)
        yield from _check_ranges(name, shown[seen], metals[seen], thresholds)
        yield from _check_place(name, subject.data[:, seen], shown[seen])
        yield from _check_light(name, torch.where(seen, shown, shown[seen].mean()), thresholds)


def _check_ranges(name: str, shown: Tensor, metals: Tensor, thresholds: Thresholds) -> Flags:
    least, most = thresholds.albedo
    black = share((shown < _BLACK) & ~metals)
    if black > thresholds.black:
        text = f"{black:.0%} of it is black, and no metal (at most {thresholds.black:.0%})"
        yield flag("albedo_black", name, text, black, thresholds.black, "error")
    for wrong, how, limit in ((shown < least, "darker", least), (shown > most, "brighter", most)):
        part = share(wrong & ~metals)
        if part > thresholds.share:
            text = f"{part:.0%} of it is {how} than sRGB {limit:g}, and no metal (at most {thresholds.share:.0%})"
            yield flag("albedo_range", name, text, part, thresholds.share)
    dark = share((shown < thresholds.metal) & metals)
    if dark > thresholds.share:
        text = f"{dark:.0%} of it is metal darker than sRGB {thresholds.metal:g} (at most {thresholds.share:.0%})"
        yield flag("metal_range", name, text, dark, thresholds.share)


def _check_place(name: str, colors: Tensor, shown: Tensor) -> Flags:
    """Look for other maps in the place of colors (3, N)."""
    encoded = srgb_encode(colors)
    gray = ((encoded.amax(0) - encoded.amin(0)).mean() * CODES).item()
    bright = shown.mean().item()
    if gray < _GRAY and bright > _BRIGHT:
        text = f"is gray everywhere, and bright (sRGB {bright:.0f} on average): is it ambient occlusion?"
        yield flag("color_gray", name, text, bright, _BRIGHT)
    vectors = encoded * 2 - 1
    unit = share((torch.linalg.vector_norm(vectors, dim=0) - 1).abs() < _UNIT)
    x, y, z = vectors.mean(1).tolist()
    if unit > 0.8 and max(abs(x), abs(y)) < _LEANING and z > _UP:
        text = f"has the colors of a normal map ({unit:.0%} of them are unit vectors)"
        yield flag("color_is_normal", name, text, unit, 0.8)


def _check_light(name: str, shown: Tensor, thresholds: Thresholds) -> Flags:
    height, width = (min(_SMALL, side) for side in shown.shape)
    small = functional.adaptive_avg_pool2d(shown[None], (height, width))
    wide = blurred_widely(small, _WIDE * max(height, width), repeat=False)
    uneven = (wide.double().std(correction=0) / wide.double().mean().clamp_min(1)).item()
    if uneven > thresholds.light:
        text = f"its brightness changes by {uneven:.0%} at large scale (at most {thresholds.light:.0%}); see `delight`"
        yield flag("light", name, text, uneven, thresholds.light)
