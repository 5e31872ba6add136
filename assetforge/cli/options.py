"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from assetforge.cli.output import say
from assetforge.codecs.atomic import write_atomically, write_errors_of
from assetforge.errors import Problem, UsageError
from assetforge.pipeline.confinement import PERMISSIONS, Confinement, Permission
from assetforge.plugins import Registry

if TYPE_CHECKING:
    from assetforge.build import Build

F = TypeVar("F", bound=Callable[..., Any])

_DEFINE = "Set a value as though it stood in the file: scale=4, upscale.scale=4, seed=7, outputs.dir=out, sources=DIR."

_CONFINE = "Refuse what the pipeline names outside of this folder, on_done, and plugins of the project."


class Opened(NamedTuple):
    """The pipeline that a command was given, with what is set from outside."""

    file: Path
    definitions: tuple[str, ...]
    profile: str
    confinement: Confinement | None = None

    def build(self) -> Build:
        """Open it, and warn of plugins that are broken or slow."""
        from assetforge.build import Build  # which `assetforge check` does without

        build = Build(self.file, self.definitions, self.profile, self.confinement)
        warn_of_plugins(build.registry)
        warn(build.warnings)
        return build


def build_options(function: F) -> F:
    """Take PIPELINE, `--profile`, `-D`, `--confine` and `--allow`, and hand them over as `opened`."""

    @click.argument("pipeline", type=click.Path(path_type=Path))
    @click.option("--profile", default="", metavar="NAME", help="One of the pipeline's profiles.")
    @click.option("-D", "definitions", metavar="KEY=VALUE", multiple=True, help=_DEFINE)
    @confine_options
    @wraps(function)
    def wrapped(
        pipeline: Path, profile: str, definitions: tuple[str, ...], confinement: Confinement | None, **others: Any
    ) -> Any:
        return function(opened=Opened(pipeline, definitions, profile, confinement), **others)

    return wrapped  # type: ignore[return-value]


def confine_options(function: F) -> F:
    """Take `--confine` and `--allow`, and hand them over as `confinement`."""

    @click.option("--confine", type=click.Path(path_type=Path), metavar="FOLDER", help=_CONFINE)
    @click.option(
        "--allow", type=click.Choice(PERMISSIONS), multiple=True, help="With --confine: allow it all the same."
    )
    @wraps(function)
    def wrapped(confine: Path | None, allow: tuple[Permission, ...], **others: Any) -> Any:
        if allow and confine is None:
            raise UsageError("--allow", "says what --confine allows, which is not there", "add --confine FOLDER")
        if confine is not None and not confine.is_dir():
            raise UsageError("--confine", f"{confine} is not a folder", "name the folder of the project")
        return function(confinement=None if confine is None else Confinement.of(confine, allow), **others)

    return wrapped  # type: ignore[return-value]


def only_option(function: F) -> F:
    """Take `--only GLOB`, any number of times."""
    return click.option("--only", metavar="GLOB", multiple=True, help="Only assets of such names.")(function)


def keep_stale_option(function: F) -> F:
    """Take `--keep-stale`."""
    text = "Leave outputs that are not made any more, and those whose sources are gone."
    return click.option("--keep-stale", is_flag=True, help=text)(function)


def check_writable(option: str, path: Path | None) -> None:
    """Raise UsageError where a file that is asked for cannot be written, before anything is done."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(option, f"{path} cannot be written ({error.strerror})", "choose another file") from error
    if path.is_dir():
        raise UsageError(option, f"{path} is a folder", "name a file")


def check_report(option: str, path: Path | None) -> None:
    """Raise UsageError where a report that is asked for cannot be written, or would replace what is none."""
    check_writable(option, path)
    if path is not None and path.is_file() and not _may_be_report(path):
        raise UsageError(option, f"{path} is there already, and is no report", "name another file")


def _may_be_report(path: Path) -> bool:
    """Tell a file that a report may replace, empty, JSON or XML, from a source or a pipeline that was named instead."""
    try:
        with path.open("rb") as file:
            return file.read(1) in (b"", b"{", b"<")
    except OSError:  # whoever writes it will say why that cannot be
        return True


def write_as_asked(path: Path, text: str) -> None:
    """Write a file that an option names: whole or not at all, but never in place of a device such as /dev/stdout."""
    data = text.encode(errors="backslashreplace")
    if path.exists() and not path.is_file():
        with write_errors_of(path):
            path.write_bytes(data)
    else:
        write_atomically(path.resolve(), data)


def warn(texts: Iterable[object]) -> None:
    """Say on standard error what is doubtful."""
    for text in texts:
        say(f"warning: {text}", color="yellow", err=True)


def warn_of_plugins(registry: Registry, told: Container[Problem] = ()) -> None:
    """Name each plugin that is broken or slow on standard error, but those that are told already; the others work."""
    warn(problem for problem in (*registry.broken, *registry.slow) if problem not in told)
