"""A job is done in stages: read its sources, compute its tasks, write its outputs; by other kinds of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assetforge.errors import AssetForgeError, Problem, StepError
from assetforge.events import Event
from assetforge.plan.jobs import Job, MapOrigin, Output, SourceMap, Task
from assetforge.plan.keys import written_key
from assetforge.store.results import Entry
from assetforge.store.state import Published

Pool = Literal["codec", "device", "cpu"]
"""Which processes do a stage: those that read and write files, one for each device, or those for CPU-only steps."""

MAPS = ".safetensors"
"""Ending of a task's result in the store."""
CODEC_TIME_LIMIT = 900.0


@dataclass(frozen=True)
class Read:
    """Decode sources into the job's scratch folder."""

    asset: str
    scratch: Path
    sources: tuple[SourceMap, ...]
    anew: bool = False
    """Whether what the store knows of them is to be replaced."""
    pool: Pool = "codec"
    doing: str = "reading"


@dataclass(frozen=True)
class Compute:
    """Run tasks, one after the other."""

    asset: str
    scratch: Path
    tasks: tuple[Task, ...]
    kept: frozenset[str]
    """Keys of the tasks whose results go to the store, because another task reads them."""
    wanted: frozenset[str]
    """Keys of the maps that go to the scratch folder, because an output is made of them."""
    pool: Pool
    anew: bool = False
    """Whether results that the store has are to be replaced."""
    doing: str = "computing"

    @property
    def memory(self) -> int:
        """Bytes of host memory that it says it needs."""
        return max(task.use.resources.memory for task in self.tasks)


@dataclass(frozen=True)
class Write:
    """Encode outputs into the store, then publish all that differ from what is there."""

    asset: str
    scratch: Path
    encode: tuple[Output, ...]
    publish: tuple[Output, ...]
    anew: bool = False
    """Whether encoded outputs that the store has are to be replaced."""
    pool: Pool = "codec"
    doing: str = "writing"


Stage = Read | Compute | Write


@dataclass(frozen=True)
class Ready:
    """A worker has started."""

    device: str
    devices: tuple[str, ...]
    """All devices of its kind that the run may use."""


@dataclass(frozen=True)
class Happened:
    """A worker reports an event."""

    event: Event


@dataclass(frozen=True)
class Done:
    """A stage is done."""

    scratch_bytes: int = 0
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A stage failed."""

    problem: Problem
    retry: bool = False
    quarantine: bool = False
    exit_code: int = AssetForgeError.exit_code
    stale: bool = False
    picture: bytes = b""
    """A PNG that shows what is wrong, where the step drew one."""


def failure(error: AssetForgeError) -> Failed:
    """Spell an error as an answer."""
    return Failed(error.problem, error.retry, error.quarantine, error.exit_code, error.stale, _drawn(error))


def _drawn(error: AssetForgeError) -> bytes:
    if not isinstance(error, StepError) or error.picture is None:
        return b""
    from assetforge.execute.pictures import as_png  # needs torch, which whoever has drawn has loaded

    return as_png(error.picture)


@dataclass(frozen=True)
class Damaged:
    """A result in the store is not what was put there: it must be made again."""

    entry: Entry


@dataclass(frozen=True)
class Gone:
    """A worker's process has ended."""


@dataclass(frozen=True)
class Woken:
    """Nothing has happened to a worker, but whoever waits is to look up."""


Reply = Ready | Happened | Done | Failed | Damaged | Gone | Woken

Find = Callable[[str, str], Entry | None]


def cut(job: Job, scratch: Path, find: Find, device: str, *, anew: bool = False) -> list[Stage]:
    """Cut what is not in the store of a job into stages; `find` looks up a result by key and ending.

    anew: whether what is made replaces what the store has.
    """
    missing = tuple(output for output in job.outputs if find(output.key, output.format.suffix) is None)
    tasks, sources = _needed(missing, find)
    read_by_tasks = frozenset(origin.key for task in tasks for origin in task.reads.values())
    kept = frozenset(task.key for task in tasks if any(written_key(task.key, n) in read_by_tasks for n in task.writes))
    wanted = frozenset(origin.key for output in missing for origin in output.maps.values())
    stages: list[Stage] = [Read(job.asset, scratch, sources, anew)] if sources else []
    for pool, group in _by_pool(tasks, device):
        stages.append(Compute(job.asset, scratch, tuple(group), kept, wanted, pool, anew))
    return [*stages, Write(job.asset, scratch, missing, job.outputs, anew)]


def _needed(outputs: Sequence[Output], find: Find) -> tuple[list[Task], tuple[SourceMap, ...]]:
    """Return the tasks that must be run for outputs, in order, and the sources that must be read."""
    tasks: dict[str, Task] = {}
    sources: dict[str, SourceMap] = {}
    seen: set[str] = set()

    def visit(origin: MapOrigin) -> None:
        if isinstance(origin, SourceMap):
            sources[origin.key] = origin
        elif origin.task.key not in seen:
            seen.add(origin.task.key)
            if find(origin.task.key, MAPS) is None:
                for read in origin.task.reads.values():
                    visit(read)
                tasks[origin.task.key] = origin.task

    for output in outputs:
        followed = output.followed.values() if output.format.depth is None else ()
        for origin in [*output.maps.values(), *followed]:
            visit(origin)
    return list(tasks.values()), tuple(sources.values())


def _by_pool(tasks: Sequence[Task], device: str) -> Iterator[tuple[Pool, list[Task]]]:
    """Group neighbors that run in the same kind of process."""
    group: list[Task] = []
    last: Pool = "device"
    for task in tasks:
        pool: Pool = "cpu" if task.use.resources.device == "cpu" and device != "cpu" else "device"
        if group and pool != last:
            yield last, group
            group = []
        group.append(task)
        last = pool
    if group:
        yield last, group
