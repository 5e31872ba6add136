"""Checks of maps of numbers: roughness, metalness, height, occlusion, opacity; and of what any map may have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assetforge.ops.alpha import CLEAR
from assetforge.ops.blur import blurred_widely
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.validation.subject import (
    CODES,
    COLORS,
    Flags,
    Subject,
    Subjects,
    correlation,
    flag,
    metal,
    middle,
    share,
    spread,
)
from assetforge.validation.thresholds import Thresholds

_SAME = 1.0 / CODES
_LEAST_SPREAD = 0.002
_LEAST_PICTURE = 0.01
"""Deviation from which on a map is a picture that can be told from others."""
_TELL_NOTHING = ("metalness", "opacity")
"""Maps that may well be the same everywhere."""
_ENDS = ("height", "roughness")
_BETWEEN = (0.1, 0.9)
_SLACK, _FEW = 1e-3, 1e-3
_INVERTED = -0.3
_NEAR = 1 / 50
"""How wide hollows are that occlusion is compared with, in parts of the longer side."""
_ONE_STEP = 0.98
_LEAST_GAPS, _FULL = 8, 0.8
_GAMMA = 2.2
_EXPECTED = 4
"""Pixels of a code from which on it is no chance that it is missing."""
Counts = NDArray[Any]


def check_numbers(subjects: Subjects, thresholds: Thresholds) -> Flags:
    """Yield what is doubtful about the numbers of maps."""
    for name, subject in subjects.items():
        if subject.spec.kind in ("id", "photo"):
            continue
        yield from _check_constant(name, subject)
        if subject.spec.kind != "vector":
            yield from _check_range(name, subject)
        if subject.spec.kind == "data":
            yield from _check_curve(name, subject)
            yield from _check_depth(name, subject)
        if name in _ENDS:
            yield from _check_ends(name, subject, thresholds)
    yield from _check_clear(subjects)
    yield from _check_same(subjects)
    yield from _check_metalness(subjects, thresholds)
    yield from _check_roughness(subjects, thresholds)
    yield from _check_occlusion(subjects, thresholds)
    yield from _check_banding(subjects, thresholds)


def _check_constant(name: str, subject: Subject) -> Flags:
    deviation = spread(subject.data)
    if deviation < _LEAST_SPREAD and name not in _TELL_NOTHING:
        yield flag("constant", name, "is the same everywhere", deviation, _LEAST_SPREAD)


def _check_range(name: str, subject: Subject) -> Flags:
    least, most = subject.spec.valid
    outside = share((subject.data < least - _SLACK) | (subject.data > most + _SLACK))
    if outside > _FEW:
        text = f"{outside:.1%} of its numbers are outside {least:g} to {most:g}"
        yield flag("out_of_range", name, text, outside, _FEW, "error")


def _check_ends(name: str, subject: Subject, thresholds: Thresholds) -> Flags:
    if spread(subject.data) < _LEAST_SPREAD:
        return
    for end in (0, 1):
        cut = share(subject.data == end)
        if cut > thresholds.share:
            yield flag("clipped", name, f"{cut:.0%} of it is exactly {end}: was it cut off?", cut, thresholds.share)


def _check_clear(subjects: Subjects) -> Flags:
    for name, subject in subjects.items():
        alpha = subject.data if name == "opacity" else subject.texture.alpha
        if alpha is not None and alpha.amax() < CLEAR:
            text = "is clear everywhere" if name == "opacity" else "its alpha is 0 everywhere"
            yield flag("alpha_clear", name, text, alpha.amax().item(), CLEAR, "error")


def _check_same(subjects: Subjects) -> Flags:
    """Compare all pictures of one channel, and colors that are gray, with each other."""
    pictures = dict(_pictures(subjects))
    for (first, one), (second, two) in combinations(pictures.items(), 2):
        if one.shape == two.shape:
            apart = (one - two).abs().mean().item()
            if apart < _SAME:
                for name, other in ((first, second), (second, first)):
                    yield flag("same_map", name, f"holds the same picture as {other}", apart, _SAME, "error")


def _pictures(subjects: Subjects) -> Iterator[tuple[str, Tensor]]:
    for name, subject in subjects.items():
        pixels = srgb_encode(subject.data) if subject.spec.is_color else subject.data
        gray = pixels.shape[0] == 1 or (name in COLORS and (pixels - pixels.roll(1, 0)).abs().mean() < _SAME)
        if gray and spread(pixels[:1]) > _LEAST_PICTURE:
            yield name, pixels[0]


def _check_metalness(subjects: Subjects, thresholds: Thresholds) -> Flags:
    if "metalness" not in subjects:
        return
    data, (low, high) = subjects["metalness"].data, _BETWEEN
    between = share((data > low) & (data < high))
    if between > thresholds.metalness_between:
        limit = thresholds.metalness_between
        text = f"{between:.0%} of it is between {low:g} and {high:g} (at most {limit:.0%}): a surface is metal, or not"
        yield flag("metalness_between", "metalness", text, between, limit)


def _check_roughness(subjects: Subjects, thresholds: Thresholds) -> Flags:
    if "roughness" not in subjects:
        return
    data = subjects["roughness"].data[0]
    plain = data[~metal(subjects, (data.shape[0], data.shape[1]))]
    mean = plain.double().mean().item() if plain.numel() > data.numel() / 2 else 1.0
    if mean < thresholds.roughness:
        limit = thresholds.roughness
        text = f"is {mean:.2f} on average where there is no metal (at least {limit:g}): is it glossiness?"
        yield flag("roughness_low", "roughness", text, mean, limit)


def _check_occlusion(subjects: Subjects, thresholds: Thresholds) -> Flags:
    name = "ambient_occlusion"
    if name not in subjects:
        return
    data = middle(subjects[name].data)
    mean = data.double().mean().item()
    if mean < thresholds.occlusion:
        text = f"is {mean:.2f} on average (at least {thresholds.occlusion:g}): is it inverted?"
        yield flag("occlusion", name, text, mean, thresholds.occlusion)
        return
    height = middle(subjects["height"].data) if "height" in subjects else None
    if height is None or height.shape != data.shape:
        return
    raised = height - blurred_widely(height, _NEAR * max(height.shape[1:]), repeat=False)
    fit = correlation(raised, data)
    if fit < _INVERTED:
        text = f"is darkest where the relief is highest (correlation {fit:.2f}): is it, or the height, inverted?"
        yield flag("occlusion", name, text, fit, _INVERTED)


def _check_banding(subjects: Subjects, thresholds: Thresholds) -> Flags:
    """Look for terraces: flat parts between which heights change by one step of few."""
    if "height" not in subjects:
        return
    height = middle(subjects["height"].data)[0]
    levels = torch.unique(height)
    if not 1 < levels.numel() <= CODES + 1 or min(height.shape) < 3:
        return
    step = (levels[1:] - levels[:-1]).amin()
    flat, single = _terraces(height, step)
    if flat > thresholds.banding and single > _ONE_STEP:
        text = f"{flat:.0%} of it lies on terraces of {levels.numel()} heights (at most {thresholds.banding:.0%})"
        yield flag("banding", "height", f"{text}: use 16 bits", flat, thresholds.banding)


def _terraces(height: Tensor, step: Tensor) -> tuple[float, float]:
    """Return the part of a picture that is flat, and the part of all changes that are one step."""
    right, down = (height[:, 1:] - height[:, :-1]).abs(), (height[1:] - height[:-1]).abs()
    flat = (right[1:-1, 1:] == 0) & (right[1:-1, :-1] == 0) & (down[1:, 1:-1] == 0) & (down[:-1, 1:-1] == 0)
    changes = torch.cat([right[right > 0], down[down > 0]])
    return share(flat), share(changes < 1.5 * step)


def _check_curve(name: str, subject: Subject) -> Flags:
    """Look for the gaps that a curve leaves in the codes of 8 bits: all that it cannot make is missing."""
    numbers = subject.data * CODES
    codes = numbers.round()
    if subject.bits not in (None, 8) or (numbers - codes).abs().amax() > _FEW:
        return
    counts = torch.bincount(codes.long().clamp(0, CODES).flatten(), minlength=CODES + 1).numpy()
    for curve, made in _curves().items():
        gaps, full = _gaps(counts, made)
        if gaps >= _LEAST_GAPS and full > _FULL:
            text = f"its codes have the {gaps} gaps that {curve} leaves: were numbers saved as colors?"
            yield flag("curve", name, text, gaps, _LEAST_GAPS)
            return


def _gaps(counts: Counts, made: Counts) -> tuple[int, float]:
    """Return how many codes are missing that a curve does not make, and the part of the others near them that is there.

    0 gaps where one of these codes is in use. Those count that many pixels would have, as their neighbors have.
    """
    around = np.minimum(counts[:-2], counts[2:])
    missing = ~made[1:-1] & (around >= _EXPECTED)
    places = np.flatnonzero(missing) + 1
    if not len(places) or counts[places].any():
        return 0, 0.0
    near = slice(places[0] - 1, places[-1] + 2)
    return len(places), float(np.mean(counts[near][made[near]] > 0))


@lru_cache(maxsize=1)
def _curves() -> dict[str, Counts]:
    """Return for each curve which of 256 codes it makes of 256 codes."""
    codes = torch.arange(CODES + 1, dtype=torch.float64) / CODES
    made = {
        "encoding as sRGB": srgb_encode(codes),
        "decoding of sRGB": srgb_decode(codes),
        "gamma 1/2.2": codes.pow(1 / _GAMMA),
        "gamma 2.2": codes.pow(_GAMMA),
    }
    return {
        name: np.bincount((values * CODES).round().long().numpy(), minlength=CODES + 1) > 0
        for name, values in made.items()
    }


def _check_depth(name: str, subject: Subject) -> Flags:
    if subject.bits != 16 or spread(subject.data) < _LEAST_SPREAD:
        return
    numbers = subject.data.double() * CODES
    apart = (numbers - numbers.round()).abs().amax().item()
    if apart < _FEW and not math.isnan(apart):
        yield flag("false_depth", name, "has 16 bits, and only the numbers of 8", 8, 16, "info")
