"""Why a job must run: each difference of what it depends on has a reason, and says it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from assetforge.plan.jobs import Reason
from assetforge.plan.keys import differences

STEP = {
    "use": "upscale",
    "params": {"scale": "2", "method": '"lanczos"'},
    "files": {"mask": "aa"},
    "weights": {"color": "bb"},
    "version": 1,
    "plugin": "upscale",
    "plugin_version": "1.0",
    "plugin_code": "cc",
}
FACTS: dict[str, Any] = {
    "sources": {"brick_d.png": "11", "brick_n.png": "22"},
    "readings": {"base_color": "srgb", "normal": "up"},
    "steps": [STEP],
    "seed": 0,
    "maps": ["base_color", "normal"],
    "formats": {"base_color": "png8", "normal": "png16"},
    "presets": {"unreal": "33"},
    "wrappers": {"notes": "44"},
    "host": "55",
}


def changed(path: list[str | int], value: Any) -> dict[str, Any]:
    """Return the facts with something else at a place; None takes it away."""
    facts = deepcopy(FACTS)
    *way, last = path
    place: Any = facts
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return facts


def said(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [str(reason) for reason in differences(before, after)]


def test_the_same_facts_give_no_reason() -> None:
    assert said(FACTS, deepcopy(FACTS)) == []


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (["sources", "brick_d.png"], "99", "input brick_d.png changed"),
        (["sources", "brick_r.png"], "99", "input brick_r.png added"),
        (["sources", "brick_n.png"], None, "input brick_n.png removed"),
        (["readings", "normal"], "down", "reading normal changed: up → down"),
        (["steps", 0, "params", "scale"], "4", "params changed: scale 2 → 4"),
        (["steps", 0, "files", "mask"], "ab", "file mask changed"),
        (["steps", 0, "weights", "color"], "bc", "weights color changed"),
        (["steps", 0, "version"], 2, "step version upscale changed: 1 → 2"),
        (["steps", 0, "plugin_version"], "2.0", "plugin upscale 1.0 → 2.0"),
        (["steps", 0, "plugin_code"], "cd", "plugin code upscale changed"),
        (["steps", 0, "use"], "validate", "steps changed: upscale → validate"),
        (["steps"], [], "steps changed: upscale → nothing"),
        (["seed"], 7, "seed changed: 0 → 7"),
        (["maps"], ["normal"], "maps changed: base_color, normal → normal"),
        (["formats", "normal"], "exr32", "format normal changed: png16 → exr32"),
        (["presets", "unreal"], "34", "preset unreal changed"),
        (["wrappers", "notes"], "45", "plugin code notes changed"),
        (["host"], "56", "assetforge code changed"),
    ],
)
def test_each_difference_is_told(path: list[str | int], value: Any, text: str) -> None:
    assert said(FACTS, changed(path, value)) == [text]


def test_steps_that_differ_in_the_same_say_it_once() -> None:
    twice = {**FACTS, "steps": [STEP, STEP]}
    other = {**STEP, "plugin_code": "dd"}
    assert said(twice, {**FACTS, "steps": [other, other]}) == ["plugin code upscale changed"]


def test_a_map_that_comes_or_goes_is_a_reason_by_itself() -> None:
    assert said(FACTS, changed(["readings", "normal"], None)) == []
    assert said(FACTS, changed(["formats", "roughness"], "png8")) == []


def test_facts_of_older_versions_are_compared_by_what_they_have() -> None:
    older = {name: value for name, value in FACTS.items() if name not in ("maps", "presets", "host")}
    assert said(older, FACTS) == ["maps changed: all → base_color, normal", "preset unreal changed",
                                  "assetforge code changed"]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason("new"), "new"),
        (Reason("output missing", "a.png"), "output a.png missing"),
        (Reason("seed changed", "", "1", "2"), "seed changed: 1 → 2"),
    ],
)
def test_a_reason_reads_as_a_sentence(reason: Reason, text: str) -> None:
    assert str(reason) == text
