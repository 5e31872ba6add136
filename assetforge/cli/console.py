"""Shows a watch as it goes: a table that stays in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TextIO

from assetforge.cli.reporter import Show, show_line
from assetforge.errors import printable_name
from assetforge.events import Event, JobFinished, JobStarted, StepProgress, StepStarted, StillWorking
from assetforge.store.daemon_status import DaemonStatus, StatusListener

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

_ROWS = 12
"""Rows of jobs in the table; a terminal has few lines."""


@contextmanager
def console(stream: TextIO, *, verbose: bool) -> Iterator[tuple[Show, StatusListener]]:
    """Give what shows events, and what shows the status: a table on a terminal, lines elsewhere."""
    if not stream.isatty():
        yield partial(show_line, verbose=verbose), lambda _: None
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=stream), refresh_per_second=4, transient=True) as live:
        board = _Board(live, verbose=verbose)
        yield board.event, board.status


class _Board:
    """What is being built and what waits, below the lines of what has ended."""

    def __init__(self, live: Live, *, verbose: bool) -> None:
        self._live, self._verbose = live, verbose
        self._status: DaemonStatus | None = None
        self._steps: dict[str, tuple[str, float]] = {}
        """Step and progress of each job that is being built."""

    def event(self, event: Event) -> None:
        match event:
            case JobStarted(asset):
                self._steps[asset] = ("reading", 0.0)
            case StepStarted(asset, step, _):
                self._steps[asset] = (step, 0.0)
            case StepProgress(asset, step, fraction):
                self._steps[asset] = (step, fraction)
            case JobFinished(asset):
                self._steps.pop(asset, None)
            case _:
                pass
        if not isinstance(event, JobStarted | StepStarted | StepProgress | StillWorking):
            show_line(event, verbose=self._verbose)  # rich prints it above the table
        self._live.update(self._table())

    def status(self, status: DaemonStatus) -> None:
        self._status = status
        self._steps = {asset: step for asset, step in self._steps.items() if asset in status.building}
        self._live.update(self._table())

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(
            title=self._title(), title_justify="left", title_style="bold", box=None, show_header=False, expand=True
        )
        for width in (None, 16, 8):
            table.add_column(width=width, no_wrap=True)
        for asset, (step, fraction) in self._steps.items():
            table.add_row(_cell(asset), step, f"{fraction:4.0%}")
        if self._status is not None:
            for asset, missing in list(self._status.incomplete.items())[:_ROWS]:
                table.add_row(_cell(asset), "waiting for", _cell(missing.rpartition("/")[2]), style="yellow")
            for asset in self._status.waiting[: max(0, _ROWS - len(self._steps))]:
                table.add_row(_cell(asset), "next", "", style="dim")
        return table

    def _title(self) -> str:
        status = self._status
        if status is None:
            return "looking at everything"
        counts = f"{status.waiting_count} waiting, {status.arriving_count} files arriving, {status.done_count} done"
        return f"{status.folder} ({status.how}): {counts}, {len(status.failed)} failed"


def _cell(name: str) -> Text:
    """Return a name as it is: rich would take `[seed=1]` for a style."""
    from rich.text import Text

    return Text(printable_name(name))
