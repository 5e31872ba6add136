"""Runs are written down as they begin, so that what was killed is told from what has ended."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import shared
from execute.conftest import executions, kill_group, start, wait_until_begun, write_project

from assetforge.errors import StoreError
from assetforge.events import JobFinished
from assetforge.store import runs
from assetforge.store.event_log import events_after
from assetforge.store.history import History
from assetforge.store.reader import Reader
from assetforge.store.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State(tmp_path / ".assetforge", "pipeline.yaml", tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def reader(state: State) -> Reader:
    return Reader(state.path.parent, "pipeline.yaml")


def test_a_run_is_at_work_until_it_has_ended(state: State, reader: Reader) -> None:
    with runs.begin(state.path.parent) as run:
        state.history.begin(run.id, "run")
        found = reader.run(run.id)
        assert found is not None
        assert (found.state, found.kind, found.exit_code, found.counts) == ("running", "run", None, {})
        state.history.job_ended("done")
        state.history.end(1)
    (found,) = reader.runs()
    assert (found.state, found.exit_code, found.counts) == ("ended", 1, {"done": 1})
    assert found.ended is not None
    assert found.ended >= found.began


def test_what_a_run_had_done_before_it_was_killed_is_known(state: State, reader: Reader) -> None:
    with runs.begin(state.path.parent) as run:
        state.history.begin(run.id, "watch")
        for ended in ("done", "failed"):
            state.history.job_ended(ended)
            state.history.write()
    (found,) = reader.runs()
    assert (found.state, found.counts) == ("killed", {"done": 1, "failed": 1})


def test_jobs_that_the_plan_refuses_are_counted_too(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", assets=2)
    (project / "textures" / "gone_d.png").symlink_to("nowhere")
    assert shared().run(project, "run", "pipeline.yaml").code == 1
    assert shared().run(project, "run", "pipeline.yaml", "--force").code == 1
    assert [run["counts"] for run in told(project)] == [{"failed": 1, "done": 2}] * 2


def test_old_runs_are_forgotten_and_those_of_other_pipelines_are_not(
    state: State, reader: Reader, tmp_path: Path
) -> None:
    other = State(tmp_path / ".assetforge", "other.yaml", tmp_path)
    other.history.begin("other", "run")
    log = History(state._database, state.path, "pipeline.yaml", kept=3)
    for number in range(5):
        log.begin(f"r{number}", "run")
    assert [one.run for one in reader.runs()] == ["r4", "r3", "r2"]
    assert [one.run for one in reader.runs(limit=2)] == ["r4", "r3"]
    assert [reader.run("r0"), reader.run("other")] == [None, None]
    assert [one.run for one in Reader(tmp_path / ".assetforge", "other.yaml").runs()] == ["other"]
    other.close()


def test_who_is_told_of_an_end_finds_it_counted(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", assets=6, pause="time.sleep(0.3)")
    process = start(project)
    reader = Reader(project / ".assetforge", "pipeline.yaml")
    seen = set()
    while process.poll() is None:
        with suppress(StoreError, sqlite3.Error):  # it has not begun yet
            ended = sum(isinstance(one.event, JobFinished) for one in events_after(reader.path, "pipeline.yaml", 0))
            for run in reader.runs():  # which may have counted more meanwhile
                assert sum(run.counts.values()) >= ended
                seen.add(ended)
    assert len(seen) > 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watch_that_somebody_ends_is_told_to_be_stopped(number: signal.Signals, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", assets=1)
    watch = shared().start(project, "watch", "pipeline.yaml")
    while not any(run["counts"] == {"done": 1} for run in told(project)):
        assert watch.poll() is None
    watch.send_signal(number)
    watch.wait(30)
    (run,) = told(project)
    assert (run["state"], run["exit_code"], run["counts"]) == ("stopped", None, {"done": 1})


def told(project: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shared().run(project, "status", "pipeline.yaml", "--json").out)["runs"]
    return found


def test_status_tells_apart_runs_that_were_killed_or_interrupted_or_had_nothing_to_do(tmp_path: Path) -> None:
    pause = "time.sleep(60 if (HERE / 'slow').exists() else 0)"
    project = write_project(tmp_path / "project", assets=2, pause=pause)
    assert shared().run(project, "run", "pipeline.yaml").code == 0
    assert shared().run(project, "run", "pipeline.yaml").code == 0  # which finds nothing to do
    (project / "slow").touch()
    (project / "pipeline.yaml").write_text(
        (project / "pipeline.yaml").read_text().replace("work}", "work, with: {gain: 2}}")
    )
    for end in (kill_group, lambda process: process.send_signal(signal.SIGINT)):
        begun = executions(project)
        process = start(project)
        wait_until_begun(project, process, begun + 1)
        assert told(project)[0]["state"] == "running"
        end(process)
        process.wait()
    ended = [(one["state"], one["exit_code"], one["counts"]) for one in told(project)]
    nothing = ("ended", 0, {"up to date": 2})
    assert ended == [("ended", 130, {}), ("killed", None, {}), nothing, ("ended", 0, {"done": 2})]
    text = shared().run(project, "status", "pipeline.yaml").out
    assert "killed" in text
    assert "exit code 130" in text
