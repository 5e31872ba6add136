"""Check data against a pydantic model, and say what is wrong in our words and at our places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from assetforge.errors import Problem, did_you_mean
from assetforge.pipeline.marked_yaml import Document, Path

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document, at: Path, word: str) -> tuple[M | None, list[Problem]]:
    """Validate the data at a path; `word` is what a field is called ("parameter"). All problems at once."""
    data = _look_up(document.data, at)
    try:
        return model.model_validate(data if data is not None else {}), []
    except ValidationError as error:
        return None, _problems(error, model, document, at, word)


def _problems(error: ValidationError, model: type[M], document: Document, at: Path, word: str) -> list[Problem]:
    found: dict[Problem, None] = {}
    for detail in error.errors():
        path = (*at, *_in_data(detail["loc"], _look_up(document.data, at)))
        found[_problem(detail, model, document, path, word)] = None
    return list(found)


def _problem(detail: ErrorDetails, model: type[M], document: Document, path: Path, word: str) -> Problem:
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, detail["loc"][:-1])
        return Problem(document.place(path, key=True), f"unknown {word}", did_you_mean(str(path[-1]), known))
    if detail["type"] == "missing":
        return Problem(document.place(path), "is missing", f"add `{path[-1]}:`")
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return Problem(document.place(path), f"is {detail['input']!r}", f"it {_lower(message)}")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _look_up(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _in_data(location: Sequence[str | int], data: Any) -> Path:
    """Drop the parts of pydantic's location that name alternatives of a union and not places in the data."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
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
        inner = field.annotation if field is not None else inner
        inner = next((kind for kind in _leaves(inner) if _is_model(kind)), inner)
    return list(_by_alias(inner)) if _is_model(inner) else []


def _by_alias(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _leaves(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [leaf for argument in arguments for leaf in _leaves(argument)] if arguments else [annotation]
