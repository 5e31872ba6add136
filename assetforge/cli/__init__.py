"""The command line. A run that has nothing to do is told before any command is imported."""

from __future__ import annotations

import io
import sys

from assetforge.cli.unchanged import Asked, nothing_to_do


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few characters is no reason to fail
    asked = Asked(sys.argv[1:] if arguments is None else arguments)
    if nothing_to_do(asked):
        sys.exit(0)
    from assetforge.cli.group import run

    sys.exit(run(asked.arguments, asked))
