"""The command line. A run that has nothing to do is told before any command is imported."""

from __future__ import annotations

import gc
import io
import os
import sys

from assetforge.cli.unchanged import nothing_to_do, occasion

_INTERRUPTED = 130
_OBJECTS = 1_000_000
"""New objects after which garbage is looked for. Imports and plans make many, and none of them is garbage: those of
10 000 assets are 100 000, and to look through so many takes 20 ms."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    _open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few characters is no reason to fail
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # before there was a command that could say more
        sys.stderr.write("interrupted\n")
        code = _INTERRUPTED
    sys.exit(code)


def _open_standard_streams() -> None:
    """Open those that whoever started us has closed: the next file to be opened would get what others print."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _run(arguments: list[str]) -> int:
    """Run a command, unless there is nothing to do, and return the exit code."""
    began = occasion(arguments)
    if nothing_to_do(began, arguments):
        return 0
    gc.set_threshold(_OBJECTS)
    from assetforge.cli.group import run

    code = run(arguments, began)
    gc.freeze()  # the process ends: what is left is no garbage to look through once more
    return code
