"""JSON schemas as people read them: one spelling of types for help, documentation and errors."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import DEFAULT_REF_TEMPLATE, GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ModelSchema

Schema = Mapping[str, Any]
Path = Sequence[str | int]

_WORDS = {"object": "mapping"}


class _Described(GenerateJsonSchema):
    """Takes the text below a field for its description. Read only here, as reading sources takes long."""

    def get_title_from_name(self, name: str) -> str:
        """Return the title of a field that gives none itself."""
        return label(name)

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """Return the schema of a model, with a description of each field."""
        made = super().model_schema(schema)
        places, texts = made.get("properties", {}), field_docstrings(schema["cls"])
        for name, field in schema["cls"].model_fields.items():
            place = places.get(field.alias if self.by_alias and field.alias else name)
            if place is not None and name in texts:
                place.setdefault("description", texts[name])
        return made


def label(name: str) -> str:
    """Return a name as people write it: `base_color` is `Base color`."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def json_schema(model: type[BaseModel], ref_template: str = DEFAULT_REF_TEMPLATE) -> dict[str, Any]:
    """Return the JSON schema of a model, by the names that fields have in files."""
    return model.model_json_schema(by_alias=True, ref_template=ref_template, schema_generator=_Described)


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the text below each field of a model and of its bases, where their source is at hand."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            found |= _docstrings_in(one)
    return found


def _docstrings_in(model: type[BaseModel]) -> Mapping[str, str]:
    try:
        source = inspect.getsource(sys.modules[model.__module__])
        return _docstrings_by_class(source).get(model.__qualname__, {})
    except (KeyError, OSError, SyntaxError, TypeError):  # it was made by a program
        return {}


@lru_cache(maxsize=64)
def _docstrings_by_class(source: str) -> dict[str, Mapping[str, str]]:
    """Return the text below each field of each class of a module; it is parsed once, and not for each of them."""
    found: dict[str, Mapping[str, str]] = {}
    inside: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    for prefix, outer in inside:
        for node in ast.iter_child_nodes(outer):
            if isinstance(node, ast.ClassDef):
                found.setdefault(prefix + node.name, _docstrings_below(node))
                inside.append((f"{prefix}{node.name}.", node))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inside.append((f"{prefix}{node.name}.<locals>.", node))
            elif not isinstance(node, ast.expr):  # such as `if TYPE_CHECKING:`
                inside.append((prefix, node))
    return found


def _docstrings_below(body: ast.ClassDef) -> dict[str, str]:
    return {
        statement.target.id: inspect.cleandoc(after.value.value)
        for statement, after in pairwise(body.body)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
    }


def spell_type(schema: Schema, definitions: Schema) -> str:
    """Spell the type that a schema allows: `integer from 1 to 8 | null`."""
    if "x-name" in schema:
        return str(schema["x-name"])
    if "$ref" in schema:
        return spell_type(_followed(schema, definitions), definitions)
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(spell_type(option, definitions) for option in schema["anyOf"]))
    return _spell_plain(schema, definitions)


def type_at(model: type[BaseModel], path: Path) -> str:
    """Spell the type of what stands at a path in a model's data; nothing where the model has no such place."""
    schema = json_schema(model)
    definitions = schema.get("$defs", {})
    found: list[Schema] = [schema]
    for part in path:
        found = [inner for one in found for inner in _inside(one, part, definitions)]
    return " | ".join(dict.fromkeys(spell_type(one, definitions) for one in found))


def wrong_defaults(model: type[BaseModel]) -> list[str]:
    """Say which of a model's defaults its own fields do not allow."""
    try:
        model.model_validate({})
    except ValidationError as error:
        own = [detail for detail in error.errors() if detail["loc"] and detail["type"] != "missing"]
        return [spell_default(detail, model) for detail in own]
    return []


def spell_default(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what is wrong with a default: `wetness: the default 1.5 should be number from 0 to 1`."""
    said = detail["msg"].partition(", ")[2] if detail["type"] in ("value_error", "assertion_error") else ""
    should = "should be " + (type_at(model, detail["loc"]) or detail["msg"]).replace(" | ", " or ")
    what = should if not said else said if said.startswith("should ") else f"is wrong: {said}"
    return f"{'.'.join(map(str, detail['loc']))}: the default {detail['input']!r} {what}"


def models_in(schema: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the models that a value may hold, each with what stands between the value's name and its fields."""
    if "$ref" in schema:
        schema = _followed(schema, definitions)
    if "properties" in schema:
        yield ".", schema
    for option in schema.get("anyOf", ()):
        yield from models_in(option, definitions)
    if isinstance(schema.get("items"), dict):
        yield from ((f"[]{between}", model) for between, model in models_in(schema["items"], definitions))
    if isinstance(schema.get("additionalProperties"), dict):
        inner = models_in(schema["additionalProperties"], definitions)
        yield from ((f".NAME{between}", model) for between, model in inner)


def _followed(schema: Schema, definitions: Schema) -> Schema:
    found: Schema = definitions[str(schema["$ref"]).rpartition("/")[2]]
    return found


def _inside(schema: Schema, part: str | int, definitions: Schema) -> Iterator[Schema]:
    """Yield the schemas of a part of what a schema allows."""
    if "$ref" in schema:
        schema = _followed(schema, definitions)
    for option in schema.get("anyOf", ()):
        yield from _inside(option, part, definitions)
    if isinstance(part, int):
        places = schema.get("prefixItems", ())
        items = places[part] if part < len(places) else schema.get("items")
    else:
        items = schema.get("properties", {}).get(part, schema.get("additionalProperties"))
    if isinstance(items, dict):
        yield items


def _spell_plain(schema: Schema, definitions: Schema) -> str:
    kind = str(schema.get("format") or schema.get("type", "anything"))
    if "prefixItems" in schema:
        return f"[{', '.join(spell_type(item, definitions) for item in schema['prefixItems'])}]"
    if kind == "array":
        return f"list of {_several(spell_type(schema.get('items', {}), definitions))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {_several(spell_type(schema['additionalProperties'], definitions))}"
    return _WORDS.get(kind, kind) + _spell_bounds(schema)


def _several(kind: str) -> str:
    if kind == "mapping":
        return "mappings"
    return f"({kind})" if " | " in re.sub(r"\(.*\)|\[.*\]", "", kind) else kind


def _spell_bounds(schema: Schema) -> str:
    """Spell the limits of a number: ` from 0 to 1`, ` above 0`, ` up to 10`."""
    spelled = ""
    for word, bound in (("from", "minimum"), ("above", "exclusiveMinimum")):
        spelled += f" {word} {_number(schema[bound])}" if bound in schema else ""
    for first, later, bound in (("up to", "to", "maximum"), ("below", "and below", "exclusiveMaximum")):
        spelled += f" {later if spelled else first} {_number(schema[bound])}" if bound in schema else ""
    return spelled


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"
