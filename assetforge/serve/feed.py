"""The events of one pipeline, read once for all who follow them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

from assetforge.errors import StoreError
from assetforge.store.event_log import LoggedEvent, events_after, last_number, open_to_read
from assetforge.store.reader import Reader

PERIOD = 0.25
"""Seconds between looks at the state."""
KEEP_ALIVE = 15.0
"""Seconds after which a stream on which nothing happens says that it lives."""
_KEPT = 5000
MOST_STREAMS = 200


class Row(NamedTuple):
    """An event, ready to be sent."""

    number: int
    asset: str
    text: str


class Feed:
    """Looks for new events now and then, and wakes who waits for them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._rows: deque[Row] = deque()
        self._first = self.last = 0
        """All events after the first number, up to the last, are at hand."""
        self._version = -1
        self._database: sqlite3.Connection | None = None
        self._changed = asyncio.Condition()
        self.streams = 0

    def start(self) -> None:
        """Begin after the last event that there is."""
        with suppress(StoreError):
            self._first = self.last = last_number(self._reader.path)

    async def run(self) -> None:
        """Look for events until canceled."""
        while True:
            if await asyncio.to_thread(self._look):
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(PERIOD)

    def _look(self) -> bool:
        """Take in new events; return whether anything in the state has changed."""
        try:
            if not self._has_changed():
                return False
            while found := events_after(self._reader.path, self._reader.pipeline, self.last):
                self._rows.extend(map(_row, found))
                while len(self._rows) > _KEPT:
                    self._first = self._rows.popleft().number
                self.last = found[-1].number
        except (StoreError, sqlite3.Error):
            self._close()
            return False
        return True

    def _has_changed(self) -> bool:
        """Tell whether another process has written to the database since the last time."""
        if self._database is None:
            self._database = open_to_read(self._reader.path, shared=True)
        version = int(self._database.execute("pragma data_version").fetchone()[0])
        changed, self._version = version != self._version, version
        return changed

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database, self._version = None, -1

    def close(self) -> None:
        """Let go of the database."""
        self._close()

    async def wait(self, seconds: float) -> bool:
        """Wait until something in the state has changed, but no longer; return whether it has."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                return False
        return True

    async def stream(self, after: int, asset: str = "") -> AsyncIterator[str]:
        """Yield what is sent to somebody who follows the events after a number, of one asset or of all."""
        self.streams += 1
        try:
            yield ": following\n\n"
            while True:
                for row in await self._after(after):
                    after = row.number
                    if asset in ("", row.asset) or row.asset.rpartition("[")[0] == asset:
                        yield f"id: {row.number}\ndata: {row.text}\n\n"
                if after >= self.last and not await self.wait(KEEP_ALIVE):
                    yield ": still here\n\n"
        finally:
            self.streams -= 1

    async def _after(self, number: int) -> list[Row]:
        if number >= self._first:
            return [row for row in self._rows if row.number > number]
        found = await asyncio.to_thread(events_after, self._reader.path, self._reader.pipeline, number)
        return list(map(_row, found))


def _row(one: LoggedEvent) -> Row:
    data: dict[str, Any] = one.data
    data.pop("log", None)  # a path is nobody's business
    return Row(one.number, str(data.get("asset", "")), json.dumps(data))
