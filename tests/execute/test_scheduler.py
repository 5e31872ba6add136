"""The scheduler alone: real jobs and a real store, but workers that reply what a test tells them to. Nothing waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from execute.conftest import write_project

from assetforge.build import Build
from assetforge.errors import PluginError, Problem
from assetforge.events import AttemptFailed, Event, StepStarted
from assetforge.execute.messages import Damaged, Done, EventReported, Failed, Ready, Reply, Wake, WorkerExited
from assetforge.execute.scheduler import MAX_FAILED_STARTS, JobResult, Scheduler
from assetforge.execute.stages import Compute, Encode, Pool, Publish, Read, Stage
from assetforge.execute.worker_pool import InFlightLimits, WorkerPool
from assetforge.execute.worker_process import Inbox
from assetforge.plan.jobs import Job
from assetforge.store.results import Store
from assetforge.store.state import Published

GIB = 2**30


@dataclass(eq=False)
class FakeWorker:
    """A worker without a process."""

    name: str
    pool: Pool
    ready: bool
    limit: float = float("inf")
    deadline: float = float("inf")
    stops: int = 0
    killed: bool = False

    def submit(self, stage: Stage) -> None:
        assert stage.pool == self.pool

    def log(self) -> str:
        return f"printed by {self.name}\n"

    def exit_reason(self) -> str:
        return "its process was ended by a test"

    def stop(self) -> None:
        self.stops += 1

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None: ...
    def wait(self) -> None: ...


@dataclass
class FakeFactory:
    max_workers: dict[Pool, int]
    ready: bool = True
    made: int = 0

    def __call__(self, pool: Pool, _: Inbox) -> FakeWorker:
        self.made += 1
        return FakeWorker(f"{pool}-{self.made}", pool, self.ready)

    def started(self, pool: Pool, ready: Ready) -> None: ...


@dataclass
class MemoryLog:
    """Attempts, noted nowhere but here."""

    failures: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)

    def begin(self, job: Job) -> int | None:
        return None if job.asset in self.refused else self.failures[job.asset]

    def failed(self, job: Job, _: Problem) -> None:
        self.failures[job.asset] += 1

    def is_current(self, job: Job) -> bool:
        return job.asset not in self.stale


class Bench:
    """A scheduler whose workers reply at the word of a test."""

    def __init__(self, folder: Path, jobs: Iterable[Job], *, ready: bool = True, limits: InFlightLimits | None = None):
        self.events: list[Event] = []
        self.results: dict[str, JobResult] = {}
        self.log = MemoryLog()
        self.store = Store(folder / "results")
        self.pool = WorkerPool(FakeFactory({"io": 2, "device": 2, "cpu": 1}, ready))
        self.scheduler = Scheduler(
            self.pool, self.store, folder / "scratch", self.log, self.events.append,
            attempts=3, limits=limits or InFlightLimits(8, 10 * GIB, GIB), device="cuda:0",
        )  # fmt: skip
        self.scheduler.waiting.add(list(jobs))

    def dispatch(self) -> dict[str, Stage]:
        """Hand out all that can be handed out, and return the stages that run now, by asset, oldest first."""
        before = -1
        while before != len(self.pool.busy):  # a pool grows by one reader at a time
            before = len(self.pool.busy)
            self._keep(self.scheduler.dispatch())
        return {stage.asset: stage for stage in self.pool.busy.values()}

    def reply(self, asset: str, reply: Reply) -> None:
        """Let the worker that is busy with an asset reply."""
        [worker] = [worker for worker, stage in self.pool.busy.items() if stage.asset == asset]
        self.pool.inbox.put((worker, reply))
        self.listen()

    def listen(self) -> None:
        self._keep(self.scheduler.listen(0))

    def _keep(self, results: Iterable[JobResult]) -> None:
        self.results |= {result.attempt.job.asset: result for result in results}

    def run(self) -> None:
        """Let every stage be done, the one that was handed out last first."""
        while running := self.dispatch():
            asset, stage = list(running.items())[-1]
            self.reply(asset, done(stage))

    def until(self, asset: str, kind: type[Stage]) -> Stage:
        """Let stages of an asset be done until one of this kind runs."""
        while not isinstance(stage := self.dispatch()[asset], kind):
            self.reply(asset, done(stage))
        return stage


def done(stage: Stage) -> Done:
    names = [output.name for output in stage.outputs] if isinstance(stage, Publish) else []
    return Done(published=tuple(Published(name, "", "", (0, 0, 0)) for name in names))


def plan(folder: Path, resources: str = "{}") -> tuple[Job, ...]:
    project = write_project(folder / "project", assets=4)
    file = project / "pipeline.yaml"
    file.write_text(file.read_text().replace("{use: work}", f"{{use: work, resources: {resources}}}"))
    with Build(file) as build:
        return build.plan().jobs


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, ...]:
    """Four jobs of one step, `a00` to `a03`."""
    return plan(tmp_path_factory.mktemp("planned"))


def test_replies_out_of_order_end_each_job_with_its_own_outputs(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs)
    bench.run()
    assert list(bench.results) != [job.asset for job in jobs]
    for job in jobs:
        result = bench.results[job.asset]
        assert result.problem is None
        assert [one.name for one in result.attempt.published] == list(job.files)
    assert not bench.pool.busy
    assert not bench.scheduler.active


def test_a_job_is_read_computed_encoded_and_published_in_this_order(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:1])
    kinds = []
    while running := bench.dispatch():
        kinds.append(type(running["a00"]))
        bench.reply("a00", done(running["a00"]))
    assert kinds == [Read, Compute, Encode, Publish]


def test_a_worker_that_dies_costs_one_attempt_of_its_own_job(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:2])
    bench.until("a00", Compute)
    bench.until("a01", Compute)
    workers = list(bench.pool.workers)
    bench.reply("a00", WorkerExited())
    [lost] = set(workers) - set(bench.pool.workers)
    assert lost.pool == "device"
    bench.run()
    assert {result.problem for result in bench.results.values()} == {None}
    assert bench.log.failures == {"a00": 1}
    [failed] = [event for event in bench.events if isinstance(event, AttemptFailed)]
    assert failed == AttemptFailed("a00", "step '': its process was ended by a test")
    assert lost not in bench.pool.workers


def test_a_job_is_quarantined_after_three_attempts(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:2])
    for _ in range(3):
        assert "a00" not in bench.results
        stage = bench.until("a00", Compute)
        assert isinstance(stage, Compute)
        bench.reply("a00", EventReported(StepStarted("a00", "work", 60)))
        bench.reply("a00", WorkerExited())
    bench.run()
    assert bench.results["a00"].quarantine
    assert str(bench.results["a00"].problem) == "step 'work': its process was ended by a test"
    assert bench.results["a00"].attempt.failures == bench.log.failures["a00"] == 3
    assert bench.results["a00"].attempt.log.count("printed by device") == 3
    assert bench.results["a01"].problem is None


def test_what_would_fail_again_is_not_tried_again(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:2])
    bench.until("a00", Compute)
    bench.reply("a00", Failed(Problem("step 'work'", "is wrong"), retry=False, quarantine=True))
    assert bench.results["a00"].quarantine
    assert bench.log.failures["a00"] == 1


@pytest.mark.parametrize(("memory", "together"), [("4 GiB", 2), ("6 GiB", 1), ("40 GiB", 1)])
def test_large_steps_run_one_after_the_other(memory: str, together: int, tmp_path: Path) -> None:
    bench = Bench(tmp_path, plan(tmp_path, resources=f"{{memory: {memory}}}"))
    most = 0
    while running := bench.dispatch():
        computing = [asset for asset, stage in running.items() if isinstance(stage, Compute)]
        most = max(most, len(computing))
        # Steps are done last, so that as many as may be are under way together.
        asset = next((asset for asset in running if asset not in computing), next(iter(running)))
        bench.reply(asset, done(running[asset]))
    assert most == together
    assert len(bench.results) == 4


def test_no_more_jobs_are_under_way_than_the_limit_says(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs, limits=InFlightLimits(1, GIB, GIB))
    assert list(bench.dispatch()) == ["a00"]
    assert len(bench.scheduler.waiting) == 3
    bench.run()
    assert list(bench.results) == ["a00", "a01", "a02", "a03"]


def test_reading_stops_while_too_much_waits_between_stages(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:1], limits=InFlightLimits(8, GIB, 100))
    bench.until("a00", Read)
    bench.reply("a00", Done(scratch_bytes=100))
    bench.until("a00", Compute)
    bench.scheduler.waiting.add([jobs[1]])
    assert list(bench.dispatch()) == ["a00"]
    bench.reply("a00", Done(scratch_bytes=99))
    assert list(bench.dispatch()) == ["a00", "a01"]


def test_urgent_jobs_come_first(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    first, second = jobs[:2]
    bench = Bench(tmp_path, [first], limits=InFlightLimits(1, GIB, GIB))
    bench.scheduler.waiting.add([second], urgent=True)
    bench.run()
    assert list(bench.results) == [second.asset, first.asset]


def test_a_job_that_another_run_does_is_left_alone(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:2])
    bench.log.refused.add("a00")
    bench.run()
    assert list(bench.results) == ["a01"]


def test_sources_that_were_changed_meanwhile_are_not_published_and_nobody_is_blamed(
    jobs: tuple[Job, ...], tmp_path: Path
) -> None:
    bench = Bench(tmp_path, jobs[:2])
    bench.log.stale.add("a00")
    bench.run()
    assert bench.results["a00"].stale
    assert not bench.results["a00"].quarantine
    assert not bench.log.failures
    assert bench.results["a01"].problem is None


def test_a_damaged_result_is_made_again_once(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:1])
    entry = bench.store.put("key", ".bin", lambda path: path.write_bytes(b"x") and None, lambda _: None)
    bench.until("a00", Publish)
    bench.reply("a00", Damaged(entry))
    assert bench.store.find("key", ".bin") is None
    assert isinstance(bench.dispatch()["a00"], Read)
    bench.until("a00", Publish)
    bench.reply("a00", Damaged(entry))
    assert "was again after it was made anew" in str(bench.results["a00"].problem)
    assert not bench.log.failures


def test_a_worker_that_takes_too_long_is_stopped_and_its_job_told_why(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:1])
    for _ in range(3):
        bench.until("a00", Compute)
        bench.reply("a00", EventReported(StepStarted("a00", "work", 60)))
        [worker] = bench.pool.busy
        assert worker.limit == 60
        worker.deadline = 0.0
        for _ in range(3):
            bench.listen()
        assert worker.stops == 1
        bench.reply("a00", WorkerExited())
    problem = str(bench.results["a00"].problem)
    assert problem.startswith("step 'work': took longer than its time limit of 60 s, and was stopped")


@pytest.mark.parametrize("why", ["canceled", "too slow"])
def test_a_worker_that_replies_while_it_is_being_ended_gets_no_other_stage(
    why: str, jobs: tuple[Job, ...], tmp_path: Path
) -> None:
    bench = Bench(tmp_path, jobs[:1])
    stage = bench.until("a00", Compute)
    [worker] = bench.pool.busy
    if why == "canceled":
        assert list(bench.scheduler.cancel("a00", Problem("", "canceled"))) == []
    else:
        worker.deadline = 0.0
        bench.listen()
    assert (worker.killed, worker.stops) == ((True, 0) if why == "canceled" else (False, 1))
    bench.reply("a00", done(stage))
    bench.scheduler.waiting.add(jobs[1:2])
    bench.until("a01", Compute)
    assert worker not in bench.pool.busy
    bench.pool.inbox.put((worker, WorkerExited()))
    bench.listen()
    bench.run()
    assert bench.results["a01"].problem is None
    assert not bench.log.failures


def test_a_step_that_reports_its_start_again_and_again_gets_no_more_time(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:1])
    bench.until("a00", Compute)
    [worker] = bench.pool.busy
    worker.deadline = 0.0
    bench.reply("a00", EventReported(StepStarted("a00", "work", 1e9)))
    planned = worker.deadline
    assert 0 < planned - time.monotonic() <= 60  # what the plan says, and not what the worker says
    for _ in range(3):
        bench.reply("a00", EventReported(StepStarted("a00", "another", 1e9)))
    assert worker.deadline == planned
    assert bench.scheduler.active["a00"].step == "work"


def test_every_task_of_a_stage_gets_its_own_time(job: Job, tmp_path: Path) -> None:
    bench = Bench(tmp_path, [job])
    bench.scheduler.device = "cpu"  # so that all three tasks are one stage
    stage = bench.until(job.asset, Compute)
    assert isinstance(stage, Compute)
    [worker] = bench.pool.busy
    limits = []
    for task in stage.tasks:
        bench.reply(job.asset, EventReported(StepStarted(job.asset, task.use.step.name, 0)))
        limits.append(worker.limit)
    assert limits == [60, 60, 3600]


def test_workers_that_cannot_start_end_the_run(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:1], ready=False)
    for _ in range(MAX_FAILED_STARTS - 1):
        assert bench.dispatch() == {}
        bench.pool.inbox.put((bench.pool.workers[0], WorkerExited()))
        bench.listen()
    bench.dispatch()
    bench.pool.inbox.put((bench.pool.workers[0], WorkerExited()))
    with pytest.raises(PluginError, match="cannot start: its process was ended by a test"):
        bench.listen()


def test_a_wake_ends_the_wait_and_nothing_else(jobs: tuple[Job, ...], tmp_path: Path) -> None:
    bench = Bench(tmp_path, jobs[:1])
    running = bench.dispatch()
    bench.pool.inbox.put(Wake())
    assert list(bench.scheduler.listen(1e6)) == []
    assert bench.dispatch() == running


def test_at_the_end_only_those_that_read_and_write_are_waited_for(tmp_path: Path, job: Job) -> None:
    bench = Bench(tmp_path, [job])
    assert isinstance(bench.dispatch()[job.asset], Read)
    for pool in ("io", "device"):
        bench.pool.spawn(pool)
    workers, busy = list(bench.pool.workers), list(bench.pool.busy)
    bench.pool.shutdown()
    assert [worker for worker in workers if not worker.killed] == busy  # and none that is idle, or still loads torch
