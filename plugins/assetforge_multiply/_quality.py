"""What is right and wrong with a result, in numbers, and which of them are beyond what may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from assetforge_multiply._exemplars import Exemplars, brightness
from assetforge_multiply._field import Field, largest_copy, pixel_coordinates
from assetforge_multiply._structure import growth_of_pieces

LARGEST_COPY = 0.1
"""Most of a result that may be copied from one place."""
MIN_COHERENCE = 0.8
"""Part of the mutual information of the exemplar's maps that the result's must have."""
_RELATED = 0.05
"""Mutual information in nats from which on two maps are taken to be related."""
MAX_GROWTH = 1.8
"""How many times as large as the exemplar's the pieces between grooves may be."""
MAX_REPETITION = 0.15
"""How much more alike a result may be to itself elsewhere than the exemplar is."""
_FAR = 20
"""Pixels from which on a texture that is like itself repeats itself."""


@dataclass(frozen=True)
class Quality:
    """Measures of a result, what is flagged, and the penalty for all that is beyond its limit."""

    notes: Mapping[str, Any]
    flags: tuple[str, ...]
    penalty: float


def measure(
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
    if pieces := _pieces(result, exemplar):
        notes["growth_of_pieces"] = {name: round(growth, 2) for name, growth in pieces.items()}
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
    limits = [
        (f"{name}: the seam shows (score {score}, at most {TILEABLE_BELOW})", score / TILEABLE_BELOW)
        for name, score in notes["seam_score"].items()
    ]
    if not (params.variation < 1 or params.keep or mixed):
        limits += _of_structure(notes)
    return [(text, share) for text, share in limits if share > 1]


def _of_structure(notes: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what is limited of how a result is made up, each as a part of what may be."""
    copied, repeated = notes.get("largest_copy", 0.0), notes["repetition"]
    yield f"{copied:.0%} of it are one copy (at most {LARGEST_COPY:.0%})", copied / LARGEST_COPY
    for pair, share in notes["coherence"].items():
        text = f"{pair}: keep {share} of the exemplar's mutual information (at least {MIN_COHERENCE})"
        yield text, MIN_COHERENCE / max(share, 0.1)
    for name, growth in notes.get("growth_of_pieces", {}).items():
        text = f"{name}: pieces grew together ({growth} times as large as the exemplar's, at most {MAX_GROWTH})"
        yield text, growth / MAX_GROWTH
    text = f"it repeats itself (correlation {repeated} above the exemplar's, at most {MAX_REPETITION})"
    yield text, repeated / MAX_REPETITION


def _pieces(result: af.Material, exemplar: af.Material) -> dict[str, float]:
    """Return how much larger pieces are than the exemplar's, by what they are seen in."""
    seen = {"brightness": brightness} | ({"height": lambda one: one["height"].data} if "height" in exemplar else {})
    grown = {name: growth_of_pieces(see(result)[0], see(exemplar)[0]) for name, see in seen.items()}
    return {name: growth for name, growth in grown.items() if growth is not None}


def coverage(field: Field, sources: int) -> float:
    """Return the part of the exemplars' pixels that occur in the result."""
    y, x = pixel_coordinates(field)
    used = torch.zeros(field.source_size[0] * sources, field.source_size[1], dtype=torch.bool)
    used[y, x] = True
    return used.float().mean().item()


def _distance(result: af.Material, exemplar: af.Material, specs: Mapping[str, af.MapSpec]) -> float:
    both = [Stack.of([one], specs).channels[0] for one in (result, exemplar)]
    return statistics_distance(both[0], both[1])


def _coherence(result: af.Material, exemplar: af.Material) -> dict[str, float]:
    """Return the mutual information of pairs of maps, as a part of the exemplar's."""
    found = {}
    for name, ours, theirs in _pairs(result, exemplar):
        there = mutual_information(*theirs)
        if there >= _RELATED:
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


def _repetition(result: Tensor, source: Tensor) -> float:
    """Return how much higher a result's autocorrelation goes, away from the center, than the exemplar's."""
    return _highest(autocorrelation(result[0], repeat=True)) - _highest(autocorrelation(source[0], repeat=False))


def _highest(correlation: Tensor) -> float:
    half = correlation[: correlation.shape[0] // 2, : correlation.shape[1] // 2].clone()
    half[:_FAR, :_FAR] = -1
    return half.max().item()


def _other_than(result: Tensor, source: Tensor) -> float:
    height, width = (min(a, b) for a, b in zip(result.shape[1:], source.shape[1:], strict=True))
    return diversity(result[:, :height, :width], source[:, :height, :width])
