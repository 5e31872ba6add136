"""How a job is cut into stages, and how many processes a machine gets for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from execute.conftest import write_project

from assetforge.build import Build
from assetforge.codecs.allowance import Limits
from assetforge.errors import StepError, UsageError
from assetforge.execute import protocol
from assetforge.execute.devices import check_device
from assetforge.execute.hire import Hiring
from assetforge.execute.protocol import Setup
from assetforge.execute.stages import MAPS, Compute, Pool, Read, Ready, Stage, Write, cut
from assetforge.plan.jobs import Job
from assetforge.store.results import Entry, Store

NOWHERE = Path("scratch")


def nothing(_key: str, _suffix: str) -> Entry | None:
    return None


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job of three steps, of which the second is kept off the GPU."""
    project = write_project(tmp_path, assets=1)
    text = (project / "pipeline.yaml").read_text()
    lanczos = "{use: upscale, with: {method: lanczos}}"
    steps = f"[{{use: work}}, {{use: work, with: {{gain: 2}}, resources: {{device: cpu}}}}, {lanczos}]"
    (project / "pipeline.yaml").write_text(text.replace("[{use: work}]", steps))
    with Build(project / "pipeline.yaml") as build:
        return build.plan().jobs[0]


def pools(stages: list[Stage]) -> list[Pool]:
    return [stage.pool for stage in stages]


def test_steps_that_are_kept_off_the_gpu_have_a_stage_of_their_own(job: Job) -> None:
    assert pools(cut(job, NOWHERE, nothing, "cuda:0")) == ["codec", "device", "cpu", "device", "codec"]
    assert pools(cut(job, NOWHERE, nothing, "cpu")) == ["codec", "device", "codec"]


def test_what_another_stage_reads_is_kept_and_what_outputs_need_is_handed_on(job: Job) -> None:
    read, first, second, third, write = cut(job, NOWHERE, nothing, "cuda:0")
    assert isinstance(read, Read)
    assert isinstance(write, Write)
    for stage, is_read_later in ((first, True), (second, True), (third, False)):
        assert isinstance(stage, Compute)
        assert (stage.tasks[0].key in stage.kept) == is_read_later
    assert {origin.key for output in job.outputs for origin in output.maps.values()} == third.wanted


def test_what_the_store_has_is_not_made_again(job: Job) -> None:
    compute = cut(job, NOWHERE, nothing, "cpu")[1]
    assert isinstance(compute, Compute)
    there = {(compute.tasks[1].key, MAPS)}

    def find(key: str, suffix: str) -> Entry | None:
        return Entry(NOWHERE, 1, "") if (key, suffix) in there else None

    later = cut(job, NOWHERE, find, "cpu")
    assert [stage.tasks for stage in later if isinstance(stage, Compute)] == [compute.tasks[2:]]
    there |= {(output.key, output.format.suffix) for output in job.outputs}
    [only] = cut(job, NOWHERE, find, "cpu")
    assert isinstance(only, Write)
    assert only.encode == ()


def hiring(device: str, processes: int) -> Hiring:
    setup = Setup("", NOWHERE, "", NOWHERE, NOWHERE, Store(NOWHERE), {}, "up", "float32", Limits(), None, {}, "")
    return Hiring(setup, device, processes)


def test_every_device_gets_its_own_processes() -> None:
    hire = hiring("auto", 2)
    assert hire._device("device") == "auto"
    hire.started("device", Ready("cuda:0", ("cuda:0", "cuda:1", "cuda:2")))
    assert hire.most["device"] == 6
    devices = ["cuda:0", *(hire._device("device") for _ in range(5))]
    assert sorted(filter(None, devices)) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1", "cuda:2", "cuda:2"]
    assert hire._device("cpu") == "cpu"
    assert hire._device("codec") is None


def test_one_device_gets_as_many_processes_as_were_asked_for() -> None:
    hire = hiring("cpu", 3)
    hire.started("device", Ready("cpu", ("cpu",)))
    assert hire.most["device"] == 3


@pytest.mark.parametrize("wrong", ["gpu", "cuda:x", "cuda:", "mps", ""])
def test_a_device_that_cannot_be_is_refused_without_torch(wrong: str) -> None:
    with pytest.raises(UsageError, match="is no device"):
        check_device(wrong)


def test_steps_travel_by_name(job: Job, tmp_path: Path) -> None:
    stage = cut(job, NOWHERE, nothing, "cpu")[1]
    assert isinstance(stage, Compute)
    with (tmp_path / "pipe").open("wb") as pipe:
        protocol.send(pipe, stage)
    with (tmp_path / "pipe").open("rb") as pipe:
        packed = protocol.receive(pipe)
        assert protocol.receive(pipe) is None
    assert packed is not None
    with Build(tmp_path / "pipeline.yaml") as build:
        same = protocol.unpack(packed, build.registry)
    assert [task.key for task in same.tasks] == [task.key for task in stage.tasks]
    assert same.tasks[0].use.params.model_dump() == stage.tasks[0].use.params.model_dump()
    with pytest.raises(StepError, match="'work': has gone from its plugin"):
        protocol.unpack(packed, None)
