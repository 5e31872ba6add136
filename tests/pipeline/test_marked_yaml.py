"""YAML is read as plain data, each value with its place; what would be more than data, or without end, is refused."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assetforge.errors import PipelineError
from assetforge.pipeline.marked_yaml import MOST_DIGITS, MOST_LEVELS, Path, parse, parse_value, spell

WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | WORDS
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)  # of bounded size, as now and then a very large example took half a minute


class Dumper(yaml.SafeDumper):
    """Writes words with digits in quotes: without, `0E0` would be a word in the old YAML, and a number in ours."""


def _write_word(dumper: Dumper, word: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", word, '"' if any(map(str.isdigit, word)) else None)


Dumper.add_representer(str, _write_word)


def places(data: object, at: Path = ()) -> dict[Path, object]:
    """All values of some data, by where they stand."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = {at: data}
    for key, value in inside:
        found |= places(value, (*at, key))
    return found


@settings(max_examples=30)
@given(st.dictionaries(WORDS, DATA, max_size=4), st.booleans())
def test_what_is_written_is_read_and_every_value_has_a_place(data: dict[str, object], flow: bool) -> None:
    text = yaml.dump(data, Dumper=Dumper, allow_unicode=True, default_flow_style=flow)
    document = parse(text, "p.yaml")
    assert document.problems == ()
    assert document.data == data
    assert document.values.keys() == places(data).keys()
    assert document.keys.keys() == {place for place in places(data) if place and isinstance(place[-1], str)}
    for place in document.values:
        line, column = document.values[place].split(":")[1:]
        assert 1 <= int(line) <= text.count("\n") + 1
        assert int(column) >= 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("true", True), ("FALSE", False), ("~", None), ("", {}),
        ("010", 10), ("0o10", 8), ("0x1F", 31), ("-3", -3), ("+3", 3), ("1_000", "1_000"), ("1:30", "1:30"),
        ("1e3", 1000.0), (".5", 0.5), ("-.inf", float("-inf")), ("2001-01-01", "2001-01-01"), ("'1'", "1"),
        ("!!str 1", "1"), ("!!int '7'", 7), ("<<", "<<"), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", r"p\.yaml:\d+:\d+: is not YAML: .*; quote patterns and what begins with a sign"),
        ("a: 1\n---\nb: 2", r"p\.yaml:3:1: is a second document; write one"),
        ("a: *b", r"p\.yaml:1:4: \*b stands for nothing"),
        ("a: &b [*b]", r"p\.yaml:1:8: \*b contains itself"),
        ("[" * (MOST_LEVELS + 1), rf"p\.yaml:1:\d+: is nested in more than {MOST_LEVELS} levels"),
    ],
)
def test_what_is_no_document_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        parse(text, "p.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "p.yaml:3:1: a: is written twice; the first is at p.yaml:1:1"),
        ("[1]: 2", "p.yaml:1:1: is a key that is no word"),
        ("a: {b: !!python/name:os.system x}", "p.yaml:1:8: a.b: is not plain data: the tag"),
        (f"a: {'9' * (MOST_DIGITS + 1)}", "p.yaml:1:4: a: is not plain data: a whole number of 41 digits"),
    ],
)  # fmt: skip
def test_what_is_no_plain_data_is_a_problem_beside_the_rest(text: str, said: str) -> None:
    document = parse(f"{text}\nrest: 1\n", "p.yaml")
    assert document.data["rest"] == 1
    [problem] = document.problems
    assert str(problem).startswith(said)


def test_aliases_do_not_unfold_without_end() -> None:
    laughs = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 7))
    with pytest.raises(PipelineError, match="unfolds to more than 100000 values; use fewer aliases"):
        parse(laughs, "p.yaml")
    chain = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, MOST_LEVELS + 1))
    with pytest.raises(PipelineError, match=f"unfolds to more than {MOST_LEVELS} levels"):
        parse(chain, "p.yaml")


def test_an_alias_is_read_as_what_it_stands_for_and_has_that_place() -> None:
    document = parse("steps: &all [{use: dim}]\nmore: *all\n", "p.yaml")
    assert document.data == {"steps": [{"use": "dim"}], "more": [{"use": "dim"}]}
    assert document.values["more", 0, "use"] == document.values["steps", 0, "use"] == "p.yaml:1:20"


def test_the_place_of_what_is_absent_is_that_of_what_is_around_it() -> None:
    document = parse("steps:\n  - use: dim\n", "p.yaml")
    assert document.place(("steps", 0, "use")) == "p.yaml:2:10: steps[0].use"
    assert document.place(("steps", 0, "use"), key=True) == "p.yaml:2:5: steps[0].use"
    assert document.place(("steps", 0, "with", "gain")) == "p.yaml:2:5: steps[0].with.gain"
    assert document.place(("outputs", "dir")) == "p.yaml:1:1: outputs.dir"
    assert document.place(()) == "p.yaml:1:1"
    assert parse("", "p.yaml").place(("steps",)) == "p.yaml:1:1: steps"


PATHS = st.lists(st.sampled_from(["a", "b"]) | st.integers(0, 2), min_size=1, max_size=4).map(tuple)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("ab"), DATA), PATHS, st.integers())
def test_a_value_that_is_set_is_there_and_nothing_else_has_changed(
    data: dict[str, object], path: Path, value: int
) -> None:
    before = parse(yaml.dump(data, Dumper=Dumper, allow_unicode=True), "p.yaml")
    after = before.with_value(path, value, "-D")
    assert before.data == data
    assert after.place(path) == f"-D: {spell(path)}"
    kept = {place: one for place, one in places(data).items() if not isinstance(one, dict | list)}
    for place, one in kept.items():
        if place[: len(path)] != path and path[: len(place)] != place and place in places(after.data):
            assert places(after.data)[place] == one


@given(PATHS)
def test_paths_are_spelled_as_people_write_them(path: Path) -> None:
    assert spell(path).replace("[", ".").replace("]", "").strip(".").split(".") == [str(part) for part in path]


@pytest.mark.parametrize("text", ["[", "a: 1\na: 2", "!!python/name:os.system x"])
def test_a_value_alone_that_is_no_data_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not YAML|is written twice|is not plain data"):
        parse_value(text)
