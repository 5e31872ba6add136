"""Shows a run as it goes: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from assetforge.cli.output import say, spelled
from assetforge.errors import printable_name
from assetforge.events import (
    AttemptFailed,
    Event,
    Ignored,
    JobFinished,
    JobStarted,
    NothingToDo,
    OutputRemoved,
    PipelineChanged,
    RunFinished,
    RunStarted,
    SourcesAway,
    StepProgress,
    StepStarted,
    StillWorking,
    Trouble,
    Waiting,
    Watching,
)
from assetforge.flags import doubtful

if TYPE_CHECKING:
    from rich.progress import Progress

Show = Callable[[Event], None]


@contextmanager
def reporter(*, verbose: bool) -> Iterator[Show]:
    """Give a function that shows events; results go to standard output, failures to standard error.

    verbose: show what steps print, too.
    """
    if not sys.stderr.isatty():
        yield partial(show_line, verbose=verbose)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # Not as markup: that would take the variant in `brick[seed=1]` for a style.
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress, verbose=verbose).show


def show_line(event: Event, *, verbose: bool) -> None:
    """Show an event as a line; what failed or is doubtful as a few, most events not at all."""
    match event := spelled(event):
        case JobFinished():
            _show_end(event)
            if verbose and event.log:
                _show_log(event.log)
        case AttemptFailed(asset, error):
            say(f"trouble  {asset}: {error}", color="yellow", err=True)
        case OutputRemoved(_, path, why):
            say(f"removed  {path}: {why}")
        case StillWorking(asset, step, seconds, limit):
            say(f"working  {asset}: {step}, {seconds:.0f} s so far (at most {limit:.0f} s)", err=True)
        case NothingToDo():
            say(_seen(event))
        case RunFinished():
            say(summary(event))
        case _:
            _show_watch_line(event)


def _show_end(event: JobFinished) -> None:
    match event:
        case JobFinished(asset, "failed", _, error, log):
            say(f"failed   {asset}: {error}", color="red", err=True)
            if log:
                say(f"         its log: {log}", color="red", err=True)
        case JobFinished(asset, "quarantined", _, error):
            say(f"skipped  {asset}: {error}", color="yellow", err=True)
        case JobFinished(asset, state, seconds, flags=flags):
            say(f"{state:8} {asset} ({seconds:.1f} s)")
            for flag in flags:
                say(f"{'flagged' if doubtful([flag]) else 'info':8} {asset}: {flag}", color="yellow", err=True)


def _show_log(path: str) -> None:
    """Show what a job printed, each line set in."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:  # somebody has cleaned up
        return
    for line in text.splitlines():
        say(f"         | {line}", err=True)


def _show_watch_line(event: Event) -> None:
    match event:
        case Watching(folder, how, why):
            say(f"watching {folder}{f', looking now and then: {why}' if how == 'polling' else ''}")
        case SourcesAway(folder):
            say(f"away     {folder}: it is not there; waiting until it is", color="yellow", err=True)
        case Waiting(asset, missing):
            say(f"waiting  {asset}: for {missing}", color="yellow", err=True)
        case Ignored(path, why):
            say(f"ignored  {path}: {why}", color="yellow", err=True)
        case PipelineChanged(file, ""):
            say(f"changed  {file}: planning anew")
        case PipelineChanged(file, problem):
            say(f"changed  {file}, but all goes on as before: {problem}", color="red", err=True)
        case Trouble(what):
            say(f"trouble  {what}", color="yellow", err=True)
        case _:
            pass


def _seen(event: NothingToDo) -> str:
    others = event.count - len(event.assets)
    more = f" and {others} more" if others else ""
    return f"seen     {', '.join(map(printable_name, event.assets))}{more}: nothing to do"


def summary(event: RunFinished) -> str:
    """Return the line that ends a run."""
    quarantined = f", {event.quarantined} quarantined" if event.quarantined else ""
    flagged = f", {event.flagged} flagged" if event.flagged else ""
    counts = f"{event.done} done, {event.failed} failed{quarantined}, {event.current} up to date{flagged}"
    return f"{counts} ({event.seconds:.1f} s)"


class _Bar:
    """One bar over all jobs; the progress of the steps under way moves it by fractions of jobs."""

    def __init__(self, progress: Progress, *, verbose: bool) -> None:
        self.progress, self.verbose = progress, verbose
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
                show_line(event, verbose=self.verbose)

    def _advance(self, description: str) -> None:
        completed = self.finished + sum(self.under_way.values())
        self.progress.update(self.bar, description=printable_name(description), completed=completed)

    @contextmanager
    def _above(self) -> Iterator[None]:
        """Print above the bar instead of through it."""
        live = self.progress.live
        live.stop()
        try:
            yield
        finally:
            live.start()
