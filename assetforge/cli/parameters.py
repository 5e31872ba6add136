"""The fields of a pydantic model, as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class ParameterRow:
    """One field, ready to print."""

    name: str
    kind: str
    default: str
    meaning: str


def parameter_rows(model: type[BaseModel]) -> Iterator[ParameterRow]:
    """Describe each field of a model, from the same schema that editors use."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    long_form = next((form for form in schema.get("anyOf", ()) if "properties" in form), schema)
    for name, field in long_form["properties"].items():
        default = _default(name, field, long_form)
        meaning = " ".join(str(field.get("description", "")).split())
        yield ParameterRow(name, _kind(field, definitions), default, meaning)


def _default(name: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    if name in schema.get("required", ()):
        return "required"
    return json.dumps(field["default"]) if "default" in field else "empty"


def _kind(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "x-name" in field:
        return str(field["x-name"])
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "const" in field:
        return json.dumps(field["const"])
    if "enum" in field:
        return " | ".join(json.dumps(value) for value in field["enum"])
    if "anyOf" in field:
        return " | ".join(_kind(option, definitions) for option in field["anyOf"])
    return _plain(field, definitions)


def _plain(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    kind = str(field.get("format") or field.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(field.get('items', {}), definitions)}"
    if "additionalProperties" in field and isinstance(field["additionalProperties"], dict):
        return f"mapping to {_kind(field['additionalProperties'], definitions)}"
    bounds = [str(field[bound]) for bound in ("minimum", "maximum") if bound in field]
    return f"{kind} from {bounds[0]} to {bounds[1]}" if len(bounds) == 2 else kind
