"""Checks of normal maps, by themselves and with the height map."""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.ops.green import measure_green
from assetforge.ops.heights import fitted_depth, slopes_of_height
from assetforge.ops.normals import normalize
from assetforge.validation.subject import CODES, Flags, Subject, Subjects, correlation, flag, middle, share
from assetforge.validation.thresholds import Thresholds

_CERTAIN = 3
"""How many times the threshold is certain."""
_BELOW = 0.01
_GRAY = 2 / CODES
_NEAR_UNIT = 0.2
_FLAT = 1e-3
"""Deviation of heights that have no relief."""
_EXCHANGED = 0.3


def check_normals(subjects: Subjects, thresholds: Thresholds) -> Flags:
    """Yield what is doubtful about the normal map."""
    if "normal" not in subjects:
        return
    vectors = subjects["normal"].data
    apart = (vectors - vectors.roll(1, 0)).abs().mean().item()
    if apart < _GRAY:
        yield flag("normal_gray", "normal", "is gray: is it a height map?", apart, _GRAY, "error")
        return
    curved = list(_check_curve(vectors, thresholds))
    yield from curved
    if curved:
        return
    tilted = list(_check_direction(vectors, thresholds))
    yield from tilted
    yield from _check_length(subjects["normal"], thresholds)
    if not any(one.severity == "error" for one in tilted):
        yield from _check_relief(subjects, thresholds)


def _tilt(vectors: Tensor) -> float:
    """Return how far the mean of vectors leans: the sine of its angle to straight up, 1 where it points below."""
    x, y, z = vectors.double().mean((1, 2)).tolist()
    leaning, length = float((x * x + y * y) ** 0.5), float((x * x + y * y + z * z) ** 0.5)
    return 1.0 if z <= 0 else leaning / length


def _check_curve(vectors: Tensor, thresholds: Thresholds) -> Flags:
    """Undo the sRGB curve where normals lean: if they then stand straight and are unit, that is what happened."""
    before = _tilt(vectors)
    if before <= thresholds.normal_tilt:
        return
    numbers = (vectors + 1) / 2
    for undo, what in ((srgb_decode, "encoded"), (srgb_encode, "decoded")):
        undone = undo(numbers.clamp(0, 1)) * 2 - 1
        length = torch.linalg.vector_norm(undone, dim=0).mean().item()
        if _tilt(undone) < thresholds.normal_tilt and abs(length - 1) < _NEAR_UNIT:
            text = f"its numbers were {what} as sRGB colors: without that, normals stand straight and are unit"
            yield flag("normal_srgb", "normal", text, before, thresholds.normal_tilt, "error")
            return


def _check_direction(vectors: Tensor, thresholds: Thresholds) -> Flags:
    tilt, limit = _tilt(vectors), thresholds.normal_tilt
    if tilt > limit:
        text = f"normals lean to one side on average (by {tilt:.2f}, at most {limit:g}): are channels exchanged?"
        yield flag("normal_tilt", "normal", text, tilt, limit, "error" if tilt > _CERTAIN * limit else "warning")
        return
    below = share(vectors[2] < 0)
    if below > _BELOW:
        text = f"{below:.1%} of the normals point into the surface (at most {_BELOW:.0%})"
        yield flag("normal_below", "normal", text, below, _BELOW)


def _check_length(subject: Subject, thresholds: Thresholds) -> Flags:
    least, most = thresholds.normal_length
    length = torch.linalg.vector_norm(subject.data, dim=0).mean().item()
    if not least <= length <= most:
        text = f"its normals have a mean length of {length:.2f} (from {least:g} to {most:g})"
        yield flag("normal_length", "normal", text, length, least if length < least else most, "error")


def _check_relief(subjects: Subjects, thresholds: Thresholds) -> Flags:
    """Compare with the height map, where there is one with a relief and of this size."""
    vectors = normalize(middle(subjects["normal"].data))
    height = middle(subjects["height"].data) if "height" in subjects else None
    if height is not None and (height.shape[1:] != vectors.shape[1:] or height.double().std(correction=0) < _FLAT):
        height = None
    pixels = None if height is None else height[0].numpy()
    measured = measure_green(vectors.permute(1, 2, 0).numpy(), pixels)
    if measured.green == "down":
        both = measured.slope is not None and measured.curl is not None and measured.curl.correlation < 0
        evidence = measured.slope or measured.curl
        text = f"green points the other way than it is read: {measured.why}"
        value = evidence.correlation if evidence is not None else 0.0
        yield flag("green", "normal", text, value, 0.0, "error" if both else "warning")
    elif height is not None:
        yield from _check_fit(height, vectors, thresholds)


def _check_fit(height: Tensor, vectors: Tensor, thresholds: Thresholds) -> Flags:
    _, fit = fitted_depth(height, vectors, repeat=False)
    least = thresholds.height_fit
    if fit >= least:
        return
    if fit < -least:
        text = f"is the height map's turned inside out (slopes correlate by {fit:.2f}): is one of them inverted?"
        yield flag("inside_out", "normal", text, fit, -least)
        return
    slopes = slopes_of_height(height, 1.0, repeat=False)
    crossed = min(abs(correlation(vectors[0], slopes[1])), abs(correlation(vectors[1], slopes[0])))
    if crossed > max(_EXCHANGED, abs(fit)):
        text = f"red goes with the slope along y, and green with that along x ({crossed:.2f}): they are exchanged"
        yield flag("normal_axes", "normal", text, crossed, _EXCHANGED)
    else:
        text = f"does not belong to the height map (slopes correlate by {fit:.2f}, at least {least:g})"
        yield flag("height_fit", "normal", text, fit, least)
