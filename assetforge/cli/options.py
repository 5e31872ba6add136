"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from assetforge.build import Build
from assetforge.plugins import Registry

F = TypeVar("F", bound=Callable[..., Any])


def pipeline_argument(function: F) -> F:
    """Take the pipeline file."""
    return click.argument("pipeline", type=click.Path(path_type=Path))(function)


def definitions_option(function: F) -> F:
    """Take `-D key=value`, any number of times."""
    text = "Set a value as though it stood in the file: scale=4, upscale.scale=4, seed=7, outputs.dir=out, sources=DIR."
    return click.option("-D", "definitions", metavar="KEY=VALUE", multiple=True, help=text)(function)


def only_option(function: F) -> F:
    """Take `--only GLOB`, any number of times."""
    return click.option("--only", metavar="GLOB", multiple=True, help="Only assets of such names.")(function)


def open_build(pipeline: Path, definitions: tuple[str, ...]) -> Build:
    """Open a pipeline, and warn of broken plugins."""
    build = Build(pipeline, definitions)
    warn_of_broken(build.registry)
    return build


def warn_of_broken(registry: Registry) -> None:
    """Name each broken plugin on standard error; the others work."""
    for problem in registry.broken:
        click.secho(f"warning: {problem}", fg="yellow", err=True)
