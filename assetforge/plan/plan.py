"""The plan: which jobs there are, which are out of date, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from assetforge.codecs.formats import Format
from assetforge.errors import AssetForgeError, PipelineError, Problem, SourceError
from assetforge.material.map_spec import MapSpec
from assetforge.pipeline.pipeline import Input, Pipeline, StepUse, Variant
from assetforge.plan import keys
from assetforge.plan.assets import Asset, find_assets
from assetforge.plan.reasons import Kind, Reason, differences
from assetforge.steps import select

OutputState = Literal["as written", "missing", "changed"]
State = Literal["up to date", "out of date", "failed"]
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class SourceMap:
    """A map that is read from a file."""

    key: str
    path: Path
    shown: str
    sha256: str
    input: Input


@dataclass(frozen=True)
class WrittenMap:
    """A map that a task writes."""

    key: str
    name: str
    task: Task


MapOrigin = SourceMap | WrittenMap


@dataclass(frozen=True)
class Task:
    """One step of a job."""

    key: str
    use: StepUse
    seed: int
    reads: Mapping[str, MapOrigin]
    writes: Mapping[str, MapSpec]
    weights: Mapping[str, Path]
    weight_sums: Mapping[str, str]


@dataclass(frozen=True)
class Output:
    """One file that a job writes, with the maps in it."""

    key: str
    path: Path
    format: Format
    maps: Mapping[str, MapOrigin]
    followed: Mapping[str, SourceMap]
    """The sources whose depth each map keeps."""


@dataclass(frozen=True)
class Record:
    """What was known of a job when it was last built."""

    facts: Facts
    outputs: Mapping[str, str]
    """Key of each output by its path."""


@dataclass(frozen=True)
class Job:
    """One asset's run."""

    asset: str
    state: State
    reasons: tuple[Reason, ...]
    outputs: tuple[Output, ...] = ()
    facts: Facts = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(frozen=True)
class Plan:
    """All jobs of a pipeline."""

    pipeline: Pipeline
    jobs: tuple[Job, ...]

    def in_state(self, state: State) -> list[Job]:
        """Return the jobs in one state."""
        return [job for job in self.jobs if job.state == state]


@dataclass(frozen=True)
class Past:
    """What earlier runs left, as questions: the plan does not know how it is kept."""

    digest: keys.Digest
    record: Callable[[str], Record | None]
    output: Callable[[Path], OutputState]


def make_plan(pipeline: Pipeline, past: Past, only: Iterable[str] = (), *, force: bool = False) -> Plan:
    """Plan a pipeline; `only` are wildcards of asset names. Raise PipelineError where outputs collide."""
    assets = find_assets(pipeline)
    planner = _Planner(pipeline, past)
    jobs = [planner.job(asset, variant, force=force) for asset in assets for variant in pipeline.variants]
    _refuse_collisions(jobs, {source.path for job in jobs for source in _sources(job)}, pipeline)
    wanted = tuple(only)
    chosen = [job for job in jobs if not wanted or any(fnmatchcase(job.asset, glob) for glob in wanted)]
    if wanted and not chosen:
        known = ", ".join(asset.name for asset in assets[:8])
        raise PipelineError(
            [Problem("--only", f"no asset matches {', '.join(wanted)}", f"the first ones are: {known}")]
        )
    return Plan(pipeline, tuple(chosen))


class _Planner:
    def __init__(self, pipeline: Pipeline, past: Past) -> None:
        self.pipeline, self.past = pipeline, past
        self.steps = {id(variant): [self._facts(use) for use in variant.steps] for variant in pipeline.variants}

    def _facts(self, use: StepUse) -> tuple[StepUse, dict[str, Path], keys.StepFacts]:
        files = keys.weight_files(use)
        return use, files, keys.step_facts(use, files, self.past.digest)

    def job(self, asset: Asset, variant: Variant, *, force: bool) -> Job:
        name = job_name(asset, variant)
        if asset.missing:
            return Job(name, "failed", (), problem=asset.missing)
        try:
            sources = {name: self._source(name, path) for name, path in asset.sources.items()}
            maps = self._chain(sources, variant)
        except AssetForgeError as error:
            return Job(name, "failed", (), problem=error.problem)
        outputs = self._outputs(asset, variant, sources, maps)
        facts = self._job_facts(sources, variant, outputs)
        reasons = self._reasons(name, outputs, facts, force=force)
        return Job(name, "out of date" if reasons else "up to date", reasons, outputs, facts)

    def _source(self, name: str, relative: str) -> SourceMap:
        one, path = self.pipeline.inputs[name], self.pipeline.sources / relative
        digest = self.past.digest(path)
        return SourceMap(keys.source_key(digest, one), path, relative, digest, one)

    def _chain(self, sources: Mapping[str, SourceMap], variant: Variant) -> dict[str, MapOrigin]:
        """Follow the steps, and return where each map comes from in the end."""
        maps: dict[str, MapOrigin] = dict(sources)
        for use, files, facts in self.steps[id(variant)]:
            task = self._task(use, files, facts, maps, variant.seed)
            maps |= {name: WrittenMap(keys.written_key(task.key, name), name, task) for name in task.writes}
        return maps

    def _task(
        self, use: StepUse, files: dict[str, Path], facts: keys.StepFacts, maps: Mapping[str, MapOrigin], seed: int
    ) -> Task:
        specs = {name: self.pipeline.specs[name] for name in maps}
        reads = {name: self._read(name, maps, use) for name in sorted(select(use.step.reads, specs))}
        writes = {name: self.pipeline.specs[name] for name in sorted(select(use.step.writes, specs))}
        task = keys.task_key(facts, self.pipeline, seed, {name: origin.key for name, origin in reads.items()}, writes)
        return Task(task, use, seed, reads, writes, files, facts.weights)

    def _read(self, name: str, maps: Mapping[str, MapOrigin], use: StepUse) -> MapOrigin:
        if name not in maps:
            instead = f"the asset has: {', '.join(sorted(maps))}"
            raise SourceError(use.place, f"reads {name!r}, an optional map that this asset lacks", instead)
        return maps[name]

    def _outputs(
        self, asset: Asset, variant: Variant, sources: Mapping[str, SourceMap], maps: Mapping[str, MapOrigin]
    ) -> tuple[Output, ...]:
        outputs = self.pipeline.outputs
        fields = {**asset.fields, **variant.values}
        files: dict[Path, list[str]] = {}
        for name in maps:
            shown = {**fields, "map": name}
            stem = Path(outputs.dir.format_map(shown)) / outputs.name.format_map(shown)
            path = self.pipeline.file.absolute().parent / stem
            files.setdefault(path.with_name(path.name + outputs.format_of(name).suffix), []).append(name)
        return tuple(self._output(path, names, sources, maps) for path, names in files.items())

    def _output(
        self, path: Path, names: list[str], sources: Mapping[str, SourceMap], maps: Mapping[str, MapOrigin]
    ) -> Output:
        chosen = {name: maps[name] for name in names}
        followed = {name: sources[name] for name in names if name in sources}
        output_format = self.pipeline.outputs.format_of(names[0])
        key = keys.output_key(
            {name: origin.key for name, origin in chosen.items()},
            {name: source.sha256 for name, source in followed.items()},
            output_format,
            self.pipeline.outputs.green,
        )
        return Output(key, path, output_format, chosen, followed)

    def _job_facts(self, sources: Mapping[str, SourceMap], variant: Variant, outputs: tuple[Output, ...]) -> Facts:
        formats = {name: output.format.name for output in outputs for name in output.maps}
        return {
            "sources": {name: source.sha256 for name, source in sources.items()},
            "readings": {name: _reading(source.input) for name, source in sources.items()},
            "steps": [facts.data for _, _, facts in self.steps[id(variant)]],
            "seed": variant.seed,
            "precision": self.pipeline.precision,
            "formats": {**formats, "green": self.pipeline.outputs.green},
            "house": keys.house(),
        }

    def _reasons(self, name: str, outputs: tuple[Output, ...], facts: Facts, *, force: bool) -> tuple[Reason, ...]:
        if force:
            return (Reason("forced"),)
        record = self.past.record(name)
        if record is None:
            return (Reason("new"),)
        written = {str(output.path): output.key for output in outputs}
        if written != record.outputs:
            return tuple(differences(record.facts, facts)) or (_renamed(written, record.outputs),)
        states = [(self.past.output(output.path), output.path.name) for output in outputs]
        return tuple(Reason(_LOST[state], shown) for state, shown in states if state != "as written")


_LOST: Mapping[OutputState, Kind] = {"missing": "output missing", "changed": "output changed"}


def _renamed(now: Mapping[str, str], before: Mapping[str, str]) -> Reason:
    """Explain outputs that differ though nothing that they are made of does: they have other names."""
    gone, new = sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys())
    if not gone and not new:
        return Reason("assetforge changed", "key")
    return Reason("outputs renamed", "", *(Path(names[0]).name if names else "nothing" for names in (gone, new)))


def _reading(one: Input) -> str:
    return f"green {one.green}, channel {one.channel}, layer {one.layer}, wrap {one.wrap}"


def job_name(asset: Asset, variant: Variant) -> str:
    """Name a job: the asset, and the values of its variant where there are any."""
    values = ",".join(f"{key}={value}" for key, value in variant.values.items())
    return f"{asset.name}[{values}]" if values else asset.name


def _sources(job: Job) -> list[SourceMap]:
    return [source for output in job.outputs for source in output.followed.values()]


def _refuse_collisions(jobs: Iterable[Job], sources: set[Path], pipeline: Pipeline) -> None:
    """Refuse outputs that leave the root, that two jobs would write, or that would replace a source."""
    writers: dict[str, str] = {}
    real_sources = {path.resolve() for path in sources}
    root = pipeline.outputs.root.resolve()
    problems = []
    for job in jobs:
        for output in job.outputs:
            resolved, where = output.path.resolve(), str(output.path)
            other = writers.setdefault(str(resolved).casefold(), job.asset)
            if not resolved.is_relative_to(root):
                problems.append(Problem(where, f"{job.asset!r} would be written outside {root}", "rename the source"))
            elif resolved in real_sources:
                problems.append(Problem(where, f"{job.asset!r} would replace its source", "change `outputs`"))
            elif other != job.asset:
                what = f"{other!r} and {job.asset!r} would both be written here"
                problems.append(Problem(where, what, "tell them apart in outputs.dir or outputs.name"))
    if problems:
        raise PipelineError(problems)
