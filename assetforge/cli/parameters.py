"""The fields of a pydantic model, as people read them, and as they give them on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from assetforge.errors import UsageError
from assetforge.params import P, file_places
from assetforge.schema_text import Schema, json_schema, models_in, spell_type


@dataclass(frozen=True)
class ParameterRow:
    """One field, ready to print."""

    name: str
    kind: str
    default: str
    meaning: str


def parameter_rows(model: type[BaseModel], *, nested: bool = False) -> Iterator[ParameterRow]:
    """Describe each field of a model, from the same schema that editors use.

    nested: describe the fields of models inside it too, by names such as `guide.target` and `others[].maps`.
    """
    schema = json_schema(model)
    long_form = next((form for form in schema.get("anyOf", ()) if "properties" in form), schema)
    yield from _rows(long_form, schema.get("$defs", {}), "", nested=nested)


def _rows(schema: Schema, definitions: Schema, before: str, *, nested: bool) -> Iterator[ParameterRow]:
    for name, field in schema["properties"].items():
        meaning = " ".join(str(field.get("description", "")).split())
        yield ParameterRow(before + name, spell_type(field, definitions), _default(name, field, schema), meaning)
        for between, inner in models_in(field, definitions) if nested else ():
            if inner is not schema:  # a model may hold its own kind
                yield from _rows(inner, definitions, f"{before}{name}{between}", nested=nested)


def _default(name: str, field: Schema, schema: Schema) -> str:
    if name in schema.get("required", ()):
        return "required"
    return json.dumps(field["default"], ensure_ascii=False) if "default" in field else "empty"


def given_params(model: type[P], given: Iterable[str]) -> P:
    """Return the parameters that texts `KEY=VALUE` give; raise UsageError where one does not fit or names no file."""
    from assetforge.pipeline.marked_yaml import Document  # which lists of parameters do without
    from assetforge.pipeline.validate import validate

    document = Document("-p", {}, {(): "-p"}, {})
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError("-p", f"{text!r} has no value", "write -p KEY=VALUE")
        document = document.with_value((key,), _parsed(key, value), "-p")
    for name, field in model.model_fields.items():
        if field.is_required() and name not in document.data:
            raise UsageError("-p", f"parameter {name!r} is missing", f"write -p {name}=VALUE")
    params, problems = validate(model, document, (), "parameter")
    if params is None:
        raise UsageError(problems[0].where, problems[0].what, problems[0].instead)
    for place, path in file_places(params).items():
        if not path.is_file():
            raise UsageError(f"-p: {place[0]}", f"there is no file {path}", "write its path from the current folder")
    return params


def _parsed(key: str, text: str) -> Any:
    from assetforge.pipeline.marked_yaml import parse_value

    try:
        return parse_value(text) if text else text
    except ValueError as error:
        raise UsageError(f"-p: {key}", "the value is not YAML", "quote it") from error
