"""Runs come and go while others look at them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from assetforge.errors import UsageError
from assetforge.store import runs
from assetforge.store.daemon_status import daemon_lock, daemon_runs

COME_AND_GO = """
import sys
from pathlib import Path
from assetforge.store import runs

for _ in range(150):
    with runs.begin(Path(sys.argv[1])) as run:
        run.lock("worker-1").release()
"""


def test_a_run_that_ends_does_not_disturb_those_who_look(tmp_path: Path) -> None:
    others = [subprocess.Popen([sys.executable, "-c", COME_AND_GO, str(tmp_path)]) for _ in range(2)]
    while any(other.poll() is None for other in others):
        assert len(runs.living(tmp_path)) <= 2
        assert sum(runs.lives(tmp_path, folder.name) for folder in (tmp_path / "runs").glob("2*")) <= 2
        with runs.dead(tmp_path) as dead:
            assert not dead
    assert [other.wait() for other in others] == [0, 0]
    assert not runs.living(tmp_path)


def test_a_killed_run_is_dead_and_a_living_one_is_not(tmp_path: Path) -> None:
    script = COME_AND_GO.replace('run.lock("worker-1").release()', 'print("begun", flush=True); sys.stdin.read()')
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], **pipes)
    assert process.stdout is not None
    process.stdout.readline()
    [run] = runs.living(tmp_path)
    process.kill()
    process.communicate()
    with runs.dead(tmp_path) as dead:
        assert [one.id for one in dead] == [run.id]
    assert not runs.living(tmp_path)


def test_a_daemon_is_not_kept_from_beginning_by_who_looks_whether_one_runs(tmp_path: Path) -> None:
    pipeline: Any = SimpleNamespace(state=tmp_path, id="pipeline.yaml", file=tmp_path / "pipeline.yaml")
    assert not daemon_runs(tmp_path, "pipeline.yaml")
    [file] = tmp_path.glob("daemon-*.lock")
    look = FileLock(file, thread_local=False)
    look.acquire()
    threading.Timer(0.1, look.release).start()
    with daemon_lock(pipeline), pytest.raises(UsageError, match="watched already"), daemon_lock(pipeline):
        pass
