"""How a job is split into stages."""

from __future__ import annotations

from pathlib import Path

from assetforge.execute.stages import Compute, Encode, Pool, Publish, Read, Stage, split_job
from assetforge.plan.jobs import Job
from assetforge.store.results import MAPS_SUFFIX, Entry

NOWHERE = Path("scratch")


def nothing(_key: str, _suffix: str) -> Entry | None:
    return None


def pools(stages: list[Stage]) -> list[Pool]:
    return [stage.pool for stage in stages]


def test_steps_that_are_kept_off_the_gpu_have_a_stage_of_their_own(job: Job) -> None:
    assert pools(split_job(job, NOWHERE, nothing, "cuda:0")) == ["io", "device", "cpu", "device", "io", "io"]
    assert pools(split_job(job, NOWHERE, nothing, "cpu")) == ["io", "device", "io", "io"]


def test_what_another_stage_reads_is_kept_and_what_outputs_need_is_handed_on(job: Job) -> None:
    read, first, second, third, encode, publish = split_job(job, NOWHERE, nothing, "cuda:0")
    assert isinstance(read, Read)
    assert isinstance(encode, Encode)
    assert isinstance(publish, Publish)
    assert encode.outputs == publish.outputs == job.outputs
    for stage, is_read_later in ((first, True), (second, True), (third, False)):
        assert isinstance(stage, Compute)
        assert (stage.tasks[0].key in stage.kept) == is_read_later
    assert {origin.key for output in job.outputs for origin in output.maps.values()} == third.wanted


def test_what_the_store_has_is_not_made_again(job: Job) -> None:
    compute = split_job(job, NOWHERE, nothing, "cpu")[1]
    assert isinstance(compute, Compute)
    there = {(compute.tasks[1].key, MAPS_SUFFIX)}

    def find(key: str, suffix: str) -> Entry | None:
        return Entry(NOWHERE, 1, "") if (key, suffix) in there else None

    later = split_job(job, NOWHERE, find, "cpu")
    assert [stage.tasks for stage in later if isinstance(stage, Compute)] == [compute.tasks[2:]]
    there |= {(output.key, output.format.suffix) for output in job.outputs}
    [only] = split_job(job, NOWHERE, find, "cpu")
    assert isinstance(only, Publish)
    assert only.outputs == job.outputs
