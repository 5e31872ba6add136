"""The events of one pipeline, read once for all who follow them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from itertools import takewhile
from typing import Any, NamedTuple

from assetforge.errors import StoreError
from assetforge.store.event_log import LoggedEvent, events_after, last_number, open_to_read
from assetforge.store.reader import Reader

PERIOD = 0.1
"""Seconds between looks at the state."""
KEEP_ALIVE = 15.0
"""Seconds after which a stream on which nothing happens says that it lives."""
_KEPT = 1000
"""Events at hand; older ones are read from the state, by the few who come back after a while."""
_PIECE = 50
"""Events that are read at a time for one who comes back: all of a slow client's are held until it takes them."""
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
        self._looking = threading.Lock()
        """Held while the database is used: closing it meanwhile would end the process."""
        self._changed = asyncio.Event()
        """Set at the next change; then there is another one. Who leaves while it waits for a lock may keep it."""
        self.streams = 0
        self.is_ending = False
        """Whether nobody is to wait any more, as the server ends."""

    def start(self) -> None:
        """Begin after the last event that there is."""
        with suppress(StoreError):
            self._first = self.last = last_number(self._reader.path)

    async def run(self) -> None:
        """Look for events until canceled."""
        while True:
            found = await asyncio.to_thread(self.look)
            if found is not None:
                self._take(found)
                self.wake()
            await asyncio.sleep(PERIOD)

    def look(self) -> list[Row] | None:
        """Return new events; None where nothing in the state has changed. Runs in a thread, and changes no list."""
        with self._looking:
            return self._look()

    def _look(self) -> list[Row] | None:
        rows: list[Row] = []
        try:
            if not self._has_changed():
                return None
            while found := self._read_after(rows[-1].number if rows else self.last):
                rows.extend(map(_row, found))
        except (StoreError, sqlite3.Error, OSError):  # the state is being made anew, say: the next look opens it again
            self._close()
            return rows or None
        return rows

    def _take(self, rows: list[Row]) -> None:
        self._rows.extend(rows)
        while len(self._rows) > _KEPT:
            self._first = self._rows.popleft().number
        if rows:
            self.last = rows[-1].number

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
        """Let go of the database, once nobody reads it."""
        with self._looking:
            self._close()

    def wake(self) -> None:
        """Wake all who wait."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def hang_up(self) -> None:
        """Wake all who wait, for the last time."""
        self.is_ending = True
        self.wake()

    async def wait(self, seconds: float) -> bool:
        """Wait until something in the state has changed, but no longer; return whether it has."""
        try:
            async with asyncio.timeout(0 if self.is_ending else seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def stream(
        self,
        after: int,
        asset: str = "",
        seen: Callable[[set[str]], Collection[str]] | None = None,
        may_stay: Callable[[], bool] = lambda: True,
    ) -> AsyncIterator[str]:
        """Yield what is sent to somebody who follows the events after a number, of one asset or of all.

        seen: gives those of some assets that they may see; then what is of no asset is not told.
        may_stay: tells whether they may still follow, as a token may be ended meanwhile.
        """
        self.streams += 1
        try:
            yield ": following\n\n"
            while not self.is_ending and may_stay():
                last, rows = self.last, await self._after(after)
                names: Collection[str] = {row.asset for row in rows}
                if seen is not None and names:
                    names = await asyncio.to_thread(seen, set(names))
                for row in rows:
                    after = row.number
                    if row.asset in names and asset in ("", row.asset, row.asset.rpartition("[")[0]):
                        yield f"id: {row.number}\ndata: {row.text}\n\n"
                if not rows:  # what there is beyond is another pipeline's
                    after = max(after, last)
                if after >= self.last and not await self.wait(KEEP_ALIVE):
                    yield ": still here\n\n"
        finally:
            self.streams -= 1

    async def _after(self, number: int) -> list[Row]:
        if number >= self._first:
            return list(takewhile(lambda row: row.number > number, reversed(self._rows)))[::-1]
        return list(map(_row, await asyncio.to_thread(self._read_after, number, _PIECE)))

    def _read_after(self, number: int, most: int = _KEPT) -> list[LoggedEvent]:
        return events_after(self._reader.path, self._reader.pipeline, number, most)


def _row(one: LoggedEvent) -> Row:
    data: dict[str, Any] = one.data
    data.pop("log", None)  # a path is nobody's business
    return Row(one.number, str(data.get("asset", "")), json.dumps(data))
