"""The command line. A run that has nothing to do is told before any command is imported."""

from __future__ import annotations

import gc
import io
import sys

from assetforge.cli.unchanged import nothing_to_do, occasion

_OBJECTS = 100_000
"""New objects after which garbage is looked for. Imports and plans make many, and none of them is garbage."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few characters is no reason to fail
    asked = sys.argv[1:] if arguments is None else arguments
    began = occasion(asked)
    if nothing_to_do(began, asked):
        sys.exit(0)
    gc.set_threshold(_OBJECTS)
    from assetforge.cli.group import run

    code = run(asked, began)
    gc.freeze()  # the process ends: what is left is no garbage to look through once more
    sys.exit(code)
