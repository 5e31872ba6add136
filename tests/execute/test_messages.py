"""What host and workers say to each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetforge.build import Build
from assetforge.errors import StepError
from assetforge.execute import messages
from assetforge.execute.stages import Compute, split_job
from assetforge.plan.jobs import Job


def test_steps_travel_by_name(job: Job, tmp_path: Path) -> None:
    stage = split_job(job, Path("scratch"), lambda *_: None, "cpu")[1]
    assert isinstance(stage, Compute)
    with (tmp_path / "pipe").open("wb") as pipe:
        messages.send(pipe, stage)
    with (tmp_path / "pipe").open("rb") as pipe:
        packed = messages.receive(pipe)
        assert messages.receive(pipe) is None
    assert packed is not None
    with Build(tmp_path / "pipeline.yaml") as build:
        same = messages.unpack(packed, build.registry)
    assert [task.key for task in same.tasks] == [task.key for task in stage.tasks]
    assert same.tasks[0].use.params.model_dump() == stage.tasks[0].use.params.model_dump()
    with pytest.raises(StepError, match="'work': has gone from its plugin"):
        messages.unpack(packed, None)
