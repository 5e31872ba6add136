"""The values that a plan is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from assetforge.codecs.formats import Format
from assetforge.codecs.packing import Packing
from assetforge.errors import Problem
from assetforge.flags import Flag
from assetforge.material.map_spec import MapSpec
from assetforge.pipeline.pipeline import Input, Pipeline, StepUse

if TYPE_CHECKING:
    from assetforge.export.description import Description

State = Literal["up to date", "out of date", "incomplete", "failed", "quarantined"]
"""`incomplete`: a source is missing; `failed`: something else keeps it from being built."""
NOT_MADE = "it is not made any more"
"""Why an output is removed whose asset is still built."""
Facts = Mapping[str, Any]
Listed = Mapping[str, tuple[list[str], list[str]]]
"""The names of the files and of the folders in each folder of sources."""


Kind = Literal[
    "new", "forced", "input changed", "input added", "input removed", "reading changed", "params changed",
    "file changed", "steps changed", "step version changed", "seed changed", "plugin changed",
    "plugin code changed", "weights changed", "format changed", "preset changed", "maps changed", "assetforge changed",
    "output missing", "output changed", "outputs renamed",
]  # fmt: skip


class Reason(NamedTuple):
    """One cause: what kind, of what, and from what to what where that can be told."""

    kind: Kind
    subject: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        noun, _, verb = self.kind.rpartition(" ")
        change = f"{self.before} → {self.after}" if self.before or self.after else ""
        if self.kind == "params changed":
            return f"params changed: {self.subject} {change}"
        if self.kind == "plugin changed":
            return f"plugin {self.subject} {change}"
        text = f"{noun} {self.subject} {verb}" if self.subject else self.kind
        return f"{text}: {change}" if change else text


class SourceMap(NamedTuple):
    """A map that is read from a file."""

    key: str
    path: Path
    sha256: str
    input: Input


class WrittenMap(NamedTuple):
    """A map that a task writes."""

    key: str
    name: str
    task: Task


MapOrigin = SourceMap | WrittenMap


class Task(NamedTuple):
    """One step of a job."""

    key: str
    use: StepUse
    seed: int
    reads: Mapping[str, MapOrigin]
    writes: Mapping[str, MapSpec]
    weights: Mapping[str, Path]
    weight_sums: Mapping[str, str]
    files: Mapping[str, Path]
    """The files that its parameters name, by their places in them."""
    file_sums: Mapping[str, str]
    name: str
    """What reports call it: its step's name, with a number where a pipeline uses the step more than once."""


class DescribedOutput(NamedTuple):
    """A text that describes other outputs to a program."""

    about: Description
    file: str
    """Which one of the texts that the descriptor gives."""
    code: str
    """The digest of the code that writes it."""

    @property
    def facts(self) -> list[str]:
        """What the text is made of."""
        return [repr(self.about), self.file, self.code]


class Output(NamedTuple):
    """One file that a job writes, with the maps in it."""

    key: str
    name: str
    """Its place, relative to the pipeline's folder, with `/`."""
    path: Path
    format: Format | None
    """None for a text."""
    maps: Mapping[str, MapOrigin]
    """Those that it holds; of a text, those that decide what it says."""
    followed: Mapping[str, SourceMap]
    """The sources whose depth each map keeps."""
    packing: Packing | None = None
    """How maps are laid into channels; None where each is a picture, or a layer, of its own."""
    described: DescribedOutput | None = None
    """What it says, if it is a text."""

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return self.path.suffix if self.format is None else self.format.suffix

    @property
    def follows(self) -> bool:
        """Whether its depth is that of sources."""
        return self.format is not None and self.format.depth is None

    @property
    def is_shared(self) -> bool:
        """Whether a program that reads it adds to it, which is no reason to write it anew."""
        if self.format is not None:
            return False
        from assetforge.export.descriptors import SHARED

        return self.suffix in SHARED


def tasks_of(origins: Iterable[MapOrigin]) -> set[str]:
    """Return the keys of the tasks that maps are made by, from the first to the last."""
    found: set[str] = set()
    ahead = list(origins)
    while ahead:
        origin = ahead.pop()
        if isinstance(origin, WrittenMap) and origin.task.key not in found:
            found.add(origin.task.key)
            ahead += origin.task.reads.values()
    return found


class Job(NamedTuple):  # and no dataclass: there may be very many, and frozen ones are slow to make
    """One asset's run."""

    asset: str
    state: State
    reasons: tuple[Reason, ...] = ()
    signature: str = ""
    """Digest of all that the job depends on, its outputs' names included."""
    sources: tuple[str, ...] = ()
    """The files it is made of, relative to the pipeline's folder."""
    files: tuple[str, ...] = ()
    """The files it makes, likewise."""
    outputs: tuple[Output, ...] = ()
    """How they are made; empty where nobody needs to know, as the job is up to date."""
    facts: Facts = MappingProxyType({})
    problem: Problem | None = None
    """What keeps it from being built."""
    base: str = ""
    """The asset without its variant."""
    tasks: tuple[Task, ...] = ()
    """The steps that its outputs are made by, in order; empty as `outputs` are."""
    flags: tuple[Flag, ...] = ()
    """Why its outputs, though up to date, are doubtful."""
    digests: Mapping[str, str] = MappingProxyType({})
    """The sha256 of each of `sources`, as it was planned with; empty as `outputs` are."""


def sources_of(job: Job) -> list[SourceMap]:
    """Return the sources that a job's outputs are made of, each once."""
    found: dict[str, SourceMap] = {}
    ahead: list[MapOrigin] = [origin for output in job.outputs for origin in output.maps.values()]
    ahead += [origin for task in job.tasks for origin in task.reads.values()]
    for origin in ahead:
        if isinstance(origin, SourceMap):
            found[origin.key] = origin
    return list(found.values())


class Gone(NamedTuple):
    """An asset that was built and is not planned any more."""

    asset: str
    files: tuple[str, ...]
    """Its outputs that nothing else makes."""
    sources: tuple[str, ...]
    why: str


class Plan(NamedTuple):
    """Jobs of a pipeline."""

    pipeline: Pipeline
    jobs: tuple[Job, ...]
    is_whole: bool = False
    """Whether these are all jobs that there are. Only then is it known what is not made any more."""
    gone: tuple[Gone, ...] = ()
    stale: tuple[str, ...] = ()
    """Other outputs that were made and are not any more, or will not be when the jobs are done."""
    remarks: tuple[str, ...] = ()
    """What is odd about the sources, though nothing is wrong."""
    listed: Callable[[], Listed] = dict
    """Gives what the jobs were made from; few ask for it, and where most jobs are known it costs as much as they do."""

    @property
    def needed(self) -> set[str]:
        """The names of all outputs of the jobs, and of all their sources, which outputs of earlier times may be."""
        return {name for job in self.jobs for name in (*job.files, *job.sources)}

    def in_state(self, state: State) -> list[Job]:
        """Return the jobs in one state."""
        return [job for job in self.jobs if job.state == state]
