"""Runs are written down as they begin, so that what was killed is told from what has ended."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import shared
from execute.conftest import executions, kill_group, start, wait_until_begun, write_project

from assetforge.store import history, runs
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


def test_what_a_run_had_done_until_just_before_it_was_killed_is_known(
    state: State, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runs.begin(state.path.parent) as run:
        state.history.begin(run.id, "watch")
        state.history.job_ended("done")
        state.history.write_due()
        state.history.job_ended("failed")
        state.history.write_due()  # too soon
        assert reader.runs()[0].counts == {"done": 1}
        monkeypatch.setattr(history.time, "monotonic", lambda: 1e12)
        state.history.write_due()
    (found,) = reader.runs()
    assert (found.state, found.counts) == ("killed", {"done": 1, "failed": 1})


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


def told(project: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shared().run(project, "status", "pipeline.yaml", "--json").out)["runs"]
    return found


def test_status_tells_runs_that_were_killed_from_those_that_were_interrupted(tmp_path: Path) -> None:
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
    assert ended == [("ended", 130, {}), ("killed", None, {}), ("ended", 0, {"done": 2})]
    text = shared().run(project, "status", "pipeline.yaml").out
    assert "killed" in text
    assert "exit code 130" in text
