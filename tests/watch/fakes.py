"""A clock that goes on when it is told to, folders that exist nowhere, and a session that does nothing by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from assetforge.errors import Problem
from assetforge.plan.jobs import Gone, Job
from assetforge.store.state import Stat
from assetforge.watch.file_tracker import FileTracker


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeFolder:
    """Files by name, each with its stat; those in `cut` lack their end."""

    def __init__(self) -> None:
        self.files: dict[str, Stat] = {}
        self.cut: set[str] = set()
        self.looks = 0

    def stat(self, name: str) -> Stat | None:
        self.looks += 1
        return self.files.get(name)

    def is_complete(self, name: str) -> bool:
        return name not in self.cut


def asset_of(name: str) -> Iterable[str]:
    return [name.partition("_")[0]]


class Tracking:
    """A tracker of a fake folder on a fake clock."""

    def __init__(self) -> None:
        self.clock, self.folder = FakeClock(), FakeFolder()
        self.tracker = FileTracker(self.folder.stat, self.folder.is_complete, asset_of, self.clock)
        self.settled: list[str] = []
        self.removed: list[str] = []

    def poll(self, at: float, step: float = 0.0) -> None:
        """Poll at a time, and with a `step` again and again until then."""
        while step and self.clock.now + step < at:
            self.clock.now += step
            self._poll()
        self.clock.now = at
        self._poll()

    def _poll(self) -> None:
        changes = self.tracker.poll()
        self.settled += changes.settled
        self.removed += changes.removed


class FakeSession:
    """Keeps what was submitted until the test says how it ended."""

    def __init__(self) -> None:
        self.urgent: list[Job] = []
        self.waiting: list[Job] = []
        self.under_way: list[Job] = []
        self.claimed_elsewhere: list[Job] = []
        self.gone: list[Gone] = []
        self.submitted: list[str] = []

    def submit(self, jobs: Sequence[Job], *, urgent: bool = False, first: bool = False) -> None:
        self.waiting = [*jobs, *self.waiting] if urgent or first else [*self.waiting, *jobs]
        self.submitted += [job.asset for job in jobs]

    @property
    def waiting_assets(self) -> set[str]:
        return {job.base for job in self.waiting}

    def hurry(self, jobs: Collection[Job]) -> None:
        self.waiting.sort(key=lambda job: job not in jobs)

    def begin(self) -> Job:
        self.under_way.append(self.waiting.pop(0))
        return self.under_way[-1]

    def end(self, problem: Problem | None = None, *, stale: bool = False) -> Any:
        """End the job that was begun first; return its ending."""
        return SimpleNamespace(attempt=SimpleNamespace(job=self.under_way.pop(0)), problem=problem, stale=stale)

    def cancel_pending(self) -> list[Job]:
        withdrawn, self.waiting = self.waiting, []
        return withdrawn

    def reclaimable(self) -> list[Job]:
        released, self.claimed_elsewhere = self.claimed_elsewhere, []
        return released

    def remove_gone(self, gone: Gone) -> None:
        self.gone.append(gone)

    def remove_stale(self, needed: object) -> None: ...

    def forget_others(self, jobs: object, held: object = ()) -> None: ...
