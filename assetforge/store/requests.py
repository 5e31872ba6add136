"""What other processes ask the daemon of a pipeline to do, as rows of the state. It answers all, however often it dies.

A request stays until it is answered: what was asked while no daemon ran, or was cut off, is done by the next one.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from assetforge.store.json_text import parse
from assetforge.store.schema import PATIENCE, transaction, writing

Verb = Literal["retry", "rebuild", "cancel", "hurry", "pause", "resume", "receive"]
VERBS: tuple[Verb, ...] = get_args(Verb)
KEPT_SECONDS = 30 * 24 * 3600.0
"""How long an answered request is remembered."""
_COLUMNS = "n, verb, what, who, asked, done, answer"
Data = Mapping[str, Any]


class Request(NamedTuple):
    """Something that the daemon is asked to do."""

    number: int
    verb: Verb
    what: Data
    """Of `retry`, `rebuild`, `cancel` and `hurry`: the assets. Of `receive`: the uploaded files."""
    who: str
    asked: float
    """Seconds since 1970, as is `done`."""
    done: float | None
    answer: Data
    """Empty until it is done."""


class RequestLog:
    """The requests to one pipeline's daemon."""

    def __init__(self, database: sqlite3.Connection, path: Path, pipeline: str) -> None:
        self._database, self._path, self._pipeline = database, path, pipeline

    def ask(self, verb: Verb, what: Data, who: str = "", key: str | None = None) -> int:
        """Ask for something; return the request's number. What is asked again with the same key is asked once."""
        now = time.time()
        row = self._pipeline, verb, json.dumps(what), who, key, now
        with writing(self._path), transaction(self._database):
            old = "delete from requests where done < ? and verb not in ('pause', 'resume')"
            self._database.execute(old, (now - KEPT_SECONDS,))
            self._database.execute(
                "insert or ignore into requests (pipeline, verb, what, who, key, asked) values (?, ?, ?, ?, ?, ?)", row
            )
            number = "select n from requests where key = ?" if key else "select last_insert_rowid()"
            return int(self._database.execute(number, (key,) if key else ()).fetchone()[0])

    def find(self, number: int) -> Request | None:
        """Return a request by its number."""
        return next(self._rows("n = ?", number), None)

    def find_key(self, key: str) -> Request | None:
        """Return a request by the key that it was asked with."""
        return next(self._rows("key = ?", key), None)

    def pending(self) -> list[Request]:
        """Return what is not answered yet, in the order in which it was asked."""
        return list(self._rows("done is null"))

    def waiting(self, who: str) -> int:
        """Count what somebody has asked for and is not answered yet."""
        query = "select count(*) from requests where pipeline = ? and who = ? and done is null"
        with writing(self._path):
            return int(self._database.execute(query, (self._pipeline, who)).fetchone()[0])

    def latest(self, verb: Verb, most: int = 200, since: float = 0.0) -> list[Request]:
        """Return the last requests of a kind that were asked since a time, the latest first."""
        order = " order by n desc limit ?"
        return list(self._rows("verb = ? and asked >= ?", verb, since, most, order=order))

    def last_receive(self, asset: str, since: float = 0.0, who: str = "") -> Request | None:
        """Return the last upload to an asset that was asked since a time, by one user or by anybody."""
        where = "verb = 'receive' and json_extract(what, '$.asset') = ? and asked >= ? and ? in ('', who)"
        return next(self._rows(where, asset, since, who, order=" order by n desc limit 1"), None)

    def finish(self, number: int, answer: Data) -> None:
        """Answer a request."""
        with writing(self._path), transaction(self._database):
            values = time.time(), json.dumps(answer), number
            self._database.execute("update requests set done = ?, answer = ? where n = ?", values)

    def forget(self, number: int) -> None:
        """Forget a request, so that its key may be used again."""
        with writing(self._path), transaction(self._database):
            self._database.execute("delete from requests where n = ?", (number,))

    @property
    def is_paused(self) -> bool:
        """Whether the last that was asked, of a pause and of going on, is a pause."""
        last = list(self._rows("verb in ('pause', 'resume') and done is not null order by n desc limit 1", order=""))
        return bool(last) and last[0].verb == "pause"

    def _rows(self, where: str, *values: object, order: str = " order by n") -> Iterator[Request]:
        query = f"select {_COLUMNS} from requests where pipeline = ? and {where}{order}"  # noqa: S608
        with writing(self._path):
            rows = self._database.execute(query, (self._pipeline, *values)).fetchall()
        for number, verb, what, who, asked, done, answer in rows:
            if verb in VERBS:
                yield Request(number, verb, _data(what), who, asked, done, _data(answer or "{}"))


@contextmanager
def opened_requests(path: Path, pipeline: str) -> Iterator[RequestLog]:
    """Open the requests in a state's database for a process that does nothing else with it.

    Raises StoreError where there is no state.
    """
    with writing(path):
        uri = f"{path.absolute().as_uri()}?mode=rw"
        database = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    with closing(database):
        yield RequestLog(database, path, pipeline)


def _data(text: str) -> Data:
    try:
        return parse(dict[str, Any], text)
    except ValueError:  # nobody of us wrote it
        return {}
