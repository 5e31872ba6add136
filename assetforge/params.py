"""The parameters of a step: one declaration for validation, help, JSON schema, documentation and key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.fields import FieldInfo

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

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def is_file(field: FieldInfo) -> bool:
    """Tell whether a field holds a `File`, `File | None` or a collection of them."""
    return any(isinstance(mark, FileMark) for mark in field.metadata) or _mentions_file(field.annotation)


def _mentions_file(annotation: Any) -> bool:
    marks = getattr(annotation, "__metadata__", ())
    if any(isinstance(mark, FileMark) for mark in marks):
        return True
    return any(_mentions_file(argument) for argument in getattr(annotation, "__args__", ()))


def files_named(params: Params) -> dict[str, tuple[Path, ...]]:
    """Return the files that each `File` parameter names, in the order of the fields."""
    named = {}
    for name, field in type(params).model_fields.items():
        value = getattr(params, name)
        if is_file(field) and value is not None:
            named[name] = tuple(_paths(value))
    return named


def _paths(value: Any) -> list[Path]:
    if isinstance(value, Path):
        return [value]
    values = value.values() if isinstance(value, dict) else value
    return [path for entry in values for path in _paths(entry)]
