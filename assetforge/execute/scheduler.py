"""Decides which stage runs when and where, and what becomes of jobs whose stages fail.

Every process runs one stage at a time, so that it is always plain whose stage it was that ended it. Reading, computing,
encoding and publishing of different jobs overlap; how many are under way at once is bounded, and so is what they take.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Protocol

from assetforge.errors import AssetForgeError, ChangedError, PluginError, Problem
from assetforge.events import AttemptFailed, Event, StepStarted, StillWorking
from assetforge.execute.job_queue import JobQueue
from assetforge.execute.messages import Damaged, Done, EventReported, Failed, Ready, Reply, Wake, WorkerExited, failure
from assetforge.execute.stages import Compute, Encode, Pool, Publish, Read, Stage, split_job, time_limit
from assetforge.execute.worker_pool import InFlightLimits, WorkerPool
from assetforge.execute.worker_process import Worker
from assetforge.plan.jobs import Job
from assetforge.store.results import Entry, Store
from assetforge.store.state import Published

MAX_FAILED_STARTS = 3
"""Processes in a row that may die before they have started."""
MAX_LOGGED = 2**18
"""Characters that are kept of what a job prints, the last ones."""
REPORT_INTERVAL = 60.0
"""Seconds between signs of life of a stage that takes long."""


@dataclass
class Attempt:
    """A job under way: the stages that are left of it, and how often it has failed."""

    job: Job
    scratch: Path
    stages: deque[Stage] = field(default_factory=deque)
    failures: int = 0
    since: float = 0.0
    """When the present stage was begun, on a steady clock."""
    last_report: float = 0.0
    """When something was last told of it."""
    seconds: float = 0.0
    """How long its stages have taken so far, all attempts together; not how long it waited between them."""
    log: str = ""
    """What was printed so far."""
    damaged: list[Entry] = field(default_factory=list)
    """Results in the store that were not what had been put there."""
    step: str = ""
    """The step that is running."""
    tasks_begun: int = 0
    """How many tasks of the present stage have begun."""
    scratch_bytes: int = 0
    published: tuple[Published, ...] = ()
    canceled: Problem | None = None
    """Why it is being ended before its time, if it is."""


@dataclass(frozen=True)
class JobResult:
    """How a job ended."""

    attempt: Attempt
    problem: Problem | None = None
    quarantine: bool = False
    stale: bool = False
    """Whether it was planned with something that is not so any more."""
    picture: bytes = b""
    """A PNG that shows what is wrong, where the step drew one."""


class AttemptLog(Protocol):
    """Where attempts are noted; tells which jobs are to be done at all."""

    def begin(self, job: Job) -> int | None:
        """Note that an attempt begins; return how many failed before, or None where the job is not to be done."""

    def failed(self, job: Job, problem: Problem) -> None:
        """Note that an attempt failed."""

    def is_current(self, job: Job) -> bool:
        """Tell whether the job's sources are still those that it was planned with."""


@dataclass
class Scheduler:
    """Jobs on their way through the workers."""

    pool: WorkerPool
    store: Store
    scratch: Path
    log: AttemptLog
    emit: Callable[[Event], None]
    attempts: int
    """How often a job may fail."""
    limits: InFlightLimits
    device: str
    force: bool = False
    anew: set[str] = field(default_factory=set)
    """Assets that are to be made anew though the store may have them."""
    paused: bool = False
    """Whether no job is begun; those under way go on."""
    waiting: JobQueue = field(default_factory=JobQueue)
    active: dict[str, Attempt] = field(default_factory=dict)
    _ready: dict[Pool, deque[Attempt]] = field(
        default_factory=lambda: {"io": deque(), "device": deque(), "cpu": deque()}
    )
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _failed_starts: int = 0
    _stopped: set[Worker] = field(default_factory=set)
    """Workers that were ended because they took too long."""

    @property
    def _busy(self) -> Iterator[tuple[Worker, Attempt]]:
        return ((worker, self.active[stage.asset]) for worker, stage in self.pool.busy.items())

    def dispatch(self) -> Iterator[JobResult]:
        """Begin as many jobs as may be under way at once, and give all idle workers something to do."""
        while not self.paused and self.waiting and len(self.active) < self.limits.jobs:
            self._begin(self.waiting.take())
        self._tell_of_slow(time.monotonic())
        yield from self._dispatch()

    def listen(self, patience: float) -> Iterator[JobResult]:
        """Take in one reply, and yield the job that it ends; wait no longer than so many seconds."""
        try:
            message = self.pool.inbox.get(timeout=max(0.0, min(patience, self.pool.seconds_to_deadline())))
        except Empty:
            for worker in self.pool.overdue():
                self._stopped.add(worker)
                worker.deadline = float("inf")  # one that hangs in the system ends when that lets it, and not sooner
                worker.stop()
            return
        if isinstance(message, Wake):
            return
        worker, reply = message
        match reply:
            case Ready():
                self._failed_starts = 0
                self.pool.started(worker, reply)
            case EventReported(event):
                self._reported(worker, event)
            case WorkerExited():
                yield from self._exited(worker)
            case _:
                yield from self._replied(worker, reply)

    def _begin(self, job: Job) -> None:
        failures = self.log.begin(job)
        if failures is not None:
            attempt = Attempt(job, self.scratch / str(next(self._numbers)), failures=failures)
            self.active[job.asset] = attempt
            self._split(attempt)

    def cancel(self, asset: str, why: Problem) -> Iterator[JobResult]:
        """End the attempt at an asset's job, as a failure for this reason that counts as no failed attempt.

        What is being published is finished; nothing is done where no attempt is under way.
        """
        attempt = self.active.get(asset)
        if attempt is None or isinstance(attempt.stages[0], Publish):
            return
        worker = next((one for one, stage in self.pool.busy.items() if stage.asset == asset), None)
        if worker is None:
            self._ready[attempt.stages[0].pool].remove(attempt)
            yield self._end(attempt, Failed(why, quarantine=True))
        else:
            attempt.canceled = why
            worker.kill()  # it ends the attempt when its end is heard of

    def _split(self, attempt: Attempt) -> None:
        anew = self.force or attempt.job.asset in self.anew
        stages = split_job(attempt.job, attempt.scratch, self._find(attempt), self.device, replace=anew)
        attempt.stages = deque(stages)
        self._queue(attempt)

    def _find(self, attempt: Attempt) -> Callable[[str, str], Entry | None]:
        """Return how an attempt looks for results: not at all where all is to be made anew, and not for bad ones."""

        def find(key: str, suffix: str) -> Entry | None:
            anew = self.force or attempt.job.asset in self.anew
            entry = None if anew and not attempt.failures else self.store.find(key, suffix)
            return None if entry is None or entry in attempt.damaged else entry

        return find

    def _queue(self, attempt: Attempt) -> None:
        stage = attempt.stages[0]
        queue = self._ready[stage.pool]
        # What is almost done goes first: it frees disk space.
        queue.appendleft(attempt) if isinstance(stage, Encode | Publish) else queue.append(attempt)

    # Handing out stages

    def _dispatch(self) -> Iterator[JobResult]:
        for pool in self._ready:
            self._spawn(pool)
            while self._ready[pool] and (worker := self.pool.idle(pool)):
                attempt = self._next(pool)
                if attempt is None:
                    break
                try:
                    self._submit(worker, attempt)
                except AssetForgeError as error:
                    yield from self._failed(attempt, failure(error))

    def _spawn(self, pool: Pool) -> None:
        """Start as many workers as have work now or will have it soon."""
        wanted = sum(any(stage.pool == pool for stage in attempt.stages) for attempt in self.active.values())
        if pool == "io":
            wanted = self._io_wanted()
        while len(self.pool.workers_in(pool)) < min(wanted, self.pool.max_workers(pool)):
            self.pool.spawn(pool)

    def _io_wanted(self) -> int:
        """Return how many should read and write: one more than there are only where all else waits for them."""
        there = self.pool.workers_in("io")
        all_busy = all(worker in self.pool.busy for worker in there)
        short = bool(self._ready["io"]) and all_busy and not (there and self._computes())
        return len(there) + short

    def _computes(self) -> bool:
        return any(isinstance(stage, Compute) for stage in self.pool.busy.values())

    def _next(self, pool: Pool) -> Attempt | None:
        """Take the next attempt whose stage fits in; the first always does where nothing else is under way."""
        queue = self._ready[pool]
        for attempt in queue:
            if not self.pool.busy or self._fits(attempt.stages[0]):
                queue.remove(attempt)
                return attempt
        return None

    def _fits(self, stage: Stage) -> bool:
        if isinstance(stage, Read):
            return sum(attempt.scratch_bytes for attempt in self.active.values()) < self.limits.scratch
        if isinstance(stage, Compute):
            taken = sum(other.memory for other in self.pool.busy.values() if isinstance(other, Compute))
            return not taken or taken + stage.memory <= self.limits.memory
        return True

    def _submit(self, worker: Worker, attempt: Attempt) -> None:
        stage = attempt.stages[0]
        if isinstance(stage, Publish) and not self.log.is_current(attempt.job):
            raise ChangedError(attempt.job.asset, "its sources were changed while it was built", "run again")
        attempt.step, attempt.tasks_begun = "", 0
        attempt.since = attempt.last_report = time.monotonic()
        self.pool.submit(worker, stage, time_limit(stage))

    def _tell_of_slow(self, now: float) -> None:
        """Tell now and then of stages that take long: without a terminal, nothing else shows that they go on."""
        for worker, attempt in self._busy:
            if now - attempt.last_report >= REPORT_INTERVAL:
                attempt.last_report = now
                step = attempt.step or attempt.stages[0].doing
                self.emit(StillWorking(attempt.job.asset, step, now - attempt.since, worker.limit))

    # Taking in replies

    def _reported(self, worker: Worker, event: Event) -> None:
        stage = self.pool.busy.get(worker)
        if isinstance(event, StepStarted) and isinstance(stage, Compute):
            self._step_started(worker, stage, event.step)
        self.emit(event)

    def _step_started(self, worker: Worker, stage: Compute, step: str) -> None:
        """Give a worker the time of its next task: as many times as there are tasks, however often it reports."""
        attempt = self.active[stage.asset]
        if attempt.tasks_begun < len(stage.tasks):
            attempt.step = step
            self.pool.set_deadline(worker, stage.tasks[attempt.tasks_begun].use.resources.time_limit)
        attempt.tasks_begun += 1

    def _replied(self, worker: Worker, reply: Reply) -> Iterator[JobResult]:
        stage = self.pool.release(worker)
        if stage is None:
            if isinstance(reply, Failed):  # it cannot even start
                raise _startup_error(reply)
            return
        attempt = self._after_stage(stage, worker)
        if attempt.canceled:  # its worker was faster than the signal that ends it
            yield self._end(attempt, Failed(attempt.canceled, quarantine=True))
            return
        match reply:
            case Done(scratch_bytes, published):
                attempt.scratch_bytes, attempt.published = scratch_bytes, published
                attempt.stages.popleft()
                if attempt.stages:
                    self._queue(attempt)
                else:
                    yield self._end(attempt)
            case Damaged(entry):
                yield from self._recompute(attempt, entry)
            case Failed():
                yield from self._failed(attempt, reply)

    def _after_stage(self, stage: Stage, worker: Worker) -> Attempt:
        """Note how long a stage took and what was printed meanwhile."""
        attempt = self.active[stage.asset]
        attempt.seconds += time.monotonic() - attempt.since
        printed = worker.log()
        if printed.strip():
            attempt.log = (attempt.log + printed)[-MAX_LOGGED:]
        if attempt.canceled or worker in self._stopped:  # it would end in the middle of another stage
            self.pool.discard(worker)
        return attempt

    def _recompute(self, attempt: Attempt, entry: Entry) -> Iterator[JobResult]:
        """Make a result again that is not what was put into the store."""
        if entry in attempt.damaged:
            problem = Problem(str(entry.path), "is damaged, and was again after it was made anew", "check the disk")
            yield self._end(attempt, Failed(problem))
            return
        attempt.damaged.append(entry)
        self.store.drop(entry)
        self._split(attempt)

    def _failed(self, attempt: Attempt, failed: Failed) -> Iterator[JobResult]:
        """Note a failure; try again where that may help, after all others that wait."""
        if failed.stale:  # which is nobody's fault
            yield self._end(attempt, failed)
            return
        attempt.failures += 1
        self.log.failed(attempt.job, failed.problem)
        if failed.retry and attempt.failures < self.attempts:
            self.emit(AttemptFailed(attempt.job.asset, str(failed.problem)))
            self.log.begin(attempt.job)
            self._split(attempt)
        else:
            yield self._end(attempt, failed)

    def _exited(self, worker: Worker) -> Iterator[JobResult]:
        stage = self.pool.discard(worker)
        what = worker.exit_reason()
        took_too_long = worker in self._stopped
        self._stopped.discard(worker)
        if stage is None:
            if not worker.ready:
                self._failed_starts += 1
                if self._failed_starts >= MAX_FAILED_STARTS:
                    raise PluginError("worker", f"cannot start: {what}", worker.log().strip()[-2000:])
            return
        attempt = self._after_stage(stage, worker)
        if attempt.canceled:
            yield self._end(attempt, Failed(attempt.canceled, quarantine=True))
            return
        instead = ""
        if took_too_long:
            what = f"took longer than its time limit of {worker.limit:g} s, and was stopped"
            instead = "see its log for where it was, or raise `resources: {time_limit: …}`"
        where = f"step {attempt.step!r}" if isinstance(stage, Compute) else stage.asset
        what = what if isinstance(stage, Compute) else f"while {stage.doing} it, {what}"
        yield from self._failed(attempt, Failed(Problem(where, what, instead), retry=True, quarantine=True))

    def _end(self, attempt: Attempt, failed: Failed | None = None) -> JobResult:
        del self.active[attempt.job.asset]
        self.anew.discard(attempt.job.asset)
        shutil.rmtree(attempt.scratch, ignore_errors=True)
        if failed is None:
            return JobResult(attempt)
        return JobResult(attempt, failed.problem, failed.quarantine, failed.stale, failed.picture)


def _startup_error(failed: Failed) -> AssetForgeError:
    error = AssetForgeError(failed.problem.where, failed.problem.what, failed.problem.instead)
    error.exit_code = failed.exit_code
    return error
