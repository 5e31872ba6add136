"""The folders of runs at work. Each lives as long as one of its processes; the next run clears up after dead ones.

A process shows that it lives by a lock that the system lets go of when the process ends, however it ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from assetforge import snapshot
from assetforge.store.history import new_name
from assetforge.store.state import RUNS

HOST = "host"


class Run:
    """A run's own folder, with what it hands from process to process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        self.scratch = folder / "scratch"

    def lock(self, process: str) -> FileLock:
        """Lock a file that shows that a process of this run lives."""
        lock = FileLock(self.folder / f"{process}.lock")
        lock.acquire()
        return lock

    def lives(self) -> bool:
        """Tell whether any process of this run lives."""
        return any(is_held(path) for path in self.folder.glob("*.lock"))

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def begin(state: Path) -> Iterator[Run]:
    """Begin a run of this process below the state's folder; it ends with the block."""
    run = Run(state / RUNS / new_name())
    with _only_one(state):
        run.scratch.mkdir(parents=True)
        lock = run.lock(HOST)
    snapshot.drop_all(str(state))  # after the folder is there, which keeps others from taking one meanwhile
    try:
        yield run
    finally:
        with _only_one(state):  # nobody looks at the folder while it goes
            lock.release()
            run.remove()


@contextmanager
def dead(state: Path) -> Iterator[list[Run]]:
    """Give the runs of which no process lives; what they left may be cleared up inside the block, by nobody else."""
    with _only_one(state):
        yield [run for run in _all(state) if not run.lives()]


def living(state: Path) -> list[Run]:
    """Return the runs that are at work."""
    with _only_one(state):
        return [run for run in _all(state) if run.lives()]


def lives(state: Path, name: str) -> bool:
    """Tell whether a run is at work, by a name that others may have forged."""
    folder = state / RUNS / name
    if folder.parent != state / RUNS or not folder.is_dir():
        return False
    with _only_one(state):  # a lock that is tried is made anew, also in a folder that is about to go
        return Run(folder).lives()


def _all(state: Path) -> list[Run]:
    folder = state / RUNS
    return [Run(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []


def _only_one(state: Path) -> FileLock:
    (state / RUNS).mkdir(parents=True, exist_ok=True)
    return FileLock(state / RUNS / "all.lock")


def is_held(path: Path) -> bool:
    """Tell whether a living process holds a lock."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
