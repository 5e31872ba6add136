"""What host and workers say to each other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_texture

from assetforge.build import Build
from assetforge.errors import StepError
from assetforge.execute import messages
from assetforge.execute.messages import Setup
from assetforge.execute.options import RunOptions
from assetforge.execute.session import SessionDeps, worker_setup
from assetforge.execute.stages import Compute, Publish, StageContext, split_job
from assetforge.execute.worker_main import run_stage
from assetforge.plan.jobs import Job
from assetforge.store import runs
from assetforge.store.runs import Run

INLINE = RunOptions(workers=0)
MATCHED = """\
version: 1
sources: textures
inputs: {base_color: "{name}_d.png"}
steps: [{use: match_color, with: {like: refs/like.png}}]
outputs: {dir: build}
"""


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
    with pytest.raises(StepError, match="'work': is not known to this worker"):
        messages.unpack(packed, None)


def travelling(build: Build, run: Run) -> Setup:
    deps = SessionDeps(build.pipeline, build.registry, build.state, build.store, lambda _: None)
    return replace(worker_setup(deps, run), device="cpu")


def test_all_stages_of_a_job_can_be_done_where_the_folders_are_elsewhere_and_the_last_one_alone_publishes(
    tmp_path: Path,
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write_texture(here / "textures" / "a_d.png", 1)
    write_texture(here / "refs" / "like.png", 2)
    (here / "pipeline.yaml").write_text(MATCHED)
    with Build(here / "pipeline.yaml") as build, runs.begin(build.pipeline.state) as run:
        [job] = build.plan().jobs
        setup = travelling(build, run)
        stages = [
            messages.pack(stage, setup.roots) for stage in split_job(job, run.scratch / "0", lambda *_: None, "cpu")
        ]
        assert build.run(build.plan(), options=INLINE).exit_code == 0
    before = (here / "build" / "a_base_color.png").read_bytes()
    here.rename(there)
    for made in (there / "build", there / ".assetforge"):
        shutil.rmtree(made)
    with Build(there / "pipeline.yaml") as build, runs.begin(build.pipeline.state) as run:
        setup = travelling(build, run)
        context = StageContext(setup, "cpu", build.registry.hooks, lambda _: None)
        unpacked = [messages.unpack(packed, build.registry, setup.roots) for packed in stages]
        for stage in unpacked[:-1]:
            run_stage(stage, context)
        assert isinstance(unpacked[-1], Publish)
        assert not (there / "build").exists()  # until then, nothing outside of store and scratch folder is touched
        [job] = build.plan().jobs
        assert split_job(job, run.scratch / "0", build.store.find, "cpu") == [Publish(job.asset, job.outputs)]
        run_stage(unpacked[-1], context)
        with pytest.raises(StepError, match=r"root '.*': is not known to this worker"):
            messages.unpack(stages[0], build.registry)
    assert (there / "build" / "a_base_color.png").read_bytes() == before
    assert not here.exists()


def test_a_path_below_no_root_stays_as_it_is_and_the_innermost_root_counts(tmp_path: Path) -> None:
    roots = {"project": tmp_path, "sources": tmp_path / "sources"}
    paths = [tmp_path, tmp_path / "sources" / "a.png", tmp_path / "b", Path("/elsewhere/c"), Path("relative")]
    packed = messages.pack(paths, roots)
    assert messages.unpack(packed, roots=roots) == paths
    moved = messages.unpack(packed, roots={"project": Path("/p"), "sources": Path("/s")})
    assert moved == [Path("/p"), Path("/s/a.png"), Path("/p/b"), Path("/elsewhere/c"), Path("relative")]


def test_a_file_that_a_parameter_names_and_that_is_changed_after_planning_fails_the_job(tmp_path: Path) -> None:
    write_texture(tmp_path / "textures" / "a_d.png", 1)
    like = write_texture(tmp_path / "refs" / "like.png", 2)
    (tmp_path / "pipeline.yaml").write_text(MATCHED)
    with Build(tmp_path / "pipeline.yaml") as build:
        plan = build.plan()
        write_texture(like, 3)
        [job] = build.run(plan, options=INLINE).jobs
        assert job.state == "failed"
        assert "like.png: was changed since it was planned with; run again" in job.error
        assert build.run(build.plan(), options=INLINE).exit_code == 0
