"""The stages of a job: read its sources, compute its tasks, encode its outputs, publish them; and their context.

Each kind of stage runs in its own pool of processes. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from assetforge.codecs.formats import GPU
from assetforge.events import Event
from assetforge.execute.messages import Setup
from assetforge.hookspecs import Hooks
from assetforge.plan.jobs import Job, MapOrigin, Output, SourceMap, Task
from assetforge.plan.keys import written_key
from assetforge.store.results import MAPS_SUFFIX, Entry

Pool = Literal["io", "device", "cpu"]
"""Which processes do a stage: those that read and write files, one for each device, or those for CPU-only steps."""

IO_TIME_LIMIT = 900.0
"""Seconds that reading, encoding or publishing the files of a job may take."""


@dataclass(frozen=True)
class Read:
    """Decode sources into the job's scratch folder."""

    asset: str
    scratch: Path
    sources: tuple[SourceMap, ...]
    replace: bool = False
    """Whether what the store knows of them is to be replaced."""
    pool: Pool = "io"
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
    replace: bool = False
    """Whether results that the store has are to be replaced."""
    doing: str = "computing"

    @property
    def memory(self) -> int:
        """Bytes of host memory that it says it needs."""
        return max(task.use.resources.memory for task in self.tasks)


@dataclass(frozen=True)
class Encode:
    """Encode outputs into the store. Nothing outside of the store and the scratch folder is touched."""

    asset: str
    scratch: Path
    outputs: tuple[Output, ...]
    replace: bool = False
    """Whether encoded outputs that the store has are to be replaced."""
    pool: Pool = "io"
    doing: str = "encoding"


@dataclass(frozen=True)
class Publish:
    """Put all outputs of a job in place together, as the store has them; those that are there already stay.

    It needs no pixels and no torch, and it is for the machine that owns the outputs: an io worker does it and not the
    host, which must go on handing out stages while large files are copied.
    """

    asset: str
    outputs: tuple[Output, ...]
    pool: Pool = "io"
    doing: str = "publishing"


Stage = Read | Compute | Encode | Publish


def time_limit(stage: Stage) -> float:
    """Return the seconds that a stage may take. To compress blocks takes about 12 minutes for 16384² pixels."""
    if isinstance(stage, Compute):
        return stage.tasks[0].use.resources.time_limit
    formats = [one.format for one in stage.outputs if one.format] if isinstance(stage, Encode) else []
    return IO_TIME_LIMIT * (1 + sum(one.container in GPU for one in formats))


@dataclass(frozen=True)
class StageContext:
    """What a process needs to know to run stages, and whom it tells."""

    setup: Setup
    device: str
    hooks: Hooks
    emit: Callable[[Event], None]
    exit_guard: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Held while publishing, so that the host's exit does not end the process halfway."""


Find = Callable[[str, str], Entry | None]


def split_job(job: Job, scratch: Path, find: Find, device: str, *, replace: bool = False) -> list[Stage]:
    """Split what the store lacks of a job into stages; `find` looks up a result by key and suffix.

    replace: whether what is made replaces what the store has.
    """
    missing = tuple(output for output in job.outputs if find(output.key, output.suffix) is None)
    tasks, sources = _needed(missing, [task for task in job.tasks if task.use.step.only_checks], find)
    read_by_tasks = frozenset(origin.key for task in tasks for origin in task.reads.values())
    kept = frozenset(task.key for task in tasks if any(written_key(task.key, n) in read_by_tasks for n in task.writes))
    wanted = frozenset(origin.key for output in missing for origin in output.maps.values())
    stages: list[Stage] = [Read(job.asset, scratch, sources, replace)] if sources else []
    for pool, group in _by_pool(tasks, device):
        stages.append(Compute(job.asset, scratch, tuple(group), kept, wanted, pool, replace))
    if missing:
        stages.append(Encode(job.asset, scratch, missing, replace))
    return [*stages, Publish(job.asset, job.outputs)]


def _needed(outputs: Sequence[Output], checks: Sequence[Task], find: Find) -> tuple[list[Task], tuple[SourceMap, ...]]:
    """Return the tasks that must be run for outputs, checks first, and the sources that must be read.

    Outputs that the store has passed their checks, whose keys are in theirs.
    """
    need = _Need(find)
    for task in checks if outputs else ():
        need.run(task)
    for output in outputs:
        followed = output.followed.values() if output.follows else ()
        for origin in [*output.maps.values(), *followed]:
            need.have(origin)
    return list(need.tasks.values()), tuple(need.sources.values())


@dataclass
class _Need:
    """Gathers what must be done so that maps are there."""

    find: Find
    tasks: dict[str, Task] = field(default_factory=dict)
    sources: dict[str, SourceMap] = field(default_factory=dict)

    def have(self, origin: MapOrigin) -> None:
        if isinstance(origin, SourceMap):
            self.sources[origin.key] = origin
        elif origin.task.key not in self.tasks and self.find(origin.task.key, MAPS_SUFFIX) is None:
            self.run(origin.task)

    def run(self, task: Task) -> None:
        for read in task.reads.values():
            self.have(read)
        self.tasks[task.key] = task


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
