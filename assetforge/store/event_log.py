"""What happened in the runs of a pipeline, as events with growing numbers: any process may follow them.

The process that runs writes them, in batches; others read them without a lock. Where nothing is run, nothing is
written.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from assetforge.store.json_text import parse
from assetforge.store.schema import PATIENCE, transaction, writing

if TYPE_CHECKING:
    from assetforge.events import Event

KEPT = 100_000
"""Events that are kept of all pipelines of a project; older ones are dropped."""
PERIOD = 0.25
"""Seconds that an event may wait until it is written with others."""
_CACHE = 256
"""KiB of the database that a reader keeps: what it reads once is of no use later, and the system keeps it anyway."""
_LONGEST = 2**20
"""Characters of an event; we write no longer ones."""


class LoggedEvent(NamedTuple):
    """An event as it was written down."""

    number: int
    """Grows from event to event, and is never given twice."""
    run: str
    time: float
    """Seconds since 1970."""
    event: Event

    @property
    def data(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        happened = {"number": self.number, "run": self.run, "time": self.time, "event": type(self.event).__name__}
        return happened | asdict(self.event)


class EventLog:
    """Writes down the events of one pipeline's runs."""

    def __init__(self, database: sqlite3.Connection, path: Path, pipeline: str, kept: int = KEPT) -> None:
        self._database, self._path, self._pipeline, self._kept = database, path, pipeline, kept
        self._run = ""
        self._pending: deque[tuple[float, Event]] = deque(maxlen=kept)
        self._due = 0.0

    def add(self, event: Event) -> None:
        """Let an event be written with the next ones; if no run begins, it is not written at all."""
        if not self._pending:
            self._due = time.monotonic() + PERIOD
        self._pending.append((time.time(), event))

    def begin(self, run: str) -> None:
        """Note that a run has begun, which what was added before belongs to."""
        self._run = run

    def end(self) -> None:
        """Write what is pending of a run, and note that it has ended."""
        if self._run and self._pending:
            self.write()
        self._run = ""
        self._pending.clear()

    @property
    def due(self) -> float:
        """Seconds after which what is pending should be written."""
        return max(0.0, self._due - time.monotonic()) if self._pending else float("inf")

    def write(self) -> None:
        """Write what is pending."""
        rows = [
            (self._pipeline, self._run, when, type(event).__name__, json.dumps(asdict(event)))
            for when, event in _without_old_progress(self._pending)
        ]
        with writing(self._path), transaction(self._database):
            self._database.executemany(
                "insert into events (pipeline, run, time, kind, event) values (?, ?, ?, ?, ?)", rows
            )
            self._database.execute("delete from events where n <= (select max(n) from events) - ?", (self._kept,))
        self._pending.clear()


def _without_old_progress(pending: Sequence[tuple[float, Event]]) -> list[tuple[float, Event]]:
    """Leave out progress that more progress of the same job follows: a fast step makes a hundred of them at once."""
    from assetforge.events import StepProgress

    last = {event.asset: index for index, (_, event) in enumerate(pending) if isinstance(event, StepProgress)}
    return [
        one for index, one in enumerate(pending) if not isinstance(one[1], StepProgress) or last[one[1].asset] == index
    ]


def last_number(path: Path) -> int:
    """Return the number of the last event in a state's database, 0 where there is none yet."""
    with writing(path), closing(open_to_read(path)) as database:
        return int(database.execute("select coalesce(max(n), 0) from events").fetchone()[0])


def events_after(path: Path, pipeline: str, number: int, most: int = 500) -> list[LoggedEvent]:
    """Return what has happened in the runs of a pipeline since the event of this number, in order.

    path: the database of the state. It is only read; any process may do that while others write. Rows that AssetForge
    does not write are left out. Raises StoreError where there is no state.
    """
    rows = """
        select n, run, time, kind, event from events
        where n > ? and pipeline = ? and typeof(run) = 'text' and typeof(time) = 'real' and typeof(kind) = 'text'
        and typeof(event) = 'text' and length(event) <= ? order by n
    """
    found: list[LoggedEvent] = []
    with writing(path), closing(open_to_read(path)) as database:
        for row in database.execute(rows, (number, pipeline, _LONGEST)):
            found += _logged(*row)
            if len(found) == most:
                break
    return found


def open_to_read(path: Path, *, shared: bool = False) -> sqlite3.Connection:
    """Open a state's database for reading alone; `shared` by threads that see to it that one reads at a time."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    database = sqlite3.connect(uri, uri=True, timeout=PATIENCE, check_same_thread=not shared)
    database.execute(f"pragma cache_size = -{_CACHE}")
    return database


@cache
def _kinds() -> dict[str, type[Event]]:
    from assetforge.events import Event  # where nothing is run, nothing is known of them

    return {kind.__name__: kind for kind in get_args(Event)}


def _logged(number: int, run: str, when: float, kind: str, text: str) -> Iterator[LoggedEvent]:
    """Yield the event in a row, unless it is none that we write."""
    try:
        yield LoggedEvent(number, run, when, parse(_kinds()[kind], text))
    except (KeyError, ValueError):
        return
