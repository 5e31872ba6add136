"""Schemas as people read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from assetforge.schema_text import field_docstrings, json_schema, models_in, spell_type, type_at


class Inner(BaseModel):
    """A part."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """How much it counts."""


class Base(BaseModel):
    """What others begin with."""

    name: str = ""
    """What it is called,
    in two lines."""


class Outer(Base):
    """All of it."""

    side: Annotated[int, Field(ge=1, le=8)] | None = None
    mode: Literal["a", "b"] = "a"
    """Which way."""
    parts: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = {}
    pair: tuple[int, float] = (1, 2.0)
    given: Inner | None = Field(None, alias="with")
    """Under another name in files."""


def spelled(kind: Any) -> str:
    class Model(BaseModel):
        field: kind

    schema = json_schema(Model)
    return spell_type(schema["properties"]["field"], schema.get("$defs", {}))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "integer"),
        (str | None, "string | null"),
        (Literal["a", 2], '"a" | 2'),
        (Annotated[int, Field(ge=1, le=8)], "integer from 1 to 8"),
        (Annotated[float, Field(gt=0)], "number above 0"),
        (Annotated[float, Field(lt=0.5)], "number below 0.5"),
        (Annotated[float, Field(gt=0, lt=1)], "number above 0 and below 1"),
        (Annotated[int, Field(le=10)], "integer up to 10"),
        (list[int], "list of integer"),
        (list[int | str], "list of (integer | string)"),
        (list[tuple[int, str]], "list of [integer, string]"),
        (dict[str, float], "mapping to number"),
        (dict[str, dict[str, Any]], "mapping to mappings"),
        (tuple[int, float], "[integer, number]"),
        (list[Inner], "list of mappings"),
        (dict[str, int | None], "mapping to (integer | null)"),
    ],
)
def test_a_type_is_spelled_as_a_file_has_it(kind: Any, text: str) -> None:
    assert spelled(kind) == text


def test_the_text_below_a_field_is_its_description() -> None:
    places = json_schema(Outer)["properties"]
    assert places["mode"]["description"] == "Which way."
    assert places["with"]["description"] == "Under another name in files."
    assert "description" not in places["side"]


def test_texts_of_bases_count_and_are_taken_out_of_their_indentation() -> None:
    texts = field_docstrings(Outer)
    assert texts["name"] == "What it is called,\nin two lines."
    assert set(texts) == {"name", "mode", "given"}


def test_a_model_that_a_program_made_has_no_texts() -> None:
    made = type("Made", (BaseModel,), {"__annotations__": {"x": int}, "__module__": __name__})
    assert field_docstrings(made) == {}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (["side"], "integer from 1 to 8 | null"),
        (["parts", 3, "weight"], "number above 0"),
        (["by_name", "anything", "weight"], "number above 0"),
        (["pair", 1], "number"),
        (["with", "weight"], "number above 0"),
        (["nowhere"], ""),
        (["mode", "deeper"], ""),
    ],
)
def test_the_type_of_a_place_is_found(path: list[str | int], text: str) -> None:
    assert type_at(Outer, path) == text


@pytest.mark.parametrize(("field", "between"), [("with", "."), ("parts", "[]."), ("by_name", ".NAME."), ("side", "")])
def test_models_within_a_value_are_found_with_what_stands_between(field: str, between: str) -> None:
    schema = json_schema(Outer)
    found = list(models_in(schema["properties"][field], schema["$defs"]))
    assert "".join(words for words, _ in found) == between
    assert all("weight" in model["properties"] for _, model in found)


def test_a_field_is_titled_by_its_name_in_words_unless_it_gives_a_title() -> None:
    class Named(BaseModel):
        drop_size: int = 1
        fov: float | None = Field(None, title="Field of view")

    properties = json_schema(Named)["properties"]
    assert [one["title"] for one in properties.values()] == ["Drop size", "Field of view"]
