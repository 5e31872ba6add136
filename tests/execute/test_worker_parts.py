"""The parts of a worker that need no process: its log, its environment, what it reports, and how it guards its work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetforge.errors import SourceError, StepError, StoreError
from assetforge.events import Event, StepProgress, StepStarted
from assetforge.execute import environment, worker_process
from assetforge.execute.messages import STAGE_END, Damaged, Done, Failed
from assetforge.execute.stages import Pool, Publish, Stage
from assetforge.execute.worker_main import guarded, without_excess_progress
from assetforge.execute.worker_pool import WorkerPool
from assetforge.execute.worker_process import WorkerLog
from assetforge.plan.jobs import Job
from assetforge.store.results import DamagedError, Entry

HALF = worker_process._LOG_HALF


@contextmanager
def log() -> Iterator[tuple[WorkerLog, int]]:
    """A log, and the end of the pipe that a worker prints into."""
    reader, writer = os.pipe()
    try:
        yield WorkerLog(reader), writer
    finally:
        os.close(writer)


@given(st.lists(st.binary(max_size=50), max_size=5))
@settings(max_examples=20)
def test_what_is_printed_in_a_stage_is_that_stage_s(stages: list[bytes]) -> None:
    with log() as (kept, pipe):
        for printed in stages:
            os.write(pipe, printed + STAGE_END)
            assert kept.take() == printed.decode(errors="replace")


def test_of_very_much_the_beginning_and_the_end_are_kept() -> None:
    printed = b"first" + bytes(5 * HALF) + b"last"
    with log() as (kept, pipe):
        for begin in range(0, len(printed), 4096):
            os.write(pipe, printed[begin : begin + 4096])
        os.write(pipe, STAGE_END)
        text = kept.take()
    assert text.startswith("first")
    assert text.endswith("last")
    assert len(text) < 4 * HALF
    left_out = int(text.partition("\n… ")[2].partition(" ")[0])
    assert text.count("\0") + left_out + len("firstlast") + len(STAGE_END) >= len(printed)


def test_a_log_without_an_end_is_waited_for_but_not_for_ever() -> None:
    with log() as (kept, pipe):
        os.write(pipe, b"half of it")
        began = time.monotonic()
        while not (text := kept.take(0.05)):
            assert time.monotonic() < began + 60
        assert text == "half of it"


def test_the_log_of_a_worker_that_has_ended_is_complete() -> None:
    with log() as (kept, pipe):
        os.write(pipe, b"last words")
    assert kept.take(60) == "last words"


def test_workers_get_what_they_need_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    passed = {"PATH": "/bin", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0", "Http_Fancy": "x", "lang": "C"}
    kept = {"GITHUB_TOKEN": "secret", "AWS_SECRET_ACCESS_KEY": "secret", "CI_JOB_TOKEN": "secret"}
    for name, value in {**passed, **kept, environment.VARIABLE: "HTTP_FANCY, unknown"}.items():
        monkeypatch.setenv(name, value)
    assert environment.needed().keys() == passed.keys() | {environment.VARIABLE}


@given(st.lists(st.floats(0, 1), min_size=1))
def test_of_progress_no_more_is_told_than_anybody_sees(fractions: list[float]) -> None:
    told: list[Event] = []
    emit = without_excess_progress(told.append)
    for fraction in fractions:
        emit(StepProgress("brick", "dim", fraction))
    shown = [event.fraction for event in told if isinstance(event, StepProgress)]
    assert all(not 0 <= after - before < 0.01 for before, after in zip([0.0, *shown], shown, strict=False))
    last = shown[-1] if shown else 0.0
    assert abs(fractions[-1] - last) < 0.01 or fractions[-1] == last
    emit(StepStarted("brick", "dim", 60))
    assert told[-1] == StepStarted("brick", "dim", 60)


ENTRY = Entry(Path("results/a.png"), 1, "")


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (DamagedError(ENTRY), Damaged(ENTRY)),
        (SourceError("a.png", "is cut off"), "a.png: is cut off, quarantine"),
        (StepError("step 'dim'", "no luck"), "step 'dim': no luck, retry, quarantine"),
        (StepError("step 'dim'", "no luck", retry=False), "step 'dim': no luck, quarantine"),
        (StoreError("state", "is full"), "state: is full"),
        (ZeroDivisionError("no number"), "ZeroDivisionError: no number, retry, quarantine"),
        (SystemExit(3), "SystemExit: 3, retry, quarantine"),
    ],
    ids=str,
)
def test_whatever_a_stage_raises_becomes_a_reply(error: BaseException, reply: object) -> None:
    def work() -> Done:
        raise error

    got = guarded(work)
    if isinstance(got, Failed):
        words = [word for word in ("retry", "quarantine") if getattr(got, word)]
        assert ", ".join([str(got.problem), *words]) == reply
    else:
        assert got == reply


def test_an_interrupt_is_no_reply() -> None:
    def work() -> Done:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(work)


class Still:
    """A worker that takes note of what is done with it."""

    limit = deadline = float("inf")

    def __init__(self, pool: Pool, told: list[str], *, ready: bool = True) -> None:
        self.name, self.pool, self.ready, self._told = f"{pool}-{id(self)}", pool, ready, told

    def submit(self, _: Stage) -> None:
        self._told.append(f"submit {self.pool}")

    def log(self) -> str:
        return ""

    def exit_reason(self) -> str:
        return ""

    def stop(self) -> None:
        self._told.append(f"stop {self.pool}")

    def kill(self) -> None:
        self._told.append(f"kill {self.pool}")

    def close(self) -> None:
        self._told.append(f"close {self.pool}")

    def wait(self) -> None:
        self._told.append(f"wait {self.pool}")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def pool(told: list[str]) -> WorkerPool:
    class Factory:
        max_workers: Mapping[Pool, int] = MappingProxyType({"io": 2, "device": 1, "cpu": 0})

        def __call__(self, pool: Pool, _: object) -> Still:
            return Still(pool, told, ready=pool != "cpu")

        def started(self, pool: Pool, ready: object) -> None: ...

    return WorkerPool(Factory())


def publish(job: Job) -> Publish:
    return Publish(job.asset, job.outputs, {})


def test_all_but_who_publishes_are_ended_at_once(pool: WorkerPool, told: list[str], job: Job) -> None:
    for kind in ("io", "io", "device"):
        pool.spawn(kind)  # type: ignore[arg-type]
    busy, _, device = pool.workers
    pool.submit(busy, publish(job), 60)
    pool.submit(device, publish(job), 60)
    told.clear()
    pool.shutdown()
    ended = ["kill io", "close io", "kill device", "close device"]
    assert told == ["close io", *ended, "wait io", "wait io", "wait device"]
    assert not pool.workers
    assert not pool.busy


def test_a_worker_is_idle_when_it_is_ready_and_has_nothing_to_do(pool: WorkerPool, job: Job) -> None:
    assert pool.idle("io") is None
    for kind in ("io", "cpu"):
        pool.spawn(kind)  # type: ignore[arg-type]
    [io, _] = pool.workers
    assert pool.idle("io") is io
    assert pool.idle("cpu") is None  # it has not started yet
    pool.submit(io, publish(job), 60)
    assert pool.idle("io") is None
    assert pool.release(io) == publish(job)
    assert pool.release(io) is None
    assert pool.idle("io") is io


def test_who_takes_too_long_is_overdue_until_it_is_released(pool: WorkerPool, job: Job) -> None:
    pool.spawn("io")
    [io] = pool.workers
    assert pool.seconds_to_deadline() == float("inf")
    pool.submit(io, publish(job), 50)
    assert 0 < pool.seconds_to_deadline() <= 50
    assert pool.overdue() == []
    pool.set_deadline(io, -1)
    assert pool.overdue() == [io]
    assert pool.discard(io) == publish(job)
    assert pool.overdue() == []
    assert pool.workers == []


def test_a_worker_finds_this_assetforge_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    here = str(Path(worker_process.__file__).parents[2])
    assert worker_process._with_our_own() == f"{here}{os.pathsep}/elsewhere"
