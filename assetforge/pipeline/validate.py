"""Check data against a pydantic model, and say what is wrong in our words and at our places."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from assetforge.errors import PluginError, Problem, blamed_on, did_you_mean
from assetforge.pipeline.marked_yaml import Document, Path
from assetforge.schema_text import spell_default, type_at

M = TypeVar("M", bound=BaseModel)
_LONGEST = 80
"""Characters of a wrong value that are shown."""


def validate(model: type[M], document: Document, at: Path, word: str) -> tuple[M | None, list[Problem]]:
    """Validate the data at a path; `word` is what a field is called ("parameter"). All problems at once."""
    data = _look_up(document.data, at)
    try:
        with blamed_on(document.place(at), f"a validator of its {word}s"):
            return model.model_validate(data if data is not None else {}), []
    except PluginError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        return None, _problems(error.__cause__, model, document, at, word)


def _problems(error: ValidationError, model: type[M], document: Document, at: Path, word: str) -> list[Problem]:
    found: dict[Problem, Path] = {}
    for detail in error.errors():
        names_a_field = detail["type"] in ("missing", "extra_forbidden")
        path = (*at, *_in_data(detail["loc"], _look_up(document.data, at), names_a_field=names_a_field))
        found[_problem(detail, model, document, at, path, word)] = path
    # What is wrong inside of a value says more than that the value is none of several kinds.
    deepest = [path for path in found.values() if not any(_is_inside(other, path) for other in found.values())]
    return [problem for problem, path in found.items() if path in deepest]


def _is_inside(path: Path, around: Path) -> bool:
    return len(path) > len(around) and path[: len(around)] == around


def _problem(detail: ErrorDetails, model: type[M], document: Document, at: Path, path: Path, word: str) -> Problem:
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, detail["loc"][:-1])
        return Problem(document.place(path, key=True), f"unknown {word}", did_you_mean(str(path[-1]), known))
    if detail["type"] == "missing":
        around = _look_up(document.data, path[:-1])
        if (name := _unquoted(around)) and name not in _fields_at(model, detail["loc"][:-1]):
            return _quote(name, document.place(path[:-1]))
        return Problem(document.place(path), "is missing", f"add `{path[-1]}:`")
    if detail["loc"] and path == at and not _is_given(detail["loc"][0], document, at):
        return Problem(
            document.place(at), spell_default(detail, model), "mend it in the plugin, or write another value"
        )
    if detail["type"] in ("value_error", "assertion_error"):  # which a validator of the model has put into words
        return _in_its_words(detail, document.place(path))
    expected = type_at(model, path[len(at) :]) or detail["msg"]
    if (name := _unquoted(detail["input"])) and {"string", "path"} & set(expected.split()):
        return _quote(name, document.place(path))
    return Problem(document.place(path), f"is {_spell(detail['input'])}", f"it should be {_or(expected)}")


def _unquoted(value: Any) -> str:
    """Return the name of a placeholder without quotes: YAML takes `{name}` for a mapping to nothing."""
    return str(next(iter(value))) if isinstance(value, dict) and list(value.values()) == [None] else ""


def _quote(name: str, where: str) -> Problem:
    return Problem(where, f"is {{{name}}} without quotes, which is a mapping in YAML", f'write "{{{name}}}"')


def _is_given(field: str | int, document: Document, at: Path) -> bool:
    data = _look_up(document.data, at)
    return not isinstance(data, dict) or field in data


def _in_its_words(detail: ErrorDetails, where: str) -> Problem:
    message = detail["msg"].partition(", ")[2]  # pydantic has put "Value error" before it
    if message.startswith("should "):
        return Problem(where, f"is {_spell(detail['input'])}", f"it {message}")
    what, _, instead = message.partition("; ")
    return Problem(where, what, instead)


def _or(kinds: str) -> str:
    return kinds.replace(" | ", " or ")


def _spell(value: Any) -> str:
    """Spell a value as YAML has it, but not all of a long one."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _look_up(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _in_data(location: Sequence[str | int], data: Any, *, names_a_field: bool) -> Path:
    """Drop the parts of pydantic's location that name alternatives of a union and not places in the data.

    names_a_field: whether the last part is that of a field, though it may not be there.
    """
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = names_a_field and index == len(location) - 1
        if isinstance(data, dict) and (part in data or last):
            path.append(part)
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            path.append(part)
            data = data[part] if part < len(data) else None
    return tuple(path)


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Name the fields of the model that is nested at a location."""
    inner: Any = model
    for part in location:
        field = _by_alias(inner).get(str(part)) if _is_model(inner) else None
        inner = field.annotation if field is not None else _extra(inner)
        inner = next((kind for kind in _leaves(inner) if _is_model(kind)), inner)
    return list(_by_alias(inner)) if _is_model(inner) else []


def _by_alias(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _extra(inner: Any) -> Any:
    """Return the type of the fields that a model allows besides its own, or what is given where it allows none."""
    extra = getattr(inner, "__annotations__", {}).get("__pydantic_extra__") if _is_model(inner) else None
    return inner if extra is None else get_type_hints(inner)["__pydantic_extra__"]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _leaves(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [leaf for argument in arguments for leaf in _leaves(argument)] if arguments else [annotation]
