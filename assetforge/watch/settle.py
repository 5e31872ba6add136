"""When a file that arrives is complete.

No event says so: copying, unzipping, syncing and moving report in different ways, some of them never that they are
done. So a file is looked at until two looks, far enough apart, find the same, and its end is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from assetforge.codecs.ends import End

Stat = tuple[int, int, int]
"""Size, time of the last change in nanoseconds, inode."""


_SHORTEST = 0.02
"""Seconds between looks at a file that has waited long enough, and still has no end."""


@dataclass(frozen=True)
class Patience:
    """Seconds to wait."""

    closed: float = 0.3
    """After a program has closed a file or moved it into place."""
    changed: float = 2.0
    """After any other change."""
    endless: float = 30.0
    """For the end of a file that has none: then it is damaged, and whoever reads it will say so."""


@dataclass
class _Arriving:
    stat: Stat | None
    since: float
    """When it was first seen like this."""
    wait: float


@dataclass(frozen=True)
class Look:
    """What a look at all arriving files has found."""

    settled: dict[str, Stat]
    gone: tuple[str, ...]


@dataclass
class Settling:
    """The files that are arriving. Times are seconds of any steady clock."""

    patience: Patience = field(default_factory=Patience)
    _files: dict[str, _Arriving] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._files)

    def expect(self, names: Iterable[str], now: float, *, closed: bool = False) -> None:
        """Look at files from now on; `closed` where a program has just closed them or moved them into place."""
        wait = self.patience.closed if closed else self.patience.changed
        for name in names:
            known = self._files.get(name)
            stat = known.stat if known else None
            self._files[name] = _Arriving(stat, now, wait)

    def look(self, now: float, stat: Callable[[str], Stat | None], end: Callable[[str], End]) -> Look:
        """Look at all; return, and forget, those that have settled and those that are gone."""
        settled, gone = {}, []
        for name, file in list(self._files.items()):
            found = stat(name)
            if found is None:
                gone.append(name)
                del self._files[name]
            elif found != file.stat:
                # A close that was reported before a change says nothing of the change.
                wait = file.wait if file.stat is None else max(file.wait, self.patience.changed)
                self._files[name] = _Arriving(found, now if file.stat is not None else file.since, wait)
            elif now - file.since >= file.wait and self._has_end(name, now - file.since, end):
                settled[name] = found
                del self._files[name]
        return Look(settled, tuple(gone))

    def _has_end(self, name: str, age: float, end: Callable[[str], End]) -> bool:
        return age >= self.patience.endless or end(name) != "missing"

    def next_look(self, now: float) -> float | None:
        """Return the seconds after which a look may find something settled; None where nothing arrives."""
        if not self._files:
            return None
        due = min(now if file.stat is None else file.since + file.wait for file in self._files.values())
        return max(_SHORTEST, due - now)
