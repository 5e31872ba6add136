"""What happens is written down with growing numbers, and other processes can follow it while it goes on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Forge
from execute.conftest import start, write_project

from assetforge.build import Build
from assetforge.errors import StoreError
from assetforge.events import Event, JobFinished, JobStarted, StepProgress, Trouble
from assetforge.flags import Flag
from assetforge.store.event_log import EventLog, events_after, last_number
from assetforge.store.schema import open_database

PIPELINE = "p.yaml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.sqlite"


def write(path: Path, *events: Event, run: str = "run", pipeline: str = PIPELINE, kept: int = 1000) -> None:
    database = open_database(path)
    log = EventLog(database, path, pipeline, kept)
    for event in events:
        log.add(event)
    log.begin(run)
    log.end()
    database.close()


def test_events_are_read_as_they_were_written_by_their_numbers(path: Path) -> None:
    finished = JobFinished("a", "done", 1.5, flags=(Flag("seams show", "info", "normal", 0.5, 0.2),))
    odd = [Trouble("half a character \udcff"), JobStarted("a", ("new",)), finished]
    write(path, *odd)
    write(path, Trouble("of another pipeline"), pipeline="other.yaml")
    write(path, Trouble("of the next run"), run="next")
    events = events_after(path, PIPELINE, 0)
    assert [one.event for one in events] == [*odd, Trouble("of the next run")]
    assert [one.run for one in events] == ["run", "run", "run", "next"]
    assert [one.number for one in events] == [1, 2, 3, 5]
    assert events_after(path, PIPELINE, 3) == events[3:]
    assert events_after(path, PIPELINE, 0, most=2) == events[:2]
    assert last_number(path) == 5


def test_what_happens_without_a_run_is_not_written(path: Path) -> None:
    database = open_database(path)
    log = EventLog(database, path, PIPELINE)
    log.add(Trouble("nobody runs"))
    assert log.due <= 0.25
    log.end()
    log.begin("run")
    log.end()
    assert last_number(path) == 0
    database.close()


def test_old_events_are_dropped_and_their_numbers_are_not_given_again(path: Path) -> None:
    write(path, *(Trouble(str(index)) for index in range(10)), kept=10)
    write(path, Trouble("10"), Trouble("11"), kept=3)
    assert [(one.number, one.event) for one in events_after(path, PIPELINE, 0)] == [
        (number + 1, Trouble(str(number))) for number in (9, 10, 11)
    ]
    database = sqlite3.connect(path)
    database.execute("delete from events")
    database.commit()
    database.close()
    write(path, Trouble("after all were deleted"))
    assert last_number(path) == 13


def test_of_much_progress_at_once_the_last_of_each_job_is_written(path: Path) -> None:
    progress = [StepProgress(asset, "work", part / 100) for part in range(100) for asset in "ab"]
    write(path, Trouble("before"), *progress, Trouble("after"))
    assert [one.event for one in events_after(path, PIPELINE, 0)] == [
        Trouble("before"), StepProgress("a", "work", 0.99), StepProgress("b", "work", 0.99), Trouble("after"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        ("run", 1.0, "Trouble", "[" * 100_000),
        ("run", 1.0, "Trouble", '{"what": []}'),
        ("run", 1.0, "Trouble", json.dumps({"what": "x" * 2**20})),
        ("run", 1.0, "Trouble", b'{"what": "bytes"}'),
        ("run", 1.0, "Exploded", "{}"),
        ("run", "soon", "Trouble", '{"what": ""}'),
        (None, 1.0, "Trouble", '{"what": ""}'),
    ],
    ids=range(7),
)
def test_rows_that_nobody_of_us_writes_are_left_out(row: tuple[object, ...], path: Path) -> None:
    write(path, Trouble("before"))
    database = sqlite3.connect(path)
    database.execute("insert into events (pipeline, run, time, kind, event) values (?, ?, ?, ?, ?)", (PIPELINE, *row))
    database.commit()
    database.close()
    write(path, Trouble("after"))
    assert [one.event for one in events_after(path, PIPELINE, 0)] == [Trouble("before"), Trouble("after")]


@pytest.mark.parametrize("statement", ["update events set n = {}", "update sqlite_sequence set seq = {}"])
def test_numbers_that_leave_no_room_for_more_are_not_ours(statement: str, path: Path) -> None:
    write(path, Trouble("before"))
    database = sqlite3.connect(path)
    database.execute(statement.format(2**63 - 1))
    database.commit()
    database.close()
    write(path, Trouble("after"))
    assert [one.event for one in events_after(path, PIPELINE, 0)] == [Trouble("after")]


def test_where_there_is_no_state_nothing_is_made(path: Path) -> None:
    with pytest.raises(StoreError, match="the state cannot be used"):
        events_after(path, PIPELINE, 0)
    assert not path.parent.exists()


@contextmanager
def following(project: Path) -> Iterator[subprocess.Popen[str]]:
    """Start `status --follow`, and end it after the block, or after a minute."""
    command = [sys.executable, "-m", "assetforge", "status", "pipeline.yaml", "--follow"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=project, env=env, stdout=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(60, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()


def lines_until(process: subprocess.Popen[str], beginning: str) -> list[str]:
    """Read what a process prints up to the line that begins so."""
    assert process.stdout is not None
    lines = [""]
    while not lines[-1].startswith(beginning):
        lines.append(process.stdout.readline())
        assert lines[-1], f"it ended, and has printed {lines}"
    return [line.rstrip("\n") for line in lines[1:]]


def test_another_process_follows_a_run_as_it_goes_and_a_run_of_nothing_writes_nothing(
    tmp_path: Path, forge: Forge
) -> None:
    pause = "context.progress(torch.tensor(0.5))\n    while not (HERE / 'go').exists(): time.sleep(0.01)"
    project = write_project(tmp_path, assets=2, pause=pause)
    with following(project) as follower:
        lines_until(follower, "there was no run yet")
        run = start(project)
        assert lines_until(follower, "building a00: new")[0] == "run      2 out of date, 0 up to date"
        assert run.poll() is None  # no step can end before it is told to
        (project / "go").touch()
        lines = lines_until(follower, "2 done")
        follower.send_signal(signal.SIGINT)
        assert follower.wait() == 130
    run.communicate()
    assert [line.split(" (")[0] for line in lines if line.startswith("done")] == ["done     a00", "done     a01"]

    with Build(project / "pipeline.yaml") as build:
        path, pipeline = build.state.path, build.state.pipeline
    events = events_after(path, pipeline, 0)
    assert len({one.run for one in events}) == 1
    assert [one.number for one in events] == list(range(1, len(events) + 1))
    assert events[0].data | {"run": "", "time": 0} == {
        "number": 1, "run": "", "time": 0, "event": "RunStarted", "jobs": 2, "current": 0,
    }  # fmt: skip
    assert StepProgress("a00", "work", 0.5) in [one.event for one in events]  # whatever number a step gives
    assert forge("run", "pipeline.yaml").returncode == 0
    assert last_number(path) == len(events)
