"""Checks of how a texture continues: at its edges, and within itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import autocorrelation
from assetforge.validation.subject import CODES, Flags, Subject, Subjects, flag, spread
from assetforge.validation.thresholds import Thresholds

_CERTAIN = 3
_SHOWS = 2 / CODES
"""Least mean step across the edges that anybody sees."""
_SMALL = 256
_NEAR = 1 / 8
"""Shifts that are no repetition, in parts of a side: a smooth texture is like itself there."""
_LEAST_PICTURE = 0.01
_WITHIN = ("base_color", "diffuse_albedo", "height", "roughness")


def check_edges(subjects: Subjects, thresholds: Thresholds) -> Flags:
    """Yield maps whose edges do not meet though they should, and textures that repeat themselves."""
    scores = {name: _score(one) for name, one in subjects.items() if one.spec.kind not in ("id", "photo")}
    some = any(score <= thresholds.seam for name, score in scores.items() if spread(subjects[name].data) > _SHOWS)
    for name, score in scores.items():
        wrap = subjects[name].texture.wrap
        if score > thresholds.seam and (wrap == "repeat" or (wrap == "unknown" and some)):
            why = "is to repeat" if wrap == "repeat" else "other maps tile"
            text = f"{why}, and its opposite edges do not meet (score {score:.2f}, at most {thresholds.seam:g})"
            certain = wrap == "repeat" and score > _CERTAIN * thresholds.seam
            yield flag("seam", name, text, score, thresholds.seam, "error" if certain else "warning")
    yield from _check_repetition(subjects, thresholds)


def _score(subject: Subject) -> float:
    """Return the seam score; 0 where the step is too small to be seen."""
    data = subject.data
    across = max((data[:, :, 0] - data[:, :, -1]).abs().mean().item(), (data[:, 0] - data[:, -1]).abs().mean().item())
    return seam_score(data) if across > _SHOWS else 0.0


def _check_repetition(subjects: Subjects, thresholds: Thresholds) -> Flags:
    name = next((one for one in _WITHIN if one in subjects and spread(subjects[one].data) > _LEAST_PICTURE), None)
    if name is None:
        return
    score = repetition_score(subjects[name].data)
    if score > thresholds.repetition:
        text = f"repeats itself within its own size (correlation {score:.2f}, at most {thresholds.repetition:g})"
        yield flag("repetition", name, text, score, thresholds.repetition)


def repetition_score(pixels: Tensor) -> float:
    """Return the highest correlation of (C, H, W) with itself when shifted by an eighth of a side or more, around."""
    size = (min(_SMALL, pixels.shape[1]), min(_SMALL, pixels.shape[2]))
    small = functional.adaptive_avg_pool2d(pixels.mean(0, keepdim=True), size)[0]
    alike = autocorrelation(small, repeat=True)
    away = [torch.minimum(shift := torch.arange(side), side - shift) / side for side in size]
    far = (away[0][:, None] >= _NEAR) | (away[1] >= _NEAR)
    return alike[far].amax().item() if bool(far.any()) else 0.0
