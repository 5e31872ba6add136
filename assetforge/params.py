"""The parameters of a step: one declaration for validation, help, JSON schema, documentation and key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.fields import FieldInfo

P = TypeVar("P", bound=BaseModel)

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""


class FileMark:
    """Marks a parameter whose value names a file: found beside the pipeline, its content part of the key."""


File = Annotated[Path, FileMark(), WithJsonSchema({"type": "string", "format": "path"})]
"""A file beside the pipeline. It must exist at plan time; its content is in the key."""


_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_memory(amount: int | str) -> int:
    """Turn `6 GiB` or a plain number into bytes; raise ValueError where it is neither."""
    found = re.fullmatch(r"\s*([\d.]+)\s*([a-zA-Z]*)\s*", str(amount))
    unit = (found.group(2) or "B").upper() if found else ""
    if found is None or unit not in _UNITS:
        raise ValueError(f"should be an amount of memory such as '6 GiB', not {amount!r}")
    return int(float(found.group(1)) * _UNITS[unit])


Memory = Annotated[
    int, BeforeValidator(parse_memory), WithJsonSchema({"type": ["integer", "string"], "x-name": "memory"})
]
"""An amount of memory in bytes, written as `6 GiB`."""


class Params(BaseModel):
    """Base of every step's parameters: frozen, nothing unknown, no infinity, docstrings as descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True, validate_default=True)


Place = tuple[str | int, ...]
"""Where a value stands in parameters: fields, keys and positions, from the top."""


def is_file(field: FieldInfo) -> bool:
    """Tell whether a field holds a `File`, `File | None`, a collection of them, or models that do."""
    return any(isinstance(mark, FileMark) for mark in field.metadata) or _mentions_file(field.annotation, frozenset())


def _mentions_file(annotation: Any, around: frozenset[type[BaseModel]]) -> bool:
    """Look for the mark inside a type; `around` are the models that it stands in, as a model may hold its own kind."""
    if any(isinstance(mark, FileMark) for mark in getattr(annotation, "__metadata__", ())):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in around:
        inside = around | {annotation}
        fields = annotation.model_fields.values()
        return any(
            any(isinstance(mark, FileMark) for mark in field.metadata) or _mentions_file(field.annotation, inside)
            for field in fields
        )
    return any(_mentions_file(argument, around) for argument in getattr(annotation, "__args__", ()))


def file_places(params: BaseModel) -> dict[Place, Path]:
    """Return every file that parameters name, by its place in them, in the order of the fields."""
    return dict(_places(params, ()))


def _places(value: Any, at: Place) -> Iterator[tuple[Place, Path]]:
    if isinstance(value, Path):
        yield at, value
    for part, inner in _parts(value):
        yield from _places(inner, (*at, part))


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield what may hold files inside a value, each with its place."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        yield from ((field.alias or name, getattr(value, name)) for name, field in fields if is_file(field))
    elif isinstance(value, dict):
        yield from ((key if isinstance(key, int | str) else str(key), inner) for key, inner in value.items())
    elif isinstance(value, tuple | list):
        yield from enumerate(value)
    elif isinstance(value, set | frozenset):  # which has no order that would be the same the next time
        yield from enumerate(sorted(value, key=str))


def with_files(params: P, change: Callable[[Path], Path]) -> P:
    """Return parameters in which every file is another one."""
    fields = type(params).model_fields.items()
    changed = {name: _changed(getattr(params, name), change) for name, field in fields if is_file(field)}
    return params.model_copy(update=changed)


def _changed(value: Any, change: Callable[[Path], Path]) -> Any:
    if isinstance(value, Path):
        return change(value)
    if isinstance(value, BaseModel):
        return with_files(value, change)
    if isinstance(value, dict):
        return {key: _changed(entry, change) for key, entry in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return type(value)(_changed(entry, change) for entry in value)
    return value
