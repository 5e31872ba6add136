"""Parameters as people read them, and as they give them on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import assetforge as af
from assetforge.cli.parameters import ParameterRow, given_params, parameter_rows
from assetforge.errors import UsageError


class Guide(af.Params):
    target: str
    """What it leads to."""
    weight: float = 1.0


class Params(af.Params):
    gain: af.Fraction = 0.5
    """How much of it
    is left."""
    method: Literal["fast", "best"] = "best"
    guide: Guide | None = None
    others: tuple[Guide, ...] = ()
    file: af.File | None = None
    names: tuple[str, ...] = ()


def test_each_parameter_is_a_row_with_its_default_and_meaning() -> None:
    rows = {row.name: row for row in parameter_rows(Params)}
    assert list(rows) == ["gain", "method", "guide", "others", "file", "names"]
    assert rows["gain"] == ParameterRow("gain", "number from 0 to 1", "0.5", "How much of it is left.")
    assert rows["method"].default == '"best"'
    assert "fast" in rows["method"].kind
    assert rows["guide"].default == "null"


def test_parameters_inside_of_others_have_the_names_that_lead_to_them() -> None:
    rows = {row.name: row for row in parameter_rows(Params, nested=True)}
    assert {"guide.target", "guide.weight", "others[].target", "others[].weight"} <= rows.keys()
    assert rows["guide.target"].default == "required"
    assert rows["guide.target"].meaning == "What it leads to."
    assert rows["others[].weight"].default == "1.0"


@settings(max_examples=30)
@given(gain=st.floats(0, 1), method=st.sampled_from(["fast", "best"]), names=st.lists(st.text("ab: #'\"-", max_size=5)))
def test_what_is_written_as_yaml_is_what_is_taken(gain: float, method: str, names: list[str]) -> None:
    texts = {"gain": gain, "method": method, "names": names}
    given_texts = [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in texts.items()]
    assert given_params(Params, given_texts) == Params(gain=gain, method=method, names=tuple(names))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gain", r"'gain' has no value; write -p KEY=VALUE"),
        ("gian=1", r"gian: unknown parameter; did you mean 'gain'\?"),
        ("gain=2", r"gain: is 2; it should be number from 0 to 1"),
        ("method=slow", r'method: is "slow"; it should be "fast" or "best"'),
        ("guide={}", r"guide.target: is missing; add `target:`"),
        ("guide={target: a, wieght: 2}", r"guide.wieght: unknown parameter; did you mean 'weight'\?"),
        ("others=[{target: a}, {target: b, weight: x}]", r'others\[1\].weight: is "x"; it should be number'),
        ("guide={target", r"guide: the value is not YAML; quote it"),
        ("method=@best", r"method: the value is not YAML; quote it"),
        ("file=/nowhere.png", r"file: there is no file /nowhere\.png; write its path"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"^-p: {said}"):
        given_params(Params, [text])


def test_a_parameter_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"^-p: parameter 'target' is missing; write -p target=VALUE"):
        given_params(Guide, ["weight=2"])


def test_a_file_that_is_there_is_taken_and_the_last_of_two_values_counts(tmp_path: Path) -> None:
    file = tmp_path / "style.png"
    file.touch()
    params = given_params(Params, [f"file={file}", "gain=0.1", "gain=0.9"])
    assert (params.file, params.gain) == (file, 0.9)
