"""The state: what was built of what, and which files were seen. Kept in SQLite."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from assetforge.codecs.regular import open_regular
from assetforge.errors import AccessError, SourceError
from assetforge.flags import Flag
from assetforge.snapshot import DATABASE, GRAIN
from assetforge.snapshot import RUNS as RUNS
from assetforge.store.event_log import EventLog
from assetforge.store.history import History
from assetforge.store.journal import Journal, Quarantine
from assetforge.store.json_text import parse
from assetforge.store.owners import Owners
from assetforge.store.requests import RequestLog
from assetforge.store.schema import open_database, transaction, writing

RACY_NS = GRAIN
"""A file changed this short before it was read may change again without a new time: its digest is not kept."""

Stat = tuple[int, int, int, int]
"""Size, times of the last change of content and of anything in nanoseconds, inode.

Who restores the first time after a change, as unpacking and copying do, cannot restore the second one.
"""


_FEW = 16
"""Files that are looked up one by one."""

_FileRow = tuple[str, int, int, int, int, str]
"""Name, the parts of `Stat`, sha256."""


def stat_of(path: str) -> Stat:
    """Return what tells one content of a file from another without reading it; raise OSError where it is not there."""
    return as_stat(os.stat(path))  # noqa: PTH116  one call for each of many files


def as_stat(found: os.stat_result) -> Stat:
    """Return what `stat_of` does, of a file that was looked at."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


class JobRecord(NamedTuple):
    """What a job was built of, and the key of each output by its name. Names are relative to the project."""

    signature: str
    sources: tuple[str, ...]
    outputs: Mapping[str, str]


class Published(NamedTuple):
    """An output file as it was put in place."""

    name: str
    key: str
    sha256: str
    stat: Stat


class _Files:
    """The files that were seen: a few are looked up one by one, and where more are asked for, all are read at once."""

    def __init__(self, one: Callable[[str, str], _FileRow | None], every: Callable[[], Iterable[_FileRow]]) -> None:
        self._one, self._every = one, every
        self._rows: dict[str, _FileRow] = {}
        self._left = _FEW

    def get(self, name: str) -> _FileRow | None:
        """Return what is known of a file. A row that others write meanwhile is as true as an old one."""
        if name in self._rows or self._left < 0:
            return self._rows.get(name)
        self._left -= 1
        if self._left < 0:
            self._rows = {row[0]: row for row in self._every()} | self._rows
        elif row := self._one("select * from files where path = ?", name):
            self._rows[name] = row
        return self._rows.get(name)

    def keep(self, row: _FileRow) -> None:
        """Know a file from now on."""
        self._rows[row[0]] = row

    def drop(self, name: str) -> None:
        """Know no more of a file that is gone."""
        self._rows.pop(name, None)


class State:
    """The memory of one pipeline in its project's database. Names of files are relative to the project's folder."""

    def __init__(self, folder: Path, pipeline: str, project: Path) -> None:
        """Open `folder`/state.sqlite for the pipeline of this id in this project."""
        self.path = folder / DATABASE
        self.pipeline = pipeline
        self._project = f"{project}/"
        self._database = open_database(self.path)
        self.journal = Journal(self._database, self.path, pipeline)
        self.events = EventLog(self._database, self.path, pipeline)
        self.history = History(self._database, self.path, pipeline)
        self.owners = Owners(self._database, self.path, pipeline)
        self.requests = RequestLog(self._database, self.path, pipeline)
        self._unsaved: dict[str, _FileRow] = {}
        self.consulted: set[str] = set()
        """The files whose digests were asked for."""
        self._confirmed: list[tuple[str, str]] = []
        self.reload()

    def reload(self) -> None:
        """Take in what other processes have written since."""
        self.save()
        with writing(self.path):
            self._load()

    def _load(self) -> None:
        """Load what most jobs need; as rows, as there may be very many."""
        database, mine = self._database, (self.pipeline,)
        self._files = _Files(self._one, self._all_files)
        self._outputs: dict[str, list[tuple[str, str]]] = {}
        self._owners: dict[str, str] | None = None
        self._spellings: dict[str, list[str]] | None = None
        rows = "select asset, key, path, size, mtime_ns, ctime_ns, inode, sha256 from outputs where pipeline = ?"
        self._put_in_place: dict[str, _FileRow] = {}
        self._output_rows = database.execute(rows, mine).fetchall()
        for asset, key, path, *_ in self._output_rows:
            self._outputs.setdefault(asset, []).append((path, key))
        rows = "select path, size, mtime_ns, ctime_ns, inode, sha256 from stale where pipeline = ?"
        self._stale: dict[str, _FileRow] = {row[0]: row for row in database.execute(rows, mine)}
        rows = "select asset, signature, sources from jobs where pipeline = ?"
        self._jobs: dict[str, tuple[str, str, str]] = {row[0]: row for row in database.execute(rows, mine)}
        rows = "select asset, flags from flags where pipeline = ?"
        self._flags = {asset: _flags(text) for asset, text in database.execute(rows, mine)}
        self.journal.load()

    @property
    def _published(self) -> dict[str, _FileRow]:
        """The outputs as they were put in place; made of the rows when one is asked for: some plans ask for none."""
        if self._output_rows:
            self._put_in_place, self._output_rows = {row[2]: row[2:] for row in self._output_rows}, []
        return self._put_in_place

    def _at(self, name: str) -> str:
        return name if name[:1] == "/" or name[1:2] == ":" else self._project + name

    # Files

    def digest(self, name: str, most: int = sys.maxsize) -> str:
        """Return the sha256 of a file; it is read only if its size, times or inode differ from the last time.

        Raises AccessError where it cannot be read, and SourceError where it has more bytes than `most`: a file that is
        one large hole would be read for hours.
        """
        path = self._at(name)
        self.consulted.add(name)
        try:
            stat = stat_of(path)
            if stat[0] > most:
                raise SourceError(path, f"has more than {most} bytes", "remove it, or write it smaller")
            known = self._files.get(name)
            if known is not None and known[1:5] == stat:
                return known[5]
            sha256 = _sha256(path)
        except OSError as error:
            raise AccessError(
                path, f"cannot be read ({error.strerror})", "check that it is there, and yours"
            ) from error
        self._files.keep((name, *stat, sha256))
        if time.time_ns() - max(stat[1], stat[2]) > RACY_NS:
            self._unsaved[name] = (name, *stat, sha256)
        return sha256

    def has_seen(self, name: str, stat: Stat) -> bool:
        """Tell whether a file was read when it was just like this."""
        known = self._files.get(name)
        return known is not None and known[1:5] == stat

    def has_published(self, name: str, stat: Stat) -> bool:
        """Tell whether a file was just like this when it was put in place."""
        known = self._published.get(name)
        return known is not None and known[1:5] == stat

    def has_seen_published(self, name: str, stat: Stat) -> bool:
        """Tell whether a file was read when it was just like this, and had the content that was put in place."""
        known = self._published.get(name)
        return known is not None and self._files.get(name) == (name, *stat, known[5])

    def output(self, name: str) -> Literal["as written", "missing", "changed"]:
        """Tell whether a published file is still what was written."""
        try:
            stat = stat_of(self._at(name))
        except OSError:
            return "missing"
        known = self._published.get(name) or self._stale.get(name)
        if known is None:
            return "changed"
        return "as written" if known[1:5] == stat or known[5] == self.digest(name) else "changed"

    def owner(self, name: str) -> str | None:
        """Return the job that has written an output."""
        if self._owners is None:
            self._owners = {path: asset for asset, outputs in self._outputs.items() for path, _ in outputs}
        return self._owners.get(name)

    # Jobs

    def current(self, asset: str, signature: str) -> tuple[str, ...] | None:
        """Return the outputs of a job that was built with this signature, if all of them are as written."""
        job = self._jobs.get(asset)
        if job is None or job[1] != signature:
            return None
        outputs = self._outputs.get(asset, [])
        if all(self.output(name) == "as written" for name, _ in outputs):
            return tuple([name for name, _ in outputs])
        return None

    def record(self, asset: str) -> JobRecord | None:
        """Return what is known of a job, if it was ever built."""
        job = self._jobs.get(asset)
        return JobRecord(job[1], tuple(job[2].split("\0")), dict(self._outputs.get(asset, []))) if job else None

    def built(self) -> Iterator[tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[Flag, ...]]]:
        """Yield all recorded jobs by name: asset, signature, sources, outputs and flags."""
        for asset, signature, sources in self._jobs.values():
            outputs = tuple([name for name, _ in self._outputs.get(asset, ())])
            yield asset, signature, tuple(sources.split("\0")), outputs, self._flags.get(asset, ())

    def recorded(self) -> Collection[str]:
        """Name all recorded jobs."""
        return self._jobs.keys()

    def stale(self) -> Collection[str]:
        """Name the outputs that jobs made once, and did not when they were last built."""
        return self._stale.keys()

    def facts(self, asset: str) -> Mapping[str, Any]:
        """Return what a recorded job was made of, in full."""
        row = self._one("select facts from jobs where pipeline = ? and asset = ?", self.pipeline, asset)
        try:
            return parse(dict[str, Any], row[0])
        except ValueError:  # they only tell why something is built anew
            return {}

    def flags(self, asset: str, *, anew: bool = False) -> tuple[Flag, ...]:
        """Return why a recorded job's outputs are doubtful; `anew` sees what others have written, too."""
        if anew:
            row = self._one("select flags from flags where pipeline = ? and asset = ?", self.pipeline, asset)
            return _flags(row[0]) if row else ()
        return self._flags.get(asset, ())

    def confirm(self, asset: str, signature: str) -> None:
        """Note that a recorded job is up to date under a new signature."""
        self._confirmed.append((signature, asset))

    def built_meanwhile(self, asset: str, signature: str) -> bool:
        """Tell whether another process has built just this since the state was opened."""
        row = self._one("select signature from jobs where pipeline = ? and asset = ?", self.pipeline, asset)
        known = self._jobs.get(asset)
        return row is not None and row[0] == signature and (known is None or known[1] != signature)

    def remember(
        self,
        asset: str,
        signature: str,
        sources: Sequence[str],
        facts: Mapping[str, Any],
        outputs: Sequence[Published],
        flags: Sequence[Flag] = (),
    ) -> None:
        """Keep what a job was built of, what was written and why it is doubtful, and forget its failures."""
        names = {one.name for one in outputs}
        stale = [self._published[name] for name, _ in self._outputs.get(asset, []) if name not in names]
        with writing(self.path), transaction(self._database):
            self._drop(asset, "outputs", "flags", "attempts", "quarantine")
            self._database.executemany(
                "delete from stale where pipeline = ? and path = ?", [(self.pipeline, name) for name in names]
            )
            self._database.executemany(
                "insert or replace into stale values (?, ?, ?, ?, ?, ?, ?)",
                [(self.pipeline, name, sha256, *stat) for name, *stat, sha256 in stale],
            )
            if flags:
                row = (self.pipeline, asset, json.dumps([flag.data() for flag in flags]))
                self._database.execute("insert into flags values (?, ?, ?)", row)
            job = (self.pipeline, asset, signature, "\0".join(sources), json.dumps(facts))
            self._database.execute("insert or replace into jobs values (?, ?, ?, ?, ?)", job)
            self._database.executemany(
                "insert or replace into outputs values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(self.pipeline, asset, one.name, one.key, one.sha256, *one.stat) for one in outputs],
            )
        self._owners = self._spellings = None
        for name in names:
            self._stale.pop(name, None)
        self._stale |= {row[0]: row for row in stale}
        for lost in stale:
            self._published.pop(lost[0], None)
        self._jobs[asset] = (asset, signature, "\0".join(sources))
        self._outputs[asset] = [(one.name, one.key) for one in outputs]
        self._published.update({one.name: (one.name, *one.stat, one.sha256) for one in outputs})
        self._flags.pop(asset, None)
        if flags:
            self._flags[asset] = tuple(flags)
        self.journal.forget(asset)

    def is_of_another(self, name: str) -> bool:
        """Tell whether another pipeline of the project, or another profile, makes an output too."""
        return self._one("select 1 from outputs where path = ? and pipeline != ?", name, self.pipeline) is not None

    def is_of_another_spelling(self, name: str) -> bool:
        """Tell whether a job makes the same file by a name of another case: many systems do not tell them apart."""
        if self._spellings is None:
            self._spellings = {}
            for other in self._published:
                self._spellings.setdefault(other.casefold(), []).append(other)
        others = self._spellings.get(name.casefold(), ())
        return any(
            _is_one_file(self._at(name), self._at(other))
            for other in others
            if other != name and other in self._published  # and was not forgotten meanwhile
        )

    def forget_stale(self) -> None:
        """Forget the outputs that are not made any more."""
        if self._stale:
            with writing(self.path), transaction(self._database):
                self._database.execute("delete from stale where pipeline = ?", (self.pipeline,))
            self._stale.clear()

    def forget(self, asset: str) -> None:
        """Forget a job that is not planned any more, and its files that are gone: ever new ones may come and go."""
        job, outputs = self._jobs.get(asset), self._outputs.get(asset, [])
        names = [*(job[2].split("\0") if job else ()), *(name for name, _ in outputs)]
        lost = [name for name in names if not os.path.lexists(self._at(name))]
        with writing(self.path), transaction(self._database):
            self._drop(asset, "jobs", "outputs", "flags", "attempts", "quarantine")
            self._database.executemany("delete from files where path = ?", [(name,) for name in lost])
        for name in lost:
            self._files.drop(name)
            self._unsaved.pop(name, None)
        self._jobs.pop(asset, None)
        self._flags.pop(asset, None)
        for name, _ in self._outputs.pop(asset, []):
            self._published.pop(name, None)
        self._owners = None
        self.journal.forget(asset)

    def _drop(self, asset: str, *tables: str) -> None:
        for table in tables:
            self._database.execute(f"delete from {table} where pipeline = ? and asset = ?", (self.pipeline, asset))  # noqa: S608

    def save(self) -> None:
        """Write down the digests and signatures that were computed since the last time."""
        if not self._unsaved and not self._confirmed:
            return
        rows = list(self._unsaved.values())
        signatures = [(signature, self.pipeline, asset) for signature, asset in self._confirmed]
        with writing(self.path), transaction(self._database):
            self._database.executemany("insert or replace into files values (?, ?, ?, ?, ?, ?)", rows)
            self._database.executemany("update jobs set signature = ? where pipeline = ? and asset = ?", signatures)
        self._unsaved.clear()
        self._confirmed.clear()

    def quarantined(self, asset: str) -> Quarantine | None:
        """Return why an asset is left alone, if it is."""
        return self.journal.quarantined(asset)

    # Shared stores

    def knows_store(self, folder: Path) -> bool:
        """Tell whether a shared store was seen."""
        return self._one("select 1 from stores where path = ?", str(folder)) is not None

    def saw_store(self, folder: Path) -> None:
        """Note that a shared store is there."""
        with writing(self.path), transaction(self._database):
            self._database.execute("insert or ignore into stores values (?)", (str(folder),))

    def _one(self, query: str, *values: str) -> Any:
        with writing(self.path):
            return self._database.execute(query, values).fetchone()

    def _all_files(self) -> Iterable[_FileRow]:
        with writing(self.path):
            return self._database.execute("select * from files").fetchall()

    def close(self) -> None:
        """Save, and let go of the database."""
        try:
            self.save()
            self.events.end()
        finally:
            self._database.close()


def _flags(text: str) -> tuple[Flag, ...]:
    try:
        return tuple(parse(list[Flag], text))
    except ValueError:
        return ()


def _is_one_file(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)  # noqa: PTH121  strings, as all names are
    except OSError:
        return False


def _sha256(path: str) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
