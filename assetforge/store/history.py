"""The history of runs: when each began and ended, how, and what became of its jobs.

A run is written down as it begins, so that one that was killed has a beginning and no end. One that plans and finds
nothing to do is written down as it ends; what a snapshot spares writes nothing at all, and the reader finds it there.
"""

from __future__ import annotations

import getpass
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from assetforge.store.schema import transaction, writing

RunKind = Literal["run", "watch"]
KEPT = 1000
"""Runs that are remembered of each pipeline."""


class History:
    """Writes down the runs of one pipeline. It knows the one that this process has begun."""

    def __init__(self, database: sqlite3.Connection, path: Path, pipeline: str, kept: int = KEPT) -> None:
        self._database, self._path, self._pipeline, self._kept = database, path, pipeline, kept
        self._run = ""
        self._counts: Counter[str] = Counter()
        self._is_behind = False

    def begin(self, run: str, kind: RunKind) -> None:
        """Note that a run begins, of which some jobs may have ended already."""
        self._run, self._is_behind = run, False
        self._insert(run, kind, time.time(), None, None, self._counts)

    def found_nothing(self, began: float, exit_code: int, counts: Mapping[str, int]) -> None:
        """Note a run that had nothing to do and has ended; `counts`: how many jobs it left in which state."""
        self._counts.clear()
        self._insert(new_name(), "run", began, time.time(), exit_code, counts)

    def _insert(
        self, run: str, kind: RunKind, began: float, ended: float | None, code: int | None, counts: Mapping[str, int]
    ) -> None:
        row = run, self._pipeline, kind, began, ended, code, json.dumps(dict(counts)), _user()
        old = "select run from history where pipeline = ? order by began desc limit -1 offset ?"
        with writing(self._path), transaction(self._database):
            columns = "run, pipeline, kind, began, ended, exit_code, counts, who"
            self._database.execute(f"insert into history ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
            self._database.execute(f"delete from history where run in ({old})", (self._pipeline, self._kept))  # noqa: S608

    def job_ended(self, state: str) -> None:
        """Count a job; `write` lets others read it."""
        self._counts[state] += 1
        self._is_behind = True

    def write(self) -> None:
        """Write down how many jobs have ended: who is killed tells nothing any more."""
        if self._is_behind:
            self._update("counts = ?", json.dumps(self._counts))
            self._is_behind = False

    def end(self, exit_code: int | None) -> None:
        """Note how the run ends; None where somebody has stopped what would have gone on for ever."""
        self._update("counts = ?, ended = ?, exit_code = ?", json.dumps(self._counts), time.time(), exit_code)
        self._counts.clear()

    def _update(self, what: str, *values: object) -> None:
        with writing(self._path), transaction(self._database):
            self._database.execute(f"update history set {what} where run = ?", (*values, self._run))  # noqa: S608


def new_name() -> str:
    """Return a name for a run of this process."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{os.urandom(3).hex()}"


def _user() -> str:
    """Return the name of the user of this process, nothing where the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
