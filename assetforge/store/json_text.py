"""JSON that lies in state and store: written by us, unless somebody else did."""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


def parse(kind: type[T], text: bytes | str) -> T:
    """Return what JSON says, as a value of a kind; raise ValueError where it is none of it, however broken it is."""
    try:
        value: T = _adapter(cast("Hashable", kind)).validate_python(json.loads(text))
    except RecursionError as error:
        raise ValueError("is nested without end") from error
    return value


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))
