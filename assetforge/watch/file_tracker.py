"""Which source files there are, and when a file that arrives or changes has settled.

No event says that a file is complete: copying, unzipping, syncing and moving report in different ways, some of them
never that they are done. So a file is looked at until two looks, far enough apart, find the same, and it is complete.

The tracker itself reads no file and no clock: how to look at a file, and what time it is, are handed in.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass, field

from assetforge.store.state import Stat

_SHORTEST = 0.02
"""Seconds between looks at a file that has waited long enough."""
_CHECK_AGAIN = 0.5
"""Seconds between checks whether a file is complete that was not."""

Clock = Callable[[], float]
"""Gives seconds of a steady clock."""


@dataclass(frozen=True)
class QuietTimes:
    """Seconds for which a file must stay the same before it has settled."""

    closed: float = 0.3
    """After a program has closed it or moved it into place."""
    changed: float = 2.0
    """After any other change."""
    incomplete: float = 30.0
    """Where its end is missing: after that it is damaged, and whoever reads it will say so."""


@dataclass(frozen=True)
class FileChanges:
    """Files that have settled, and files that are gone; each true where an event told of it, and not only a scan."""

    settled: Mapping[str, bool] = field(default_factory=dict)
    removed: Mapping[str, bool] = field(default_factory=dict)


@dataclass
class _Pending:
    """A file that has not settled."""

    assets: tuple[str, ...]
    """The assets that it is a part of, or sets something for: they wait for it."""
    since: float
    """When it was first seen as it is now."""
    quiet: float
    """For how many seconds it must stay so."""
    live: bool = False
    """Whether an event told of it: then somebody is waiting."""
    looked_at: bool = False
    stat: Stat | None = None
    """What the last look has found; None where it is not there."""
    checked: float = -math.inf
    """When it was last checked whether it is complete."""

    def restart(self, now: float, quiet: float) -> None:
        """Let the quiet time begin again."""
        self.since, self.quiet, self.checked = now, quiet, -math.inf


class FileTracker:
    """The source files that have settled, and those that arrive, change or go. Names are relative to the sources."""

    def __init__(
        self,
        stat: Callable[[str], Stat | None],
        is_complete: Callable[[str], bool],
        assets_of: Callable[[str], Iterable[str]],
        clock: Clock = time.monotonic,
        times: QuietTimes | None = None,
    ) -> None:
        self.files: dict[str, Stat] = {}
        """The files that have settled, each with the stat that it had then."""
        self.away: set[str] = set()
        """Files that cannot be seen because their disk is away: nobody has removed them."""
        self._stat, self._is_complete, self._assets_of = stat, is_complete, assets_of
        self._clock, self._times = clock, times or QuietTimes()
        self._pending: dict[str, _Pending] = {}
        self._unsettled: Counter[str] = Counter()

    @property
    def pending_count(self) -> int:
        """How many files have not settled."""
        return len(self._pending)

    @property
    def unsettled_assets(self) -> KeysView[str]:
        """The assets that wait for files to settle."""
        return self._unsettled.keys()

    def expect(self, names: Iterable[str], *, closed: bool = False, live: bool = False) -> None:
        """Look at files from now on; `closed` where a program has just closed them or moved them into place."""
        now, quiet = self._clock(), self._times.closed if closed else self._times.changed
        for name in names:
            file = self._pending.get(name)
            if file is None:
                file = self._pending[name] = _Pending(tuple(self._assets_of(name)), now, quiet)
                self._unsettled.update(file.assets)
            else:
                file.restart(now, quiet)
            file.live |= live

    def take_scan(
        self,
        found: Mapping[str, Stat | None],
        lost_folders: Sequence[str],
        settled_before: Callable[[str, Stat], bool],
    ) -> FileChanges:
        """Compare with all files that a scan has found; return those that had settled before, and expect the others.

        What is missing below lost folders (see `FolderScanner`) is away, and not removed.
        """
        missing = sorted(self.files.keys() - found.keys())
        self.away.update(name for name in missing if name.startswith(tuple(lost_folders)))
        settled, changed, expected = {}, list[str](), [name for name in missing if name not in self._pending]
        for name, stat in found.items():
            if name in self._pending or stat == self.files.get(name):
                continue
            if stat is not None and settled_before(name, stat):
                self._keep(name, stat)
                settled[name] = False
            else:
                (changed if name in self.files else expected).append(name)
        self.expect(changed, live=True)  # as if an event had told of it: it has settled while this goes on
        self.expect(expected)  # all at one time: what is found together settles together, and is built by its age
        return FileChanges(settled)

    def poll(self) -> FileChanges:
        """Look at all files that are due; return those that have settled and those that are gone.

        Programs that save a file often remove it first: it is gone only when it has stayed away.
        """
        now = self._clock()
        settled, removed = {}, {}
        for name, file in list(self._pending.items()):
            if file.looked_at and now - file.since < file.quiet:
                continue
            stat = self._stat(name)
            if not self._is_unchanged(file, stat, now):
                continue
            if stat is None:
                self.files.pop(name, None)
                removed[name] = self._release(name)
            elif self._may_be_read(name, file, now):
                self._keep(name, stat)
                settled[name] = self._release(name)
        return FileChanges(settled, removed)

    def _is_unchanged(self, file: _Pending, stat: Stat | None, now: float) -> bool:
        """Tell whether a look finds what the one before has found, and its quiet time is over; note what it finds."""
        if file.looked_at and stat == file.stat:
            return True
        # A close that was reported before a change says nothing of the change.
        quiet = file.quiet if file.stat is None and stat else self._times.changed
        file.restart(now if file.looked_at else file.since, quiet)
        file.stat, file.looked_at = stat, True
        return False

    def _may_be_read(self, name: str, file: _Pending, now: float) -> bool:
        if now - file.since >= self._times.incomplete:
            return True
        if now - file.checked < _CHECK_AGAIN:
            return False
        file.checked = now
        return self._is_complete(name)

    def _keep(self, name: str, stat: Stat) -> None:
        self.files[name] = stat
        self.away.discard(name)

    def _release(self, name: str) -> bool:
        """Expect a file no more; return whether an event told of it."""
        file = self._pending.pop(name)
        for asset in file.assets:
            self._unsettled[asset] -= 1
            if not self._unsettled[asset]:
                del self._unsettled[asset]
        return file.live

    def next_poll(self) -> float | None:
        """Return the time at which a file may have settled; None where none arrives."""
        if not self._pending:
            return None
        now = self._clock()
        due = min(
            max(file.since + file.quiet, file.checked + _CHECK_AGAIN) if file.looked_at else now
            for file in self._pending.values()
        )
        return max(now + _SHORTEST, due)
