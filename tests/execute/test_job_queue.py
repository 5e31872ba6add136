"""Jobs wait in order, each once, and what is done with one of them does not go through all others."""

from __future__ import annotations

import time

from assetforge.execute.job_queue import JobQueue
from assetforge.plan.jobs import Job


def jobs(*names: str) -> list[Job]:
    return [Job(name, "out of date", base=name.partition("[")[0]) for name in names]


def names(queue: JobQueue) -> list[str]:
    return [job.asset for job in queue]


def test_urgent_jobs_come_before_all_others_and_first_ones_before_their_like() -> None:
    queue = JobQueue()
    queue.add(jobs("c", "d"))
    queue.add(jobs("a", "b"), first=True)
    queue.add(jobs("z"), urgent=True)
    queue.add(jobs("x", "y"), urgent=True, first=True)
    assert names(queue) == ["x", "y", "z", "a", "b", "c", "d"]
    assert queue.take().asset == "x"
    queue.hurry({"d", "z", "not here"})
    assert names(queue) == ["z", "d", "y", "a", "b", "c"]
    assert [job.asset for job in queue.clear()] == ["z", "d", "y", "a", "b", "c"]
    assert not queue
    assert not queue.assets


def test_an_asset_waits_as_long_as_one_of_its_jobs_does() -> None:
    queue = JobQueue()
    queue.add(jobs("a[scale=2]", "a[scale=4]", "b"))
    queue.add(jobs("b"), urgent=True)  # which waits already
    assert len(queue) == 3
    assert queue.assets == {"a", "b"}
    assert queue.remove("a[scale=2]") is not None
    assert queue.remove("a[scale=2]") is None
    assert queue.assets == {"a", "b"}
    assert [queue.take().asset, queue.take().asset] == ["b", "a[scale=4]"]
    assert not queue.assets


def test_very_many_jobs_are_taken_back_one_by_one_in_no_time() -> None:
    queue, count = JobQueue(), 20_000
    queue.add(jobs(*map(str, range(count))))
    began = time.process_time()
    for number in reversed(range(count)):
        queue.remove(str(number))
    assert time.process_time() - began < 1  # to go through all others took ten seconds and more
