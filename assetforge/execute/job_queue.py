"""The jobs that wait for their turn. There may be very many: none is looked for by going through all."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, KeysView, Sequence

from assetforge.plan.jobs import Job


class JobQueue:
    """Jobs in the order in which they begin: those that somebody is waiting for, then all others. Each waits once."""

    def __init__(self) -> None:
        self._urgent, self._others = OrderedDict[str, Job](), OrderedDict[str, Job]()
        self._assets: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def __iter__(self) -> Iterator[Job]:
        yield from self._urgent.values()
        yield from self._others.values()

    @property
    def assets(self) -> KeysView[str]:
        """The assets of which a job waits."""
        return self._assets.keys()

    def add(self, jobs: Sequence[Job], *, urgent: bool = False, first: bool = False) -> None:
        """Let jobs wait; `urgent` before all others, `first` before their like, and not after."""
        queue = self._urgent if urgent else self._others
        for job in reversed(jobs) if first else jobs:
            self.remove(job.asset)
            self._assets[job.base] += 1
            queue[job.asset] = job
            if first:
                queue.move_to_end(job.asset, last=False)

    def hurry(self, names: Collection[str]) -> None:
        """Let the jobs of these names be the next, in the order in which they wait."""
        if names:
            self.add([job for job in self if job.asset in names], urgent=True, first=True)

    def take(self) -> Job:
        """Take out the next one."""
        job = next(iter(self))
        self.remove(job.asset)
        return job

    def remove(self, name: str) -> Job | None:
        """Take a job out by its name, and return it; None where it does not wait."""
        job = self._urgent.pop(name, None) or self._others.pop(name, None)
        if job is not None:
            self._assets[job.base] -= 1
            if not self._assets[job.base]:
                del self._assets[job.base]
        return job

    def clear(self) -> list[Job]:
        """Take out all, and return them in order."""
        jobs = list(self)
        self._urgent.clear()
        self._others.clear()
        self._assets.clear()
        return jobs
