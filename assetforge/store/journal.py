"""The journal: attempts and what they failed with, what is quarantined, who builds what, and how the last run ended."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from assetforge.store.json_text import parse
from assetforge.store.schema import transaction, writing


class Quarantine(NamedTuple):
    """An asset that is left alone until what it depends on changes."""

    asset: str
    signature: str
    attempts: int
    error: str
    log: str


class LastRun(NamedTuple):
    """How a run ended, and how many jobs it left in which state."""

    ended: float
    exit_code: int
    counts: Mapping[str, int]


class Journal:
    """The journal of one pipeline, in the database of its project's state."""

    def __init__(self, database: sqlite3.Connection, path: Path, pipeline: str) -> None:
        self._database, self._path, self._pipeline = database, path, pipeline
        self._quarantine: dict[str, Quarantine] = {}

    def load(self) -> None:
        """Take in what other processes have quarantined."""
        rows = "select asset, signature, attempts, error, log from quarantine where pipeline = ?"
        self._quarantine = {row[0]: Quarantine(*row) for row in self._database.execute(rows, (self._pipeline,))}

    # Attempts

    def attempt_begins(self, asset: str, signature: str, run: str) -> int:
        """Note that an attempt begins; return how many have failed on just this before it."""
        values = (self._pipeline, asset, signature, run, time.time())
        self._write("insert into attempts values (?, ?, ?, ?, ?, null, null, null)", values)
        # What a crash of the host cut off is not the asset's fault and does not count.
        failed = "select count(error) from attempts where pipeline = ? and asset = ? and signature = ?"
        return int(self._one(failed, self._pipeline, asset, signature)[0])

    def attempt_failed(self, asset: str, run: str, error: str) -> None:
        """Note what an attempt failed with."""
        values = (time.time(), error, self._pipeline, asset, run)
        where = "where pipeline = ? and asset = ? and run = ? and ended is null"
        self._write(f"update attempts set ended = ?, error = ? {where}", values)  # noqa: S608

    # Quarantine

    def quarantine(self, asset: str, signature: str, attempts: int, error: str, log: str) -> None:
        """Leave an asset alone until its signature changes."""
        values = (self._pipeline, asset, signature, attempts, error, log, time.time())
        self._write("insert or replace into quarantine values (?, ?, ?, ?, ?, ?, ?)", values)
        self._quarantine[asset] = Quarantine(asset, signature, attempts, error, log)

    def release(self, assets: Iterable[str]) -> None:
        """Forget the failures of assets, so that they are tried again."""
        for asset in assets:
            self._write("delete from attempts where pipeline = ? and asset = ?", (self._pipeline, asset))
            self._write("delete from quarantine where pipeline = ? and asset = ?", (self._pipeline, asset))
            self.forget(asset)

    def forget(self, asset: str) -> None:
        """Know no more of an asset whose rows are gone."""
        self._quarantine.pop(asset, None)

    def forget_others(self, assets: Collection[str]) -> None:
        """Forget the failures of all other assets than these."""
        self.release([asset for asset in self._quarantine if asset not in assets])

    def quarantined(self, asset: str) -> Quarantine | None:
        """Return why an asset is left alone, if it is."""
        return self._quarantine.get(asset)

    def quarantined_meanwhile(self, asset: str, signature: str) -> bool:
        """Tell whether another process has found since the journal was loaded that just this keeps failing."""
        known = self._quarantine.get(asset)
        row = self._one("select signature from quarantine where pipeline = ? and asset = ?", self._pipeline, asset)
        return row is not None and row[0] == signature and (known is None or known.signature != signature)

    def all_quarantined(self) -> list[Quarantine]:
        """Return all assets that are left alone, by name."""
        return sorted(self._quarantine.values(), key=lambda one: one.asset)

    # Several runs at once

    def claim(self, asset: str, run: str) -> str:
        """Claim a job for a run; return the run that has it, which may be another."""
        with writing(self._path), transaction(self._database):
            self._database.execute("insert or ignore into claims values (?, ?, ?)", (self._pipeline, asset, run))
            row = self._one("select run from claims where pipeline = ? and asset = ?", self._pipeline, asset)
        return str(row[0])

    def unclaim(self, asset: str, run: str) -> None:
        """Give a job back."""
        self._write("delete from claims where pipeline = ? and asset = ? and run = ?", (self._pipeline, asset, run))

    def unclaim_all(self, run: str) -> None:
        """Give back all that a run had claimed."""
        self._write("delete from claims where run = ?", (run,))

    def claims(self) -> list[tuple[str, str]]:
        """Return the assets that are being built, each with the run that builds it."""
        rows = "select asset, run from claims where pipeline = ? order by asset"
        with writing(self._path):
            return self._database.execute(rows, (self._pipeline,)).fetchall()

    # Runs

    def run_ended(self, exit_code: int, counts: Mapping[str, int]) -> None:
        """Note how a run ended."""
        values = (self._pipeline, time.time(), exit_code, json.dumps(dict(counts)))
        self._write("insert or replace into runs values (?, ?, ?, ?)", values)

    def last_run(self) -> LastRun | None:
        """Return how the last run ended, if there was one."""
        row = self._one("select ended, exit_code, counts from runs where pipeline = ?", self._pipeline)
        try:
            return LastRun(row[0], row[1], parse(dict[str, int], row[2])) if row else None
        except ValueError:
            return None

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with writing(self._path), transaction(self._database):
            self._database.execute(statement, values)

    def _one(self, query: str, *values: str) -> Any:
        with writing(self._path):
            return self._database.execute(query, values).fetchone()
