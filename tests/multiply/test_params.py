"""What `multiply` can be told, and what excludes each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from assetforge_multiply import ApplyParams, Params, Reroll
from multiply.conftest import exemplar, multiply

REROLL = Reroll(region=Path("region.png"), seed=1)


def test_a_size_and_a_little_variation_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="'size' cannot be set"):
        multiply(exemplar("stone"), variation=0.5, size=64)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"variation": 0.5, "turn": "all"}, "'turn' cannot be set"),
        ({"variation": 0, "edges": 3}, "'edges' cannot be set"),
        ({"mix": Path("mix.png")}, "'mix' says where"),
        ({"method": "blend", "save_map": True}, "the method 'blend' knows only"),
        ({"method": "blend", "ignore": Path("stain.png")}, "the method 'blend' knows only"),
        ({"method": "neural", "reroll": REROLL}, "the method 'neural' knows only"),
        ({"variation": 0, "reroll": REROLL}, "'reroll' is of a result that is all new"),
        ({"keep": Path("mask.png"), "reroll": REROLL}, "'reroll' is of a result that is all new"),
    ],
)
def test_what_excludes_each_other_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Params(**given)


@pytest.mark.parametrize(
    ("given", "result", "torus"),
    [
        ({}, (90, 120), (90, 120)),
        ({"size": 64, "tileable": "x"}, (64, 64), (80, 64)),
        ({"size": (200, 100), "tileable": "y"}, (100, 200), (100, 216)),
        ({"tileable": "none"}, (90, 120), (106, 136)),
    ],
)
def test_sizes_follow_from_parameters(
    given: dict[str, object], result: tuple[int, int], torus: tuple[int, int]
) -> None:
    params = Params(**given)
    assert params.result_size((90, 120)) == result
    assert params.torus_size((90, 120)) == torus
    assert ApplyParams(tileable=params.tileable).cropped_size(torus, 1.0) == result


def test_larger_maps_are_cropped_by_more() -> None:
    assert ApplyParams(tileable="none").cropped_size((212, 272), 2.0) == (180, 240)


@pytest.mark.parametrize(("given", "in_place"), [({}, False), ({"variation": 0}, True), ({"variation": 0.1}, False)])
def test_only_seams_and_what_is_not_kept_are_made_in_place(given: dict[str, object], in_place: bool) -> None:
    assert Params(**given).is_in_place is in_place
    assert Params(keep=Path("mask.png"), **given).is_in_place
