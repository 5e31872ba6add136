"""The status file and the lock of a daemon: other processes of the same machine see that it runs, and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from assetforge.codecs.atomic import file_name, write_atomically
from assetforge.codecs.regular import read_regular
from assetforge.errors import OutputError, UsageError
from assetforge.pipeline.pipeline import Pipeline
from assetforge.store.json_text import parse
from assetforge.store.runs import is_held

_MAX_BYTES = 2**24
_LOOK = 1.0
"""Seconds within which whoever only looks whether a daemon runs, and holds its lock for that, lets go of it."""
MAX_NAMES = 200
"""Names of each kind that are written down: there may be very many."""


@dataclass(frozen=True)
class DaemonStatus:
    """What a daemon is doing."""

    pid: int
    since: float
    """Seconds since 1970."""
    folder: str
    """What is watched."""
    how: str
    """`events`, `polling`, or `away` while the folder is not there."""
    building: tuple[str, ...]
    waiting: tuple[str, ...]
    waiting_count: int
    arriving_count: int
    """Files that have not settled yet."""
    incomplete: dict[str, str]
    """Assets that wait for a file, each with what it waits for."""
    failed: dict[str, str]
    """Assets that cannot be built, each with the reason."""
    done_count: int
    """Jobs done since it began."""
    paused: bool = False
    """Whether nothing new is begun until somebody asks to go on."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, with long lists cut off."""
        shown = replace(  # first, as `asdict` copies all that there is
            self,
            building=self.building[:MAX_NAMES],
            waiting=self.waiting[:MAX_NAMES],
            incomplete=dict(islice(self.incomplete.items(), MAX_NAMES)),
            failed=dict(islice(self.failed.items(), MAX_NAMES)),
        )
        return asdict(shown)


StatusListener = Callable[[DaemonStatus], None]
"""Is told now and then what the daemon is doing."""


@contextmanager
def daemon_lock(pipeline: Pipeline) -> Iterator[None]:
    """Be the only daemon of a pipeline inside the block. Raise UsageError where there is another one."""
    pipeline.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_file(pipeline.state, pipeline.id, "lock"))
    try:
        lock.acquire(timeout=_LOOK)
    except Timeout:
        other = read_status(pipeline.state, pipeline.id) or {}
        pid = f" (process {other['pid']})" if other else ""
        raise UsageError(
            str(pipeline.file), f"is being watched already{pid}", "stop that one, or leave it to its work"
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):
            _file(pipeline.state, pipeline.id, "json").unlink()
        lock.release()


def write_status(pipeline: Pipeline, status: DaemonStatus) -> None:
    """Write down what the daemon is doing. That is a service, and no reason to stop if it fails."""
    with suppress(OutputError):
        write_atomically(_file(pipeline.state, pipeline.id, "json"), json.dumps(status.as_dict()).encode())


def read_status(state: Path, pipeline: str) -> dict[str, Any] | None:
    """Return what the daemon of a pipeline is doing, or None where none runs; `written` says as of when.

    state: the folder of its state; pipeline: its id.
    """
    file = _file(state, pipeline, "json")
    try:
        written = file.stat().st_mtime  # before it is read: what is newer than that was true then, too
        status = parse(DaemonStatus, read_regular(file, _MAX_BYTES))
    except (OSError, ValueError):
        return None
    return asdict(status) | {"written": written} if is_held(_file(state, pipeline, "lock")) else None


def daemon_runs(state: Path, pipeline: str) -> bool:
    """Tell whether there is a daemon of a pipeline, though it may not have said yet what it does."""
    return state.is_dir() and is_held(_file(state, pipeline, "lock"))


def _file(state: Path, pipeline: str, ending: str) -> Path:
    return state / f"daemon-{file_name(pipeline)}.{ending}"
