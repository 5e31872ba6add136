"""Results by content key, and the state: what was built of what, and which files were seen.

The store may be deleted at any time: it only saves work. So may the state: everything is then looked at anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import SourceError, StoreError

SCHEMA = 1
_TABLES = """
create table files (path text primary key, size integer, mtime_ns integer, inode integer, sha256 text) without rowid;
create table jobs (pipeline text, asset text, facts text, outputs text, primary key (pipeline, asset)) without rowid;
create table published (path text primary key, sha256 text) without rowid;
"""
_Stat = tuple[int, int, int]


class Store:
    """Files by key: outputs ready to publish, and what steps hand to each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "results"

    def path(self, key: str, suffix: str) -> Path:
        """Return where a result lies, or would lie."""
        return self.folder / key[:2] / f"{key}{suffix}"

    def put(self, key: str, suffix: str, content: bytes) -> Path:
        """Keep a result; it appears whole or not at all."""
        path = self.path(key, suffix)
        write_atomically(path, content)
        return path


@dataclass(frozen=True)
class JobRecord:
    """What a job was built of, and the key of each output by path."""

    facts: Mapping[str, Any]
    outputs: Mapping[str, str]


class State:
    """What earlier runs saw and wrote, in SQLite."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.sqlite"
        self._database = _open(self.path)
        self._files: dict[str, tuple[_Stat, str]] = {
            path: ((size, mtime, inode), sha256)
            for path, size, mtime, inode, sha256 in self._database.execute("select * from files")
        }
        self._unsaved: dict[str, tuple[_Stat, str]] = {}

    def digest(self, path: Path) -> str:
        """Return the sha256 of a file; it is read only if its size, time or inode differ from the last time."""
        return self._digest(path, _stat(path))

    def _digest(self, path: Path, stat: _Stat) -> str:
        known = self._files.get(str(path))
        if known is not None and known[0] == stat:
            return known[1]
        sha256 = _sha256(path)
        self._files[str(path)] = self._unsaved[str(path)] = (stat, sha256)
        return sha256

    def record(self, pipeline: str, asset: str) -> JobRecord | None:
        """Return what is known of a job, if it was ever built."""
        row = self._database.execute(
            "select facts, outputs from jobs where pipeline = ? and asset = ?", (pipeline, asset)
        ).fetchone()
        return JobRecord(json.loads(row[0]), json.loads(row[1])) if row else None

    def remember(self, pipeline: str, asset: str, record: JobRecord) -> None:
        """Keep what a job was built of, and what its outputs hold now."""
        sums = [(path, self.digest(Path(path))) for path in record.outputs]
        row = (pipeline, asset, json.dumps(record.facts), json.dumps(record.outputs))
        with self._database:
            self._database.execute("insert or replace into jobs values (?, ?, ?, ?)", row)
            self._database.executemany("insert or replace into published values (?, ?)", sums)
        self.save()

    def output(self, path: Path) -> Literal["as written", "missing", "changed"]:
        """Tell whether a published file is still what was written."""
        try:
            stat = _stat(path)
        except SourceError:
            return "missing"
        row = self._database.execute("select sha256 from published where path = ?", (str(path),)).fetchone()
        return "as written" if row and row[0] == self._digest(path, stat) else "changed"

    def save(self) -> None:
        """Write down the digests that were computed since the last time."""
        rows = [(path, *stat, sha256) for path, (stat, sha256) in self._unsaved.items()]
        if rows:
            with self._database:
                self._database.executemany("insert or replace into files values (?, ?, ?, ?, ?)", rows)
        self._unsaved.clear()

    def close(self) -> None:
        """Save, and let go of the database."""
        self.save()
        self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=30)
        database.execute("pragma journal_mode = wal")
        version = database.execute("pragma user_version").fetchone()[0]
        if version == 0:
            with database:
                database.executescript(f"{_TABLES} pragma user_version = {SCHEMA};")
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            str(path), f"the state cannot be opened ({error})", "delete it; sources are looked at anew"
        ) from error
    if version > SCHEMA:
        raise StoreError(str(path), f"was written by a newer AssetForge (schema {version})", "upgrade AssetForge")
    return database


def _stat(path: Path) -> _Stat:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(str(path), f"cannot be read ({error.strerror})", "check that it is there") from error
    return found.st_size, found.st_mtime_ns, found.st_ino


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(str(path), f"cannot be read ({error.strerror})", "check its permissions") from error


def stored(path: Path) -> bool:
    """Tell whether a result lies in the store, and is not empty."""
    try:
        return os.stat(path).st_size > 0  # noqa: PTH116  one call for each of many files
    except OSError:
        return False
