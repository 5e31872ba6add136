"""The plan: which jobs there are, which are out of date, and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import starmap
from pathlib import Path
from typing import NamedTuple

from assetforge.codecs.allowance import MAX_BYTES
from assetforge.codecs.reading import PLAIN, Reading
from assetforge.codecs.regular import is_file
from assetforge.errors import AssetForgeError, OutputError, PipelineError, Problem, SourceError, is_text, printable_name
from assetforge.pipeline.pipeline import Pipeline, StepUse, Variant
from assetforge.pipeline.presets import RAW, Preset
from assetforge.plan import keys
from assetforge.plan.assets import Asset, find_assets
from assetforge.plan.collisions import find_collisions, summary
from assetforge.plan.exports import Material, exported, loses_color
from assetforge.plan.held import output_facts, source_facts
from assetforge.plan.history import BuildHistory, OutputState, Record
from assetforge.plan.jobs import (
    Facts,
    Gone,
    Job,
    Kind,
    MapOrigin,
    Output,
    Plan,
    Reason,
    SourceMap,
    State,
    Task,
    WrittenMap,
    tasks_of,
)
from assetforge.plan.keys import differences

SpecialVariants = Callable[[Sequence[Path]], tuple[Variant, ...]]
"""Gives the variants of an asset that has override files."""


class PlanOptions(NamedTuple):
    """Which jobs are planned, and how."""

    only: tuple[str, ...] = ()
    """Wildcards of asset names; all where there are none."""
    force: bool = False
    """Build what is up to date, too."""
    retry: bool = False
    """Try what is quarantined again."""
    explain: bool = False
    """Say how outputs are made even where they are up to date."""


def make_plan(
    pipeline: Pipeline, history: BuildHistory, special: SpecialVariants, options: PlanOptions | None = None
) -> Plan:
    """Plan a pipeline. Raise PipelineError where sources do not fit the patterns, or outputs collide."""
    options = options or PlanOptions()
    planner = Planner(pipeline, history, options)
    cached = lru_cache(maxsize=None)(special)
    found = find_assets(pipeline)
    jobs = [
        planner.job(asset, variant)
        for asset in found.assets
        for variant in (cached(asset.overrides) if asset.overrides else pipeline.variants)
    ]
    if collisions := find_collisions(jobs, pipeline):
        raise PipelineError(summary(collisions))
    if options.only:
        return Plan(pipeline, _chosen(jobs, options.only), remarks=found.remarks)
    return _whole(pipeline, jobs, history)._replace(remarks=found.remarks, listed=lambda: found.listed)


def plan_assets(
    pipeline: Pipeline,
    history: BuildHistory,
    special: SpecialVariants,
    assets: Iterable[Asset],
    options: PlanOptions | None = None,
    *,
    all_of_them: bool,
) -> Plan:
    """Plan assets as they come and go: what is wrong with one stops no other, and there may be none at all.

    Only a plan of all of them tells what is gone.
    """
    planner = Planner(pipeline, history, options or PlanOptions())
    cached = lru_cache(maxsize=None)(special)
    jobs: list[Job] = []
    for asset in assets:
        try:
            variants = cached(asset.overrides) if asset.overrides else pipeline.variants
        except AssetForgeError as error:
            jobs.append(Job(printable_name(asset.name), "failed", problem=error.problem, base=asset.name))
        else:
            jobs += [planner.job(asset, variant) for variant in variants]
    refused = {asset: found.problem for found in find_collisions(jobs, pipeline) for asset in found.assets}
    jobs = [_refused(job, refused[job.asset]) if job.asset in refused else job for job in jobs]
    return _whole(pipeline, jobs, history) if all_of_them else Plan(pipeline, tuple(jobs))


def _refused(job: Job, problem: Problem) -> Job:
    return Job(job.asset, "failed", (), job.signature, job.sources, job.files, problem=problem, base=job.base)


def _chosen(jobs: Sequence[Job], only: Sequence[str]) -> tuple[Job, ...]:
    chosen = tuple(job for job in jobs if any(_is_meant(job, glob) for glob in only))
    if not chosen:
        known = ", ".join(job.asset for job in jobs[:8])
        raise PipelineError([Problem("", f"no asset matches {', '.join(only)}", f"the first ones are: {known}")])
    return chosen


def _is_meant(job: Job, glob: str) -> bool:
    """Tell whether a job is meant by its name, by that of its asset without the variant, or by a wildcard."""
    return glob in (job.asset, job.base) or fnmatchcase(job.asset, glob)


def _whole(pipeline: Pipeline, jobs: Sequence[Job], history: BuildHistory) -> Plan:
    """Return the plan of all jobs, with what is not made any more."""
    plan = Plan(pipeline, tuple(jobs), is_whole=True)
    unplanned = set(history.recorded()) - {job.asset for job in jobs}
    changing = [job for job in jobs if job.state == "out of date" and "new" not in {one.kind for one in job.reasons}]
    if not (unplanned or changing or history.stale()):
        return plan
    needed = plan.needed
    gone = tuple(_gone(sorted(unplanned), jobs, needed, history, pipeline.folder))
    before = [name for job in changing if (record := history.record(job.asset)) for name in record.outputs]
    return plan._replace(gone=gone, stale=tuple(sorted({*history.stale(), *before} - needed)))


def _gone(
    unplanned: Iterable[str], jobs: Sequence[Job], needed: set[str], history: BuildHistory, folder: Path
) -> Iterator[Gone]:
    """Yield the recorded jobs that are not planned any more; not those of an asset whose overrides are wrong now."""
    unsure = tuple(f"{job.asset}[" for job in jobs if job.state == "failed")
    for asset in unplanned:
        record = history.record(asset)
        if record and not asset.startswith(unsure):
            there = all(is_file(folder / name) for name in record.sources)
            why = "the pipeline does not make it any more" if there else "its sources are gone"
            yield Gone(asset, tuple(name for name in record.outputs if name not in needed), record.sources, why)


class _Step(NamedTuple):
    """A step of a variant, with the files of its weights and its facts."""

    name: str
    use: StepUse
    weights: dict[str, Path]
    facts: keys.StepFacts


class _Prepared(NamedTuple):
    """A variant with the facts of its steps, and a digest of all that the jobs of this variant share."""

    variant: Variant
    steps: tuple[_Step, ...]
    digest: str


class Planner:
    """Plans the jobs of a pipeline, one by one."""

    def __init__(self, pipeline: Pipeline, history: BuildHistory, options: PlanOptions) -> None:
        self.pipeline, self.history, self.options = pipeline, history, options
        self.folder = str(pipeline.folder)
        self.sources = source_prefix(pipeline)
        self._prepared: dict[int, _Prepared] = {}

    def prepared(self, variant: Variant) -> _Prepared:
        """Gather what the jobs of a variant share; once, as there may be very many."""
        if id(variant) not in self._prepared:
            steps = tuple(starmap(self._step, zip(_names(variant.steps), variant.steps, strict=True)))
            digest = keys.variant_digest(self.pipeline, variant, [step.facts for step in steps])
            self._prepared[id(variant)] = _Prepared(variant, steps, digest)
        return self._prepared[id(variant)]

    def _step(self, name: str, use: StepUse) -> _Step:
        files = keys.weight_files(use)
        return _Step(name, use, files, keys.step_facts(use, files, self._digest))

    def _digest(self, path: Path) -> str:
        return self.history.digest(_relative(path, self.pipeline.folder))

    def job(self, asset: Asset, variant: Variant) -> Job:
        """Plan one job, without working out its keys where it is plain that nothing has changed."""
        name = printable_name(job_name(asset, variant))
        sources = tuple(self.sources + path for path in asset.sources.values())
        if not all(map(is_text, sources)):
            problem = Problem(str(self.pipeline.folder / sources[0]), "its name is not UTF-8", "rename it")
            return Job(name, "failed", sources=sources, problem=problem, base=asset.name)
        if asset.conflict:
            return Job(name, "failed", sources=sources, problem=asset.conflict, base=asset.name)
        if asset.unclear:
            return Job(name, "failed", sources=sources, problem=asset.unclear, base=asset.name)
        if strays := self._strays(sources):
            return Job(name, "failed", sources=sources, problem=strays, base=asset.name)
        if asset.missing:
            return Job(name, "incomplete", sources=sources, problem=asset.missing, base=asset.name)
        try:
            digests = [self.history.digest(path, MAX_BYTES) for path in sources]
            prepared = self.prepared(variant)
        except SourceError as error:
            return Job(name, "failed", sources=sources, problem=error.problem, base=asset.name)
        spelled = [f"{name} {_spelled(asset.readings[name])}" for name in asset.sources if name in asset.readings]
        signature = keys.signature(prepared.digest, asset.fields, spelled or asset.sources, digests)
        files = None if self.options.force or self.options.explain else self.history.current(name, signature)
        if files is not None:
            flags = self.history.flags(name)
            return Job(name, "up to date", (), signature, sources, files, base=asset.name, flags=flags)
        return self._job(asset, prepared, name, signature, dict(zip(asset.sources, digests, strict=True)))

    def _strays(self, sources: Iterable[str]) -> Problem | None:
        """Return what is wrong with the first source that lies where it may not."""
        confinement = self.pipeline.confinement
        if confinement is None:
            return None
        paths = (self.pipeline.folder / source for source in sources)
        found = next((path for path in paths if not confinement.holds(path)), None)
        return None if found is None else Problem(str(found), confinement.refusal, "remove the link")

    def _job(
        self,
        asset: Asset,
        prepared: _Prepared,
        name: str,
        signature: str,
        digests: Mapping[str, str],
    ) -> Job:
        record = self.history.record(name)
        sources = tuple(self.sources + path for path in asset.sources.values())
        try:
            maps = {map_name: self._source(map_name, asset, sha256) for map_name, sha256 in digests.items()}
            chain, tasks = self._chain(maps, prepared)
            checks = [task for task in tasks if task.use.step.only_checks]
            outputs = tuple(self._outputs(asset, prepared.variant, maps, chain, [task.key for task in checks]))
            self._check_places(outputs)
        except AssetForgeError as error:
            return Job(name, "failed", (), signature, sources, problem=error.problem, base=asset.name)
        files = tuple(output.name for output in outputs)
        facts = self._job_facts(maps, prepared, outputs)
        reasons = self._reasons(name, outputs, facts, record)
        if record and not reasons and record.signature != signature:
            self.history.confirm(name, signature)
        held = None if self.options.retry or not reasons else self.history.quarantined(name)
        if held is not None and held.signature == signature:
            times = "once" if held.attempts == 1 else f"{held.attempts} times"
            why = f"quarantined, as it failed {times}" if held.attempts else "quarantined until it is retried"
            problem = Problem("", f"{held.error} ({why})")
            return Job(name, "quarantined", reasons, signature, sources, files, problem=problem, base=asset.name)
        state: State = "out of date" if reasons else "up to date"
        made = [origin for output in outputs for origin in output.maps.values()]
        needed = tasks_of([*made, *(origin for task in checks for origin in task.reads.values())])
        needed |= {task.key for task in checks}
        tasks = tuple(task for task in tasks if task.key in needed)
        flags = () if reasons else self.history.flags(name)
        return Job(
            name, state, reasons, signature, sources, files, outputs, facts,
            base=asset.name, tasks=tasks, flags=flags, digests=dict(zip(sources, digests.values(), strict=True)),
        )  # fmt: skip

    def _source(self, name: str, asset: Asset, sha256: str) -> SourceMap:
        one = self.pipeline.inputs[name]
        if name in asset.readings:
            one = one._replace(reading=replace(asset.readings[name], wrap=one.reading.wrap))
        return SourceMap(
            keys.source_key(sha256, one, self.pipeline.coders), self.pipeline.sources / asset.sources[name], sha256, one
        )

    def _chain(
        self, sources: Mapping[str, SourceMap], prepared: _Prepared
    ) -> tuple[dict[str, MapOrigin], tuple[Task, ...]]:
        """Follow the steps, and return where each map comes from in the end, and all tasks in order."""
        maps: dict[str, MapOrigin] = dict(sources)
        tasks: dict[str, Task] = {}
        for step in prepared.steps:
            task = self._task(step, maps, prepared.variant.seed)
            task = tasks.setdefault(task.key, task)  # the same step on the same maps is done once
            maps |= {name: WrittenMap(keys.written_key(task.key, name), name, task) for name in task.writes}
        return maps, tuple(tasks.values())

    def _task(self, step: _Step, maps: Mapping[str, MapOrigin], seed: int) -> Task:
        use, files, facts = step.use, step.weights, step.facts
        specs = {name: self.pipeline.specs[name] for name in maps}
        reads = {name: self._read(name, maps, use) for name in sorted(use.step.reads_with(use.params, specs))}
        writes = {name: self.pipeline.specs[name] for name in sorted(use.step.writes_with(use.params, specs))}
        task = keys.task_key(facts, self.pipeline, seed, {name: origin.key for name, origin in reads.items()}, writes)
        named = keys.named_files(use.params)
        return Task(task, use, seed, reads, writes, files, facts.weights, named, facts.files, step.name)

    def _read(self, name: str, maps: Mapping[str, MapOrigin], use: StepUse) -> MapOrigin:
        if name not in maps:
            instead = f"the asset has: {', '.join(sorted(maps))}"
            raise SourceError(use.place, f"reads {name!r}, an optional map that this asset lacks", instead)
        return maps[name]

    def _outputs(
        self,
        asset: Asset,
        variant: Variant,
        sources: Mapping[str, SourceMap],
        maps: Mapping[str, MapOrigin],
        checks: Sequence[str],
    ) -> Iterator[Output]:
        outputs = self.pipeline.outputs
        fields = {**asset.fields, **variant.values}
        written = {name: maps[name] for name in self._written(maps)}
        material = Material(written, sources, self.pipeline.specs, fields, checks)
        for preset in outputs.presets or (Preset(RAW),):
            if not preset.files:
                yield from self._plain(preset, material)
            elif loses_color(preset, material):
                what = f"has a diffuse color, and no base color, which the preset {preset.name} writes"
                raise SourceError("", what, "let the step `convert` with `{to: metalness}` make it")
            elif made := list(exported(preset, material, outputs, self.pipeline.folder)):
                yield from made
            else:
                what = f"has no map that the preset {preset.name} writes"
                raise SourceError("", what, f"it has: {', '.join(written)}")

    def _plain(self, preset: Preset, material: Material) -> Iterator[Output]:
        """Yield each map as a file of its own, or as a layer of one for all."""
        outputs = self.pipeline.outputs
        files: dict[str, list[str]] = {}
        for name in material.maps:
            shown = {**material.fields, "map": name, "preset": preset.name}
            stem = Path(outputs.dir.format_map(shown)) / outputs.name.format_map(shown)
            files.setdefault(stem.as_posix() + outputs.format_of(name).suffix, []).append(name)
        yield from (self._output(file, names, material) for file, names in files.items())

    def _written(self, maps: Mapping[str, MapOrigin]) -> list[str]:
        """Choose the maps that are written; an asset that has none of them is a mistake and not silence."""
        written = [name for name in maps if self.pipeline.outputs.writes(name)]
        if not written:
            listed = ", ".join(sorted(self.pipeline.outputs.maps or ()))
            what = f"has none of the maps that outputs.maps lists ({listed})"
            raise SourceError("", what, f"it has: {', '.join(maps)}")
        return written

    def _output(self, file: str, names: list[str], material: Material) -> Output:
        chosen = {name: material.maps[name] for name in names}
        followed = {name: material.sources[name] for name in names if name in material.sources}
        output_format = self.pipeline.outputs.format_of(names[0])
        key = keys.output_key(
            {name: origin.key for name, origin in chosen.items()},
            {name: source.sha256 for name, source in followed.items()},
            material.checks,
            output_format,
            self.pipeline.outputs.green,
            self.pipeline.coders,
        )
        return Output(key, file, self.pipeline.folder / file, output_format, chosen, followed)

    def _check_places(self, outputs: Iterable[Output]) -> None:
        """Refuse an output that would lie where it may not."""
        confinement = self.pipeline.confinement
        for output in outputs if confinement is not None else ():
            if confinement is not None and not confinement.holds(output.path.parent):
                raise OutputError(str(output.path), confinement.refusal, "remove the link")

    def _job_facts(self, sources: Mapping[str, SourceMap], prepared: _Prepared, outputs: Sequence[Output]) -> Facts:
        plain = [(output.format, output.maps) for output in outputs if output.format and not output.packing]
        formats = {name: output_format.name for output_format, maps in plain for name in maps}
        return {
            "sources": {name: source.sha256 for name, source in sources.items()},
            "readings": {name: _spelled(source.input.reading) for name, source in sources.items()},
            "steps": [step.facts.data for step in prepared.steps],
            "seed": prepared.variant.seed,
            "maps": self.pipeline.outputs.maps and sorted(self.pipeline.outputs.maps),
            "formats": {**formats, "green": self.pipeline.outputs.green},
            "presets": {preset.name: keys.preset_digest(preset) for preset in self.pipeline.outputs.presets},
            "wrappers": dict(self.pipeline.wrappers),
            "host": keys.host_code_digest(),
            "holds": {
                "sources": [source_facts(source) for source in sources.values()],
                "outputs": {output.name: output_facts(self.pipeline, output) for output in outputs},
            },
        }

    def _reasons(self, name: str, outputs: Sequence[Output], facts: Facts, record: Record | None) -> tuple[Reason, ...]:
        if self.options.force:
            return (Reason("forced"),)
        if record is None:
            return (Reason("new"),)
        written = {output.name: output.key for output in outputs}
        if written != record.outputs:
            return tuple(differences(self.history.facts(name), facts)) or (_renamed(written, record.outputs),)
        states = [(self.history.output(output.name), output) for output in outputs]
        lost = [(state, one) for state, one in states if state == "missing" or not one.is_shared]
        return tuple(Reason(_LOST[state], one.path.name) for state, one in lost if state != "as written")


_LOST: Mapping[OutputState, Kind] = {"missing": "output missing", "changed": "output changed"}


def _renamed(now: Mapping[str, str], before: Mapping[str, str]) -> Reason:
    """Explain outputs that differ though nothing that they are made of does: they have other names."""
    gone, new = sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys())
    if not gone and not new:
        return Reason("assetforge changed", "key")
    return Reason("outputs renamed", "", *(Path(names[0]).name if names else "nothing" for names in (gone, new)))


def _names(steps: Sequence[StepUse]) -> Iterator[str]:
    """Yield what reports call each step: the second `upscale` of a pipeline is `upscale 2`."""
    seen: Counter[str] = Counter()
    for use in steps:
        seen[use.step.name] += 1
        number = seen[use.step.name]
        yield use.step.name if number == 1 else f"{use.step.name} {number}"


def _spelled(reading: Reading) -> str:
    """Spell how a file is read, as far as that is not as always."""
    said = {name: value for name, value in vars(reading).items() if value != getattr(PLAIN, name)}
    return ", ".join(f"{name} {value}" for name, value in said.items()) or "plain"


def source_prefix(pipeline: Pipeline) -> str:
    """Return what the names of all sources begin with, as jobs spell them; the folder need not be there."""
    relative = _relative(pipeline.sources, pipeline.folder)
    return "" if relative == "." else f"{relative}/"


def _relative(path: Path, folder: Path) -> str:
    """Spell a path from a folder, so that a project may be moved."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.absolute().as_posix()


def job_name(asset: Asset, variant: Variant) -> str:
    """Name a job: the asset, and the values of its variant where there are any."""
    return asset.name + variant.suffix
