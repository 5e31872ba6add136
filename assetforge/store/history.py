"""The history of runs: when each began and ended, how, and what became of its jobs.

A run is written down as it begins, so that one that was killed has a beginning and no end. Runs that find nothing to do
begin nothing, and are not in it.
"""

from __future__ import annotations

import getpass
import json
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Literal

from assetforge.store.schema import transaction, writing

RunKind = Literal["run", "watch"]
KEPT = 1000
"""Runs that are remembered of each pipeline."""
_PERIOD = 1.0
"""Seconds after which it is written down again how many jobs have ended: who is killed tells nothing any more."""


class History:
    """Writes down the runs of one pipeline. It knows the one that this process has begun."""

    def __init__(self, database: sqlite3.Connection, path: Path, pipeline: str, kept: int = KEPT) -> None:
        self._database, self._path, self._pipeline, self._kept = database, path, pipeline, kept
        self._run = ""
        self._counts: Counter[str] = Counter()
        self._is_behind = False
        self._due = 0.0

    def begin(self, run: str, kind: RunKind) -> None:
        """Note that a run begins."""
        self._run, self._counts, self._is_behind = run, Counter(), False
        row = run, self._pipeline, kind, time.time(), "{}", _user()
        old = "select run from history where pipeline = ? order by began desc limit -1 offset ?"
        with writing(self._path), transaction(self._database):
            insert = "insert into history (run, pipeline, kind, began, counts, who) values (?, ?, ?, ?, ?, ?)"
            self._database.execute(insert, row)
            self._database.execute(f"delete from history where run in ({old})", (self._pipeline, self._kept))  # noqa: S608

    def job_ended(self, state: str) -> None:
        """Count a job; soon, others can read it."""
        self._counts[state] += 1
        self._is_behind = True

    def write_due(self) -> None:
        """Write down how many jobs have ended, if that is due."""
        if self._is_behind and time.monotonic() >= self._due:
            self._update("counts = ?", json.dumps(self._counts))
            self._is_behind, self._due = False, time.monotonic() + _PERIOD

    def end(self, exit_code: int) -> None:
        """Note how the run ends."""
        self._update("counts = ?, ended = ?, exit_code = ?", json.dumps(self._counts), time.time(), exit_code)

    def _update(self, what: str, *values: object) -> None:
        with writing(self._path), transaction(self._database):
            self._database.execute(f"update history set {what} where run = ?", (*values, self._run))  # noqa: S608


def _user() -> str:
    """Return the name of the user of this process, nothing where the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
