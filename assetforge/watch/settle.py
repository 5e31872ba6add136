"""When a file that arrives is complete.

No event says so: copying, unzipping, syncing and moving report in different ways, some of them never that they are
done. So a file is looked at until two looks, far enough apart, find the same, and its end is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from assetforge.codecs.completeness import End
from assetforge.store.state import Stat

_SHORTEST = 0.02
"""Seconds between looks at a file that has waited long enough."""
_PAUSE = 0.5
"""Seconds between looks for the end of a file that has none yet."""


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
    since: float
    """When it was first seen like this."""
    wait: float
    stat: Stat | None = None
    """None where it is not there."""
    seen: bool = False
    """Whether it was looked at."""
    asked: float = -math.inf
    """When its end was last looked for."""


@dataclass(frozen=True)
class Look:
    """What a look at all arriving files has found."""

    settled: dict[str, Stat]
    gone: tuple[str, ...]


@dataclass
class Settling:
    """The files that arrive, change or go. Times are seconds of any steady clock."""

    patience: Patience = field(default_factory=Patience)
    _files: dict[str, _Arriving] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def expect(self, names: Iterable[str], now: float, *, closed: bool = False) -> None:
        """Look at files from now on; `closed` where a program has just closed them or moved them into place."""
        wait = self.patience.closed if closed else self.patience.changed
        for name in names:
            known = self._files.get(name)
            if known is None:
                self._files[name] = _Arriving(now, wait)
            else:
                self._files[name] = _Arriving(now, wait, known.stat, known.seen)

    def look(self, now: float, stat: Callable[[str], Stat | None], end: Callable[[str], End]) -> Look:
        """Look at all; return, and forget, those that have settled and those that are gone.

        Programs that save a file often remove it first: it is gone only when it has stayed away.
        """
        settled, gone = {}, []
        for name, file in list(self._files.items()):
            if now < file.since + file.wait and file.seen:
                continue
            found = stat(name)
            if found != file.stat or not file.seen:
                # A close that was reported before a change says nothing of the change.
                wait = file.wait if file.stat is None and found else self.patience.changed
                self._files[name] = _Arriving(now if file.seen else file.since, wait, found, seen=True)
            elif now - file.since < file.wait:
                continue
            elif found is None:
                gone.append(name)
                del self._files[name]
            elif self._has_end(name, file, now, end):
                settled[name] = found
                del self._files[name]
        return Look(settled, tuple(gone))

    def _has_end(self, name: str, file: _Arriving, now: float, end: Callable[[str], End]) -> bool:
        if now - file.since >= self.patience.endless:
            return True
        if now - file.asked < _PAUSE:
            return False
        file.asked = now
        return end(name) != "missing"

    def next_look(self, now: float) -> float | None:
        """Return the seconds after which a look may find something settled; None where nothing arrives."""
        if not self._files:
            return None
        due = min(
            max(file.since + file.wait, file.asked + _PAUSE) if file.seen else now for file in self._files.values()
        )
        return max(_SHORTEST, due - now)
