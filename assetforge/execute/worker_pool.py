"""The workers of a run: how many of which kind a machine gets, which of them are busy, and which take too long."""

from __future__ import annotations

import itertools
import os
import queue
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from assetforge.errors import PluginError
from assetforge.events import Event
from assetforge.execute.devices import CPU, resolve_device
from assetforge.execute.memory import memory
from assetforge.execute.messages import Ready, Setup
from assetforge.execute.stages import Pool, Stage, StageContext
from assetforge.execute.worker_process import Inbox, InlineWorker, ProcessWorker, Worker
from assetforge.hookspecs import Hooks

START_LIMIT = 600.0
"""Seconds that a worker may take to start: a slow network drive takes minutes to load torch from."""
_GPU_THREADS = 2
_CPU_STEP_THREADS = 2
_JOBS_OF_PROCESS = 4
_MEMORY_OF_PROCESS = 3 * 2**30
"""Bytes: what the hungriest of our steps take for pictures of 2048 × 2048."""


@dataclass(frozen=True)
class InFlightLimits:
    """How much may be under way at once."""

    jobs: int
    memory: int
    """Bytes of memory for steps that say how much they need."""
    scratch: int
    """Bytes that wait between stages."""


class WorkerFactory(Protocol):
    """Starts workers."""

    @property
    def max_workers(self) -> Mapping[Pool, int]:
        """How many workers each pool may have."""

    def __call__(self, pool: Pool, inbox: Inbox) -> Worker:
        """Start a worker."""

    def started(self, pool: Pool, ready: Ready) -> None:
        """Take note of what a worker told when it had started."""


@dataclass
class WorkerPool:
    """All workers of a run, started as they are needed."""

    factory: WorkerFactory
    inbox: Inbox = field(default_factory=queue.SimpleQueue)
    busy: dict[Worker, Stage] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    def workers_in(self, pool: Pool) -> list[Worker]:
        """Return the workers of a pool."""
        return [worker for worker in self.workers if worker.pool == pool]

    def idle(self, pool: Pool) -> Worker | None:
        """Return a worker that could begin at once."""
        return next((one for one in self.workers_in(pool) if one.ready and one not in self.busy), None)

    def spawn(self, pool: Pool) -> None:
        """Start one more; raise PluginError where the system has no more room for it."""
        try:
            worker = self.factory(pool, self.inbox)
        except OSError as error:
            instead = "close other programs, or raise the limits of processes and open files (`ulimit`)"
            raise PluginError("worker", f"cannot be started ({error.strerror})", instead) from error
        self.workers.append(worker)
        if not worker.ready:
            self.set_deadline(worker, START_LIMIT)

    def max_workers(self, pool: Pool) -> int:
        """Return how many of a pool there may be."""
        return self.factory.max_workers[pool]

    def started(self, worker: Worker, ready: Ready) -> None:
        """Take note of what a worker told when it had started."""
        worker.ready, worker.deadline = True, float("inf")
        worker.log()  # what plugins print when they are loaded is no asset's
        self.factory.started(worker.pool, ready)

    def submit(self, worker: Worker, stage: Stage, time_limit: float) -> None:
        """Let an idle worker run a stage."""
        worker.submit(stage)
        self.busy[worker] = stage
        self.set_deadline(worker, time_limit)

    def set_deadline(self, worker: Worker, seconds: float) -> None:
        """Let a worker run for so many seconds from now."""
        worker.limit, worker.deadline = seconds, time.monotonic() + seconds

    def release(self, worker: Worker) -> Stage | None:
        """Note that a worker is idle again; return what it was busy with."""
        worker.deadline = float("inf")
        return self.busy.pop(worker, None)

    def discard(self, worker: Worker) -> Stage | None:
        """Note that a worker's process has ended; return what it was busy with."""
        if worker in self.workers:
            self.workers.remove(worker)
        return self.release(worker)

    def overdue(self) -> Sequence[Worker]:
        """Return the workers that have taken too long."""
        now = time.monotonic()
        return [worker for worker in self.workers if worker.deadline < now]

    def seconds_to_deadline(self) -> float:
        """Return the seconds until a worker has taken too long."""
        return min((worker.deadline for worker in self.workers), default=float("inf")) - time.monotonic()

    def shutdown(self) -> None:
        """End all at once, but for those that are reading and writing: who is publishing finishes that first."""
        for worker in self.workers:
            if worker.pool != "io" or worker not in self.busy:
                worker.kill()
            worker.close()
        for worker in self.workers:
            worker.wait()
        self.workers.clear()
        self.busy.clear()


def cores() -> int:
    """Return how many cores this process may use: OMP_NUM_THREADS counts, as it does everywhere."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def choose_processes(jobs: int, threads: int, memory_bytes: int) -> int:
    """Return how many processes should share a CPU's threads for so many jobs: small pictures keep few threads busy.

    Each gets as many threads, and four jobs or more: a last one that goes on alone leaves the other threads idle.
    """
    most = max(1, min(threads, jobs // _JOBS_OF_PROCESS, memory_bytes // _MEMORY_OF_PROCESS))
    return next(count for count in range(most, 0, -1) if threads % count == 0)


@dataclass
class ProcessWorkerFactory:
    """Starts the worker processes of a run."""

    template: Setup
    """What all of them are told, but for their names and devices."""
    device: str
    processes: int
    """How many compute on each device."""
    devices: list[str] = field(default_factory=list)
    """Devices in the order in which workers get them; the first is what was asked for until it is known."""
    max_workers: dict[Pool, int] = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _started: int = 0

    def __post_init__(self) -> None:
        self.devices = [self.device] * self.processes
        self.max_workers = {"io": cores(), "device": self.processes, "cpu": max(1, cores() // _CPU_STEP_THREADS)}

    def __call__(self, pool: Pool, inbox: Inbox) -> Worker:
        """Start a worker of a pool."""
        number = next(self._numbers)
        setup = replace(self.template, name=f"{pool}-{number}", device=self._device(pool), threads=self._threads(pool))
        return ProcessWorker(setup, pool, inbox)

    def _device(self, pool: Pool) -> str | None:
        if pool == "io":
            return None
        if pool == "cpu":
            return CPU
        self._started += 1
        return self.devices[(self._started - 1) % len(self.devices)]

    def _threads(self, pool: Pool) -> int:
        if pool == "io":
            return 1
        if pool == "cpu":
            return min(cores(), _CPU_STEP_THREADS)
        return max(1, cores() // self.processes) if self.device == CPU else _GPU_THREADS

    def started(self, pool: Pool, ready: Ready) -> None:
        """Take note of the devices that there are."""
        if pool == "device" and len(ready.devices) > 1 and self.max_workers["device"] == self.processes:
            others = [device for device in ready.devices for _ in range(self.processes)]
            self.devices = others
            self.max_workers["device"] = len(others)

    def limits(self) -> InFlightLimits:
        """Return how much may be under way at once."""
        return InFlightLimits(
            2 * (self.max_workers["device"] + 1) + self.max_workers["io"], memory() * 4 // 5, memory() // 4
        )


@dataclass
class InlineWorkerFactory:
    """Makes workers that are this very process."""

    template: Setup
    device: str
    hooks: Hooks
    emit: Callable[[Event], None]

    def __post_init__(self) -> None:
        self.max_workers: dict[Pool, int] = {"io": 1, "device": 1, "cpu": 1}
        self.device = resolve_device(self.device)

    def __call__(self, pool: Pool, inbox: Inbox) -> Worker:
        """Make a worker that is this very process."""
        setup = replace(self.template, name=f"inline-{pool}", device=self.device)
        return InlineWorker(StageContext(setup, self.device, self.hooks, self.emit), pool, inbox)

    def started(self, pool: Pool, ready: Ready) -> None:
        """Do nothing: there is one device."""

    def limits(self) -> InFlightLimits:
        """Return that one job is done after the other."""
        return InFlightLimits(1, memory(), memory())
