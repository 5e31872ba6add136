"""Shows a run as it goes: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from assetforge.events import (
    AttemptFailed,
    Event,
    Ignored,
    JobFinished,
    JobStarted,
    OutputRemoved,
    PipelineChanged,
    RunFinished,
    RunStarted,
    SourcesAway,
    StepProgress,
    StepStarted,
    Trouble,
    Waiting,
    Watching,
)

if TYPE_CHECKING:
    from rich.progress import Progress

Show = Callable[[Event], None]


@contextmanager
def reporter() -> Iterator[Show]:
    """Give a function that shows events; results go to standard output, failures to standard error."""
    if not sys.stderr.isatty():
        yield show_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress).show


def show_line(event: Event) -> None:
    """Show an event as a line; what failed or is doubtful as a few, most events not at all."""
    match event:
        case JobFinished():
            _show_end(event)
        case AttemptFailed(asset, error):
            click.secho(f"trouble  {asset}: {error}", fg="yellow", err=True)
        case OutputRemoved(asset, path):
            click.echo(f"removed  {path}: the sources of {asset} are gone")
        case RunFinished():
            click.echo(_summary(event))
        case _:
            _show_watch_line(event)


def _show_end(event: JobFinished) -> None:
    match event:
        case JobFinished(asset, "failed", _, error, log):
            click.secho(f"failed   {asset}: {error}", fg="red", err=True)
            if log:
                click.secho(f"         its log: {log}", fg="red", err=True)
        case JobFinished(asset, "quarantined", _, error):
            click.secho(f"skipped  {asset}: {error}", fg="yellow", err=True)
        case JobFinished(asset, state, seconds, flags=flags):
            click.echo(f"{state:8} {asset} ({seconds:.1f} s)")
            for flag in flags:
                click.secho(f"flagged  {asset}: {flag}", fg="yellow", err=True)


def _show_watch_line(event: Event) -> None:
    match event:
        case Watching(folder, how, why):
            click.echo(f"watching {folder}{f', looking now and then: {why}' if how == 'polling' else ''}")
        case SourcesAway(folder):
            click.secho(f"away     {folder}: it is not there; waiting until it is", fg="yellow", err=True)
        case Waiting(asset, missing):
            click.secho(f"waiting  {asset}: for {missing}", fg="yellow", err=True)
        case Ignored(path, why):
            click.secho(f"ignored  {path}: {why}", fg="yellow", err=True)
        case PipelineChanged(file, ""):
            click.echo(f"changed  {file}: planning anew")
        case PipelineChanged(file, problem):
            click.secho(f"changed  {file}, but all goes on as before: {problem}", fg="red", err=True)
        case Trouble(what):
            click.secho(f"trouble  {what}", fg="yellow", err=True)
        case _:
            pass


def _summary(event: RunFinished) -> str:
    quarantined = f", {event.quarantined} quarantined" if event.quarantined else ""
    flagged = f", {event.flagged} flagged" if event.flagged else ""
    counts = f"{event.done} done, {event.failed} failed{quarantined}, {event.current} up to date{flagged}"
    return f"{counts} ({event.seconds:.1f} s)"


class _Bar:
    """One bar over all jobs; the progress of the steps under way moves it by fractions of jobs."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bar = progress.add_task("planning", total=None)
        self.finished = 0
        self.under_way: dict[str, float] = {}

    def show(self, event: Event) -> None:
        match event:
            case RunStarted(jobs):
                self.progress.update(self.bar, total=jobs)
            case JobStarted(asset):
                self.under_way[asset] = 0.0
                self._advance(asset)
            case StepStarted(asset, step, _):
                self._advance(f"{asset}: {step}")
            case StepProgress(asset, step, fraction):
                self.under_way[asset] = fraction
                self._advance(f"{asset}: {step}")
            case JobFinished(asset) if asset in self.under_way:
                del self.under_way[asset]
                self.finished += 1
                self._advance(next(reversed(self.under_way), asset))
            case _:
                pass
        if isinstance(event, JobFinished | AttemptFailed | OutputRemoved | RunFinished):
            with self._above():
                show_line(event)

    def _advance(self, description: str) -> None:
        completed = self.finished + sum(self.under_way.values())
        self.progress.update(self.bar, description=description, completed=completed)

    @contextmanager
    def _above(self) -> Iterator[None]:
        """Print above the bar instead of through it."""
        live = self.progress.live
        live.stop()
        try:
            yield
        finally:
            live.start()
