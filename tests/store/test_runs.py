"""Runs come and go while others look at them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from assetforge.store import runs

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
