"""What commands print: text that every terminal can show, and JSON that nothing else gets into."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TextIO

import click

from assetforge.errors import printable, printable_name

if TYPE_CHECKING:
    from assetforge.events import Event

_OUT, _ERR = 1, 2
_COMMAND = re.compile(r"^(\s*)(::|##\[)", re.MULTILINE)
"""How a line begins that a build server takes for an order to itself: an annotation, a variable, a mask."""
_PROSE = ("error", "problem", "what", "why")
"""Fields of events that may have several lines; all others are names."""


def say(text: str, color: str | None = None, *, err: bool = False) -> None:
    """Print a text, in a color where the terminal has some; to standard error if it is trouble."""
    click.secho(shown(text), fg=color, err=err)


def shown(text: str) -> str:
    """Return a text as it is printed: nothing in it orders a terminal or a build server about."""
    return _COMMAND.sub(r"\1\\\2", printable(text))


def spelled(event: Event) -> Event:
    """Return an event whose names can be shown, each in one line."""
    names: dict[str, Any] = {
        one.name: printable_name(getattr(event, one.name))
        for one in fields(event)
        if one.name not in _PROSE and isinstance(getattr(event, one.name), str)
    }
    return replace(event, **names)


@contextmanager
def reserved_stdout() -> Iterator[TextIO]:
    """Give standard output to the caller alone: what plugins and libraries print meanwhile goes to standard error."""
    sys.stdout.flush()
    ours = os.dup(_OUT)
    os.dup2(_ERR, _OUT)
    try:
        with open(ours, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as file:
            yield file
    finally:
        sys.stdout.flush()
        os.dup2(ours, _OUT)
        os.close(ours)


def write_json(data: Any, file: TextIO) -> None:
    """Write data as JSON, for people and programs."""
    file.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
