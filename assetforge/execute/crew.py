"""The processes that do stages, as the host sees them."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import assetforge
from assetforge.execute import environment
from assetforge.execute.log import Log
from assetforge.execute.protocol import STACK_SIGNAL, Setup, receive, send, unpack
from assetforge.execute.stages import Gone, Pool, Ready, Reply, Stage
from assetforge.execute.workplace import Workplace, perform

Inbox = queue.SimpleQueue[tuple["Worker | None", Reply]]
"""What workers answer; nobody's reply wakes whoever waits."""
START_LIMIT = 600.0
"""Seconds that a worker may take to start: a slow network drive takes minutes to load torch from."""
_KEPT = 2**30
"""Bytes: a process keeps so much free memory, and larger pieces it gives back."""
_LAST_WORDS = 0.5
"""Seconds for a worker to log where it was before it is ended."""
GRACE = 5.0
"""Seconds that a worker may take to finish a publication when the run is over."""


class Worker(Protocol):
    """One process that does one stage at a time."""

    name: str
    pool: Pool
    ready: bool
    limit: float
    """Seconds that it may take for what it does."""
    deadline: float

    def give(self, stage: Stage) -> None:
        """Let it do a stage; the answer comes through the inbox."""

    def log(self) -> str:
        """Return what was printed during the last stage."""

    def ending(self) -> str:
        """Tell how its process ended."""

    def stop(self) -> None:
        """End it because it takes too long, and let it log where it was."""

    def kill(self) -> None:
        """End it at once, with all that it has started."""

    def dismiss(self) -> None:
        """Tell it that no more will come."""

    def wait(self) -> None:
        """Wait until it has ended."""


class SpawnedWorker:
    """A worker in a process of its own, and in a session of its own: signals to the host's group do not reach it."""

    def __init__(self, setup: Setup, pool: Pool, threads: int, inbox: Inbox) -> None:
        self.name, self.pool, self.ready = setup.name, pool, False
        self.limit = self.deadline = float("inf")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "assetforge.execute.worker"],  # -P: a project may hold a random.py
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment.needed(), **settings(threads), "PYTHONPATH": _with_our_own()},
            start_new_session=True,
        )
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise RuntimeError("pipes were asked for")
        self._commands, self._answers = stdin, stdout
        self._log = Log(os.dup(stderr.fileno()))
        stderr.close()
        with suppress(BrokenPipeError):
            send(self._commands, setup)
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def _listen(self, inbox: Inbox) -> None:
        with suppress(OSError):
            while (packed := receive(self._answers)) is not None:
                inbox.put((self, unpack(packed)))
        self._answers.close()
        inbox.put((self, Gone()))

    def give(self, stage: Stage) -> None:
        """Let it do a stage; the answer comes through the inbox."""
        with suppress(BrokenPipeError):  # then `Gone` is on its way
            send(self._commands, stage)

    def log(self) -> str:
        """Return what was printed during the last stage."""
        return self._log.take()

    def ending(self) -> str:
        """Tell how its process ended."""
        self._kill_group()
        code = self._process.wait()
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        memory = "; the system does that when memory runs out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{memory}"

    def stop(self) -> None:
        """End it because it takes too long, and let it log where it was."""
        if os.name == "posix":
            with suppress(ProcessLookupError):
                self._process.send_signal(STACK_SIGNAL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS)
        self._kill_group()

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def dismiss(self) -> None:
        """Tell it that no more will come."""
        with suppress(OSError):
            self._commands.close()

    def wait(self) -> None:
        """Wait until it has ended, but not for ever."""
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._kill_group()
            self._process.wait()


class InlineWorker:
    """No process at all: stages are done where they are given. A debugger reaches them, and a crash ends the run."""

    def __init__(self, workplace: Workplace, pool: Pool, inbox: Inbox) -> None:
        self.name, self.pool, self.ready = workplace.name, pool, True
        self.limit = self.deadline = float("inf")
        self._workplace, self._inbox = workplace, inbox

    def give(self, stage: Stage) -> None:
        """Do a stage; the answer comes through the inbox."""
        from assetforge.execute.worker import guarded

        self._inbox.put((self, guarded(lambda: perform(stage, self._workplace))))

    def log(self) -> str:
        """Return nothing: what is printed goes straight to the terminal."""
        return ""

    def ending(self) -> str:
        """Tell that it cannot end."""
        return ""

    def stop(self) -> None:
        """Do nothing."""

    def kill(self) -> None:
        """Do nothing."""

    def dismiss(self) -> None:
        """Do nothing."""

    def wait(self) -> None:
        """Do nothing."""


def settings(threads: int) -> Mapping[str, str]:
    """Return the environment that keeps a process to its share of the cores.

    Threads that wait must not spin on cores that others could use. And glibc would give the memory of every large
    tensor back to the system, only to ask for it again, page by page, which takes a third of the time of a network.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    memory = {"MALLOC_MMAP_THRESHOLD_": str(_KEPT), "MALLOC_TRIM_THRESHOLD_": str(_KEPT)}
    return {**dict.fromkeys(names, str(threads)), "OMP_WAIT_POLICY": "PASSIVE", **memory}


def _with_our_own() -> str:
    """Return the search path of modules that finds this very AssetForge, installed or not."""
    root = str(Path(assetforge.__file__).parents[1])
    return os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])


@dataclass(frozen=True)
class Bounds:
    """How much may be under way at once."""

    jobs: int
    memory: int
    """Bytes of memory for steps that say how much they need."""
    scratch: int
    """Bytes that wait between stages."""


class Hire(Protocol):
    """Whoever starts workers."""

    @property
    def most(self) -> Mapping[Pool, int]:
        """How many of each pool there may be."""

    def __call__(self, pool: Pool, inbox: Inbox) -> Worker:
        """Start a worker."""

    def started(self, pool: Pool, ready: Ready) -> None:
        """Take note of what a worker told when it had started."""


@dataclass
class Crew:
    """All workers of a run, hired as they are needed."""

    hire: Hire
    inbox: Inbox = field(default_factory=queue.SimpleQueue)
    busy: dict[Worker, Stage] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    def of(self, pool: Pool) -> list[Worker]:
        """Return the workers of a pool."""
        return [worker for worker in self.workers if worker.pool == pool]

    def idle(self, pool: Pool) -> Worker | None:
        """Return a worker that could begin at once."""
        return next((one for one in self.of(pool) if one.ready and one not in self.busy), None)

    def grow(self, pool: Pool) -> None:
        """Hire one more."""
        worker = self.hire(pool, self.inbox)
        self.workers.append(worker)
        if not worker.ready:
            self.allow(worker, START_LIMIT)

    def most(self, pool: Pool) -> int:
        """Return how many of a pool there may be."""
        return self.hire.most[pool]

    def started(self, worker: Worker, ready: Ready) -> None:
        """Take note of what a worker told when it had started."""
        worker.ready, worker.deadline = True, float("inf")
        worker.log()  # what plugins print when they are loaded is no asset's
        self.hire.started(worker.pool, ready)

    def give(self, worker: Worker, stage: Stage, time_limit: float) -> None:
        """Let an idle worker do a stage."""
        worker.give(stage)
        self.busy[worker] = stage
        self.allow(worker, time_limit)

    def allow(self, worker: Worker, seconds: float) -> None:
        """Let a worker go on for so long from now."""
        worker.limit, worker.deadline = seconds, time.monotonic() + seconds

    def take_back(self, worker: Worker) -> Stage | None:
        """Note that a worker is idle again; return what it was busy with."""
        worker.deadline = float("inf")
        return self.busy.pop(worker, None)

    def lose(self, worker: Worker) -> Stage | None:
        """Note that a worker's process has ended; return what it was busy with."""
        if worker in self.workers:
            self.workers.remove(worker)
        return self.take_back(worker)

    def overdue(self) -> Sequence[Worker]:
        """Return the workers that have taken too long."""
        now = time.monotonic()
        return [worker for worker in self.workers if worker.deadline < now]

    def next_deadline(self) -> float:
        """Return the seconds until a worker has taken too long."""
        return min((worker.deadline for worker in self.workers), default=float("inf")) - time.monotonic()

    def disband(self) -> None:
        """Let all go. Those that compute are ended at once; those that are publishing finish that first."""
        for worker in self.workers:
            if worker.pool != "codec" and worker in self.busy:
                worker.kill()
            worker.dismiss()
        for worker in self.workers:
            worker.wait()
        self.workers.clear()
        self.busy.clear()
