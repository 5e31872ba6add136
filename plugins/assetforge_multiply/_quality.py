"""What is right and wrong with a result, in numbers, and which of them are beyond what may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.exact import norm
from assetforge.ops.normals import curl
from assetforge.ops.seams import TILEABLE_BELOW, seam_score
from assetforge.ops.statistics import autocorrelation, diversity, mutual_information, statistics_distance
from assetforge_multiply import Params
from assetforge_multiply._channels import Stack
from assetforge_multiply._copies import largest_copy
from assetforge_multiply._exemplars import Exemplars, brightness
from assetforge_multiply._patches import Field, pixel_coordinates

LARGEST_COPY = 0.1
"""Most of a result that may be copied from one place."""
LEAST_TOLD = 0.8
"""Part of what the exemplar's maps tell of each other that the result's must."""
_TELLING = 0.05
"""Mutual information in nats from which on two maps tell of each other."""
MOST_REPEATED = 0.15
"""How much more alike a result may be to itself elsewhere than the exemplar is."""
_FAR = 20
"""Pixels from which on a texture that is like itself repeats itself."""


@dataclass(frozen=True)
class Quality:
    """Measures of a result, what is flagged, and how far it all is beyond what may be."""

    notes: Mapping[str, Any]
    flags: tuple[str, ...]
    faults: float


def judge(
    result: af.Material,
    exemplars: Exemplars,
    params: Params,
    specs: Mapping[str, af.MapSpec],
    field: Field | None,
    variety: float | None,
) -> Quality:
    """Measure a result beside the first exemplar; variety: how different the layouts were that were tried for it."""
    exemplar = exemplars.materials[0]
    axes = params.tileable.replace("none", "")
    notes: dict[str, Any] = {
        "seam_score": {name: round(seam_score(texture.data, axes), 3) for name, texture in result.items()},
        "statistics_distance": round(_distance(result, exemplar, specs), 4),
        "coherence": {pair: round(share, 3) for pair, share in _coherence(result, exemplar).items()},
        "repetition": round(_repetition(brightness(result), brightness(exemplar)), 3),
        "diversity_to_exemplar": round(_other_than(brightness(result), brightness(exemplar)), 3),
    }
    if "normal" in result:
        normal = result["normal"].data
        notes["normal_length_error"] = (norm(normal) - 1).abs().max().item()
        notes["normal_curl"] = {"exemplar": round(curl(exemplar["normal"].data), 4), "result": round(curl(normal), 4)}
    if field is not None:
        notes["largest_copy"] = round(largest_copy(field), 4)
        notes["coverage"] = round(coverage(field, len(exemplars.materials)), 3)
    if variety is not None:
        notes["diversity_of_layouts"] = round(variety, 3)
    found = dict(_beyond(notes, params, mixed=exemplars.kinds > 1 or params.guide is not None))
    return Quality(notes, tuple(found), sum(found.values()))


def _beyond(notes: Mapping[str, Any], params: Params, *, mixed: bool) -> list[tuple[str, float]]:
    """Return what is beyond what may be, each with how far."""
    found = []
    for name, score in notes["seam_score"].items():
        if score > TILEABLE_BELOW:
            found.append((f"{name}: the seam shows (score {score}, at most {TILEABLE_BELOW})", score / TILEABLE_BELOW))
    if params.variation < 1 or params.keep or mixed:
        return found
    if (copied := notes.get("largest_copy", 0.0)) > LARGEST_COPY:
        found.append((f"{copied:.0%} of it are one copy (at most {LARGEST_COPY:.0%})", copied / LARGEST_COPY))
    for pair, share in notes["coherence"].items():
        if share < LEAST_TOLD:
            text = f"{pair}: tell of each other {share} of what the exemplar's do (at least {LEAST_TOLD})"
            found.append((text, LEAST_TOLD / max(share, 0.1)))
    if (repeated := notes["repetition"]) > MOST_REPEATED:
        text = f"it repeats itself (correlation {repeated} above the exemplar's, at most {MOST_REPEATED})"
        found.append((text, repeated / MOST_REPEATED))
    return found


def coverage(field: Field, sources: int) -> float:
    """Return the part of the exemplars' pixels that occur in the result."""
    y, x = pixel_coordinates(field)
    used = torch.zeros(field.exemplar[0] * sources, field.exemplar[1], dtype=torch.bool)
    used[y, x] = True
    return used.float().mean().item()


def _distance(result: af.Material, exemplar: af.Material, specs: Mapping[str, af.MapSpec]) -> float:
    both = [Stack.of([one], specs).channels[0] for one in (result, exemplar)]
    return statistics_distance(both[0], both[1])


def _coherence(result: af.Material, exemplar: af.Material) -> dict[str, float]:
    """Return how much the maps tell of each other, as a part of what the exemplar's do."""
    found = {}
    for name, ours, theirs in _pairs(result, exemplar):
        there = mutual_information(*theirs)
        if there >= _TELLING:
            found[name] = mutual_information(*ours) / there
    return found


def _pairs(*materials: af.Material) -> list[tuple[str, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    pairs = []
    for word, name in (("roughness", "roughness"), ("slope", "normal")):
        if all(name in one for one in materials):
            both = [(brightness(one)[0], _size_of(one[name].data)) for one in materials]
            pairs.append((f"brightness and {word}", both[0], both[1]))
    return pairs


def _size_of(data: Tensor) -> Tensor:
    """Return numbers (H, W) as they are, and of vectors the part across."""
    return data[0] if data.shape[0] == 1 else norm(data[:2])[0]


def _repetition(result: Tensor, exemplar: Tensor) -> float:
    """Return how much higher a result's autocorrelation goes, away from the center, than the exemplar's."""
    return _highest(autocorrelation(result[0], repeat=True)) - _highest(autocorrelation(exemplar[0], repeat=False))


def _highest(correlation: Tensor) -> float:
    half = correlation[: correlation.shape[0] // 2, : correlation.shape[1] // 2].clone()
    half[:_FAR, :_FAR] = -1
    return half.max().item()


def _other_than(result: Tensor, exemplar: Tensor) -> float:
    height, width = (min(a, b) for a, b in zip(result.shape[1:], exemplar.shape[1:], strict=True))
    return diversity(result[:, :height, :width], exemplar[:, :height, :width])
