"""Reads the state of a pipeline while others write it: what became of each asset, page by page.

It opens the database for reading alone, and loads nothing that is not asked for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from assetforge import snapshot
from assetforge.codecs.atomic import file_name
from assetforge.codecs.regular import read_regular
from assetforge.errors import OK
from assetforge.snapshot import DATABASE
from assetforge.store.event_log import open_to_read
from assetforge.store.history import RunKind
from assetforge.store.json_text import parse
from assetforge.store.logs import FOLDER as LOGS
from assetforge.store.owners import base_of
from assetforge.store.runs import lives
from assetforge.store.schema import writing

AssetState = Literal["received", "waiting", "queued", "building", "done", "failed", "quarantined"]
STATES: tuple[AssetState, ...] = get_args(AssetState)
ENDED: tuple[AssetState, ...] = ("done", "failed", "quarantined")
MOST = 500
"""Assets on a page."""
_LONGEST_ERROR = 2000
_LONGEST_FAILURE = 2**22

_KNOWN = """
    with said(asset, state, error) as (
        select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
        from json_each(:said)
    ), building(asset) as (
        select asset from claims where pipeline = :p and run in (select value from json_each(:runs))
    ), tried(asset, error) as (
        select asset, error from attempts where pipeline = :p and error is not null group by asset having max(rowid)
    ), names(asset) as (
        select asset from jobs where pipeline = :p union select asset from quarantine where pipeline = :p
        union select asset from building union select asset from tried union select asset from said
    ), known(asset, state, error) as (
        select names.asset,
            case when building.asset is not null then 'building' when said.asset is not null then said.state
                when held.asset is not null then 'quarantined' when tried.asset is not null then 'failed'
                else 'done' end,
            coalesce(said.error, held.error, tried.error, '')
        from names left join building on building.asset = names.asset left join said on said.asset = names.asset
        left join quarantine as held on held.pipeline = :p and held.asset = names.asset
        left join tried on tried.asset = names.asset
        where :who = '' or base_of(names.asset) in (select asset from uploads where pipeline = :p and who = :who)
    )
"""
_WHERE = "where (:state = '' or state = :state) and instr(lower(asset), lower(:text)) > 0"
_COUNT = f"{_KNOWN} select count(*) from known {_WHERE}"  # noqa: S608  our own text
_SHOWN = f"{_KNOWN} select asset, state, error from known"  # noqa: S608
_PAGE = f"{_SHOWN} {_WHERE} and asset > :after order by asset limit :limit offset :offset"
_COUNTS = f"{_KNOWN} select state, count(*) from known group by state"  # noqa: S608
_ROWS = f"{_SHOWN} where asset in (select value from json_each(:assets)) order by asset"  # noqa: S608


class Said(NamedTuple):
    """What is known of an asset from elsewhere than the tables, such as from the daemon's status."""

    asset: str
    state: AssetState
    error: str = ""


class Row(NamedTuple):
    """An asset in a list."""

    asset: str
    state: AssetState
    error: str


class Ending(NamedTuple):
    """What has become of an asset lately."""

    finished: float = 0.0
    """When a job of it last ended: seconds since 1970, as is `quarantined`; 0 is never."""
    quarantined: float = 0.0
    sources: Mapping[str, str] | None = None
    """The sha256 of the source of each map that it was last built from; None where it never was."""


@dataclass(frozen=True)
class AssetPage:
    """Some of the assets that were asked for, and how many there are in all."""

    rows: tuple[Row, ...]
    total: int
    next: str
    """What to ask for `after` to get the next ones; empty where there are no more."""


@dataclass(frozen=True)
class FileRecord:
    """A source or an output of a built asset, and the maps in it."""

    name: str
    """Relative to the pipeline's folder, with `/`."""
    sha256: str
    holds: tuple[Mapping[str, Any], ...]
    """Each with `map`, and the `reading` that takes it from the file."""


@dataclass(frozen=True)
class RunRecord:
    """A run, or the last one of its like that a snapshot has spared."""

    run: str
    kind: RunKind
    began: float
    """Seconds since 1970, as is `ended`."""
    ended: float | None
    exit_code: int | None
    """How it ended; None where it is at work, or was killed or stopped."""
    counts: Mapping[str, int]
    """How many of its jobs have ended in which state; of a run that had nothing to do, how many were in which."""
    who: str
    """The user of its process."""
    lives: bool

    @property
    def state(self) -> Literal["running", "ended", "stopped", "killed"]:
        """How it stands with the run; what goes on for ever is stopped by somebody, and ends in no other way."""
        if self.ended is not None:
            return "ended" if self.exit_code is not None else "stopped"
        return "running" if self.lives else "killed"

    @property
    def data(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        data = {**vars(self), "state": self.state, "counts": dict(self.counts)}
        del data["lives"]
        return data


@dataclass(frozen=True)
class AssetRecord:
    """All that the state knows of one asset."""

    sources: tuple[FileRecord, ...]
    outputs: tuple[FileRecord, ...]
    facts: Mapping[str, Any]
    flags: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class FailureRecord:
    """What an asset that has failed is made of, and what its steps said of it."""

    sources: tuple[FileRecord, ...] = ()
    flags: tuple[Mapping[str, Any], ...] = ()


class Reader:
    """Reads what became of one pipeline. Each call opens the database anew: any thread may call."""

    def __init__(self, state: Path, pipeline: str) -> None:
        self.state, self.pipeline = state, pipeline
        self.path = state / DATABASE

    def assets(
        self,
        said: Sequence[Said] = (),
        *,
        state: str = "",
        text: str = "",
        after: str = "",
        offset: int = 0,
        limit: int = 100,
        who: str = "",
    ) -> AssetPage:
        """Return a page of assets by name: in one state, with a text in their names, after a name, of one user."""
        with self._opened(said) as (database, values):
            values |= {"who": who, "state": state, "text": text, "after": after, "offset": offset}
            values["limit"] = min(max(limit, 1), MOST) + 1
            total = int(database.execute(_COUNT, values).fetchone()[0])
            found = database.execute(_PAGE, values).fetchall()
        rows = [Row(asset, known, str(error)[:_LONGEST_ERROR]) for asset, known, error in found]
        more, rows = len(rows) == values["limit"], rows[: values["limit"] - 1]
        return AssetPage(tuple(rows), total, rows[-1].asset if more else "")

    def counts(self, said: Sequence[Said] = (), who: str = "") -> dict[str, int]:
        """Count the assets in each state, of all or of one user."""
        with self._opened(said) as (database, values):
            counted = dict(database.execute(_COUNTS, values | {"who": who}))
        return {state: counted.get(state, 0) for state in STATES}

    def rows(self, assets: Sequence[str], said: Sequence[Said] = ()) -> list[Row]:
        """Return some assets as lists have them; those of which nothing is known are left out."""
        with self._opened(said) as (database, values):
            found = database.execute(_ROWS, values | {"assets": json.dumps(assets)}).fetchall()
        # SQLite cuts texts in JSON off at a NUL, so that another asset may be found.
        return [Row(asset, state, str(error)) for asset, state, error in found if asset in assets]

    def owned(self, jobs: Iterable[str], who: str) -> set[str]:
        """Return those of some jobs and assets that a user has uploaded."""
        bases = {job: base_of(job) for job in jobs}
        query = """
            select asset from uploads where pipeline = :p and who = :who
            and asset in (select value from json_each(:assets))
        """
        with self._opened() as (database, values):
            values |= {"who": who, "assets": json.dumps(sorted(set(bases.values())))}
            found = {row[0] for row in database.execute(query, values)}
        return {job for job, base in bases.items() if base in found}

    def all_owned(self, who: str) -> list[str]:
        """Return all assets that a user has uploaded."""
        with self._opened() as (database, _):
            query = "select asset from uploads where pipeline = ? and who = ? order by asset"
            return [row[0] for row in database.execute(query, (self.pipeline, who))]

    def record(self, asset: str) -> AssetRecord | None:
        """Return all that is known of an asset that was built, or None of one that never was."""
        mine = self.pipeline, asset
        with self._opened() as (database, _):
            job = database.execute("select sources, facts from jobs where pipeline = ? and asset = ?", mine).fetchone()
            rows = "select path, sha256 from outputs where pipeline = ? and asset = ? order by path"
            outputs = database.execute(rows, mine).fetchall()
            flags = database.execute("select flags from flags where pipeline = ? and asset = ?", mine).fetchone()
        if job is None:
            return None
        facts = _mapping(job[1])
        holds = facts.get("holds", {})
        return AssetRecord(
            _sources(job[0].split("\0"), facts.get("sources", {}).values(), holds.get("sources", [])),
            tuple(FileRecord(path, sha256, tuple(holds.get("outputs", {}).get(path, ()))) for path, sha256 in outputs),
            facts,
            tuple(_list(flags[0])) if flags else (),
        )

    def failure(self, asset: str) -> FailureRecord:
        """Return what is known of an asset that has failed when it was last built; nothing of others."""
        path = self.state / LOGS / file_name(self.pipeline) / f"{file_name(asset)}.json"
        try:
            kept = parse(_Failure, read_regular(path, _LONGEST_FAILURE))
        except (OSError, ValueError):
            return FailureRecord()
        return FailureRecord(_sources(kept.sources, kept.digests, kept.holds), kept.flags)

    def last_finish(self, asset: str) -> tuple[float, Mapping[str, Any]] | None:
        """Return when a job of an asset last ended, and its event; that it was left alone is no end of one."""
        query = """
            select time, event from events where pipeline = ? and kind = 'JobFinished'
            and json_extract(event, '$.asset') = ? and json_extract(event, '$.state') != 'quarantined'
            order by n desc limit 1
        """
        with self._opened() as (database, _):
            found = database.execute(query, (self.pipeline, asset)).fetchone()
        return None if found is None else (float(found[0]), _mapping(found[1]))

    def endings(self, assets: Sequence[str], since: float) -> dict[str, Ending]:
        """Return what has become of assets since a time, of those of which anything is known."""
        finished = """
            select json_extract(event, '$.asset'), max(time) from events where pipeline = :p and kind = 'JobFinished'
            and time >= :since and json_extract(event, '$.asset') in (select value from json_each(:assets)) group by 1
        """
        chosen = "where pipeline = :p and asset in (select value from json_each(:assets))"
        with self._opened() as (database, values):
            values |= {"assets": json.dumps(assets), "since": since}
            times = dict(database.execute(finished, values))
            held = dict(database.execute(f"select asset, since from quarantine {chosen}", values))  # noqa: S608
            facts = dict(database.execute(f"select asset, facts from jobs {chosen}", values))  # noqa: S608
        return {
            asset: Ending(
                float(times.get(asset) or 0),
                float(held.get(asset) or 0),
                dict(_mapping(facts[asset]).get("sources", {})) if asset in facts else None,
            )
            for asset in {*times, *held, *facts}
        }

    def finished(self, since: float, latest: int = 2000) -> set[str]:
        """Return the assets of which a job has ended since a time, of the latest events alone."""
        query = """
            select json_extract(event, '$.asset') from (select * from events order by n desc limit :latest)
            where pipeline = :p and kind = 'JobFinished' and time >= :since
        """
        with self._opened() as (database, values):
            return {row[0] for row in database.execute(query, values | {"since": since, "latest": latest})}

    def versions(self, assets: Sequence[str]) -> dict[str, str]:
        """Return what the results of assets were made of, as a text that changes with it; of those that were built."""
        query = (
            "select asset, signature from jobs where pipeline = :p and asset in (select value from json_each(:assets))"
        )
        with self._opened() as (database, values):
            return dict(database.execute(query, values | {"assets": json.dumps(assets)}))

    def flags_of(self, assets: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return what is doubtful about the results of assets, of those of which anything is."""
        query = "select asset, flags from flags where pipeline = :p and asset in (select value from json_each(:assets))"
        with self._opened() as (database, values):
            rows = database.execute(query, values | {"assets": json.dumps(assets)}).fetchall()
        return {asset: found for asset, text in rows if (found := _list(text))}

    def quarantined_of(self, assets: Iterable[str]) -> list[str]:
        """Return those of some assets that are quarantined."""
        query = "select asset from quarantine where pipeline = :p and asset in (select value from json_each(:assets))"
        with self._opened() as (database, values):
            return [row[0] for row in database.execute(query, values | {"assets": json.dumps(list(assets))})]

    def progress(self) -> dict[str, tuple[str, float]]:
        """Return the step that each job is in that is under way, and the part of it that is done, 0 to 1."""
        query = """
            select json_extract(event, '$.asset'), json_extract(event, '$.step'), json_extract(event, '$.fraction')
            from (select * from events order by n desc limit 2000) where pipeline = ?
            and kind in ('StepStarted', 'StepProgress') order by n
        """
        with self._opened() as (database, _):
            rows = database.execute(query, (self.pipeline,)).fetchall()
        return {asset: (str(step), float(fraction or 0)) for asset, step, fraction in rows}

    def runs(self, limit: int = 50) -> list[RunRecord]:
        """Return the latest runs, the last one first; of those that a snapshot has spared, the last of each kind."""
        found = self._runs("order by began desc limit ?", min(limit, MOST))
        return [*self._spared(found), *found][:limit]

    def run(self, run: str) -> RunRecord | None:
        """Return a run by its name, or None where it is not known, or not any more."""
        return next((one for one in (*self._runs("and run = ?", run), *self.runs()) if one.run == run), None)

    def _runs(self, which: str, *values: object) -> list[RunRecord]:
        columns = "run, kind, began, ended, exit_code, counts, who"
        query = f"select {columns} from history where pipeline = ? and typeof(began) = 'real' {which}"  # noqa: S608
        with self._opened() as (database, _):
            rows = database.execute(query, (self.pipeline, *values)).fetchall()
        # Only the living have no end, so that few folders are looked at.
        return [
            RunRecord(
                run, kind, began, ended, exit_code, _mapping(counts), who, ended is None and lives(self.state, run)
            )
            for run, kind, began, ended, exit_code, counts, who in rows
        ]

    def _spared(self, others: Sequence[RunRecord]) -> list[RunRecord]:
        """Return the runs that snapshots have spared since the last of others: then is each snapshot's own time."""
        since = max((one.ended or one.began for one in others), default=0.0)
        found = []
        for path in map(Path, snapshot.paths(str(self.state))):
            with suppress(OSError):
                when = path.lstat().st_mtime
                seen = snapshot.read(str(path)) if when > since else None
                if seen is not None and seen.ending.pipeline == self.pipeline:
                    counts = {"up to date": seen.ending.jobs}
                    found.append(RunRecord(path.stem, "run", when, when, OK, counts, _owner(path), lives=False))
        return found

    def finished_in(self, run: str) -> list[Mapping[str, Any]]:
        """Return how jobs have ended in a run, as events, as long as those are kept; the latest ones first."""
        query = """
            select event from events where pipeline = ? and run = ? and kind = 'JobFinished' order by n desc limit ?
        """
        with self._opened() as (database, _):
            rows = database.execute(query, (self.pipeline, run, MOST)).fetchall()
        return [_mapping(text) for (text,) in rows if isinstance(text, str)]

    def first_event(self) -> int:
        """Return the number of the first event that is still there, 0 where there is none."""
        with self._opened() as (database, _):
            return int(database.execute("select coalesce(min(n), 0) from events").fetchone()[0])

    @contextmanager
    def _opened(self, said: Sequence[Said] = ()) -> Iterator[tuple[sqlite3.Connection, dict[str, Any]]]:
        """Give the database, and the values that the queries of assets need."""
        with writing(self.path), closing(open_to_read(self.path)) as database:
            runs = [row[0] for row in database.execute("select distinct run from claims")]
            living = [run for run in runs if isinstance(run, str) and lives(self.state, run)]
            database.create_function("base_of", 1, base_of, deterministic=True)
            yield database, {"p": self.pipeline, "said": json.dumps(said), "runs": json.dumps(living), "who": ""}


@dataclass(frozen=True)
class _Failure:
    sources: tuple[str, ...]
    digests: tuple[str, ...]
    holds: tuple[dict[str, Any], ...]
    flags: tuple[dict[str, Any], ...]


def _sources(
    names: Iterable[str], digests: Collection[str], holds: Sequence[Mapping[str, Any]]
) -> tuple[FileRecord, ...]:
    """Return the files of an asset, each once, with all that they hold; what they do is not known of old ones."""
    held = holds or [{}] * len(digests)
    sources: dict[str, FileRecord] = {}
    for name, sha256, one in zip(names, digests, held, strict=False):
        before = sources[name].holds if name in sources else ()
        sources[name] = FileRecord(name, sha256, (*before, one))
    return tuple(sources.values())


def _owner(path: Path) -> str:
    """Return the name of the user whose file it is, nothing where the system knows none."""
    try:
        return path.owner()
    except (OSError, KeyError, NotImplementedError):
        return ""


def _mapping(text: str) -> dict[str, Any]:
    try:
        return parse(dict[str, Any], text)
    except ValueError:  # nobody of us wrote it
        return {}


def _list(text: str) -> list[dict[str, Any]]:
    try:
        return parse(list[dict[str, Any]], text)
    except ValueError:
        return []
