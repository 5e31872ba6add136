"""Run one job, in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from assetforge import weights
from assetforge.codecs.decode import Reading, decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import Depth
from assetforge.errors import AssetForgeError, SourceError, StepError
from assetforge.events import Event, StepProgress, StepStarted
from assetforge.execute import results
from assetforge.hookspecs import Hooks
from assetforge.material.map_spec import MapSpec
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.keys import written_key
from assetforge.plan.plan import Job, MapOrigin, Output, SourceMap, Task, WrittenMap
from assetforge.steps import Context
from assetforge.store import Store, stored


@dataclass(frozen=True)
class Workplace:
    """Where jobs run, and whom they tell."""

    pipeline: Pipeline
    store: Store
    hooks: Hooks
    device: str
    emit: Callable[[Event], None]


def run_job(job: Job, workplace: Workplace, *, force: bool = False) -> dict[Path, Path]:
    """Make the job's outputs; return where the content of each path lies in the store, not yet published.

    Raises SourceError where a source cannot be read, and StepError where a step fails or breaks its contract.
    """
    tasks, uses = _walk(job)
    read = frozenset(origin.key for task in tasks for origin in task.reads.values())
    run = _Run(job, workplace, force, uses, read)
    return {output.path: run.output(output) for output in job.outputs}


def _walk(job: Job) -> tuple[list[Task], Counter[str]]:
    """Return the tasks that the outputs depend on, and how often each map is asked for, by key."""
    tasks: dict[str, Task] = {}
    uses: Counter[str] = Counter()
    waiting = [origin for output in job.outputs for origin in output.maps.values()]
    while waiting:
        origin = waiting.pop()
        uses[origin.key] += 1
        if isinstance(origin, WrittenMap) and origin.task.key not in tasks:
            tasks[origin.task.key] = origin.task
            waiting += origin.task.reads.values()
    return list(tasks.values()), uses


@dataclass
class _Run:
    """The maps of one job that are in memory, by key, and how often each will still be asked for."""

    job: Job
    workplace: Workplace
    force: bool
    uses: Counter[str]
    read: frozenset[str]
    """Maps that some step reads."""
    maps: dict[str, Texture] = field(default_factory=dict)
    depths: dict[str, Depth] = field(default_factory=dict)

    def output(self, output: Output) -> Path:
        """Make one output file in the store, unless it is there."""
        path = self.workplace.store.path(output.key, output.format.suffix)
        if stored(path) and not self.force:
            return path
        maps = {name: (self.take(origin), self._spec(name)) for name, origin in output.maps.items()}
        depths = [self._depth(source) for source in output.followed.values()]
        deepest = max(depths, key=_DEPTHS.index) if depths else None
        resolved = output.format.resolve(deepest, next(iter(maps.values()))[1])
        try:
            content = encode(maps, resolved, self.workplace.pipeline.outputs.green)
        except ValueError as error:
            raise StepError(output.path.name, str(error)) from error
        return self.workplace.store.put(output.key, output.format.suffix, content)

    def _spec(self, name: str) -> MapSpec:
        return self.workplace.pipeline.specs[name]

    def _depth(self, source: SourceMap) -> Depth:
        if source.key not in self.depths:
            self._decode(source)
        return self.depths[source.key]

    def take(self, origin: MapOrigin) -> Texture:
        """Return a map, computing it if need be; let go of it after its last use."""
        if origin.key not in self.maps:
            if isinstance(origin, SourceMap):
                self.maps[origin.key] = self._decode(origin)
            else:
                self._run_task(origin.task)
        self.uses[origin.key] -= 1
        return self.maps.pop(origin.key) if self.uses[origin.key] <= 0 else self.maps[origin.key]

    def _decode(self, source: SourceMap) -> Texture:
        one = source.input
        reading = Reading(one.green, one.channel, one.layer, one.wrap)
        decoded = decode(source.path, one.spec, reading, str(source.path))
        if weights.sha256(source.path) != source.sha256:
            raise SourceError(str(source.path), "was changed while it was read", "run again")
        self.depths[source.key] = decoded.depth
        return decoded.texture

    def _run_task(self, task: Task) -> None:
        """Compute what a task writes, or take it from the store."""
        path = self.workplace.store.path(task.key, results.SUFFIX)
        written = results.unpack(path) if stored(path) and not self.force else None
        if written is not None:
            self.workplace.emit(StepStarted(self.job.asset, task.use.step.name, from_store=True))
        else:
            written = self._compute(task)
            if self._feeds_another(task):
                self.workplace.store.put(task.key, results.SUFFIX, results.pack(written))
        for name, texture in written.items():
            key = written_key(task.key, name)
            if self.uses[key] > 0:
                self.maps[key] = texture

    def _feeds_another(self, task: Task) -> bool:
        """Only what a later step reads is kept as it is: final results are kept as the files that they become."""
        return any(written_key(task.key, name) in self.read for name in task.writes)

    def _compute(self, task: Task) -> dict[str, Texture]:
        step = task.use.step
        device = "cpu" if step.device == "cpu" else self.workplace.device
        # The material has no name of its own here: a name is not in the key, so a step must not know it.
        material = Material("material", {name: self.take(origin) for name, origin in task.reads.items()})
        context = Context(
            seed=task.seed,
            precision=self.workplace.pipeline.precision,
            device=device,
            progress=self._progress(task),
            weights=_verified(task),
            specs={name: self._spec(name) for name in task.reads.keys() | task.writes.keys()},
        )
        self.workplace.emit(StepStarted(self.job.asset, step.name, from_store=False))
        before = _versions(material)
        try:
            with torch.no_grad():
                result = self.workplace.hooks.run_step(
                    step=step, material=material, params=task.use.params, context=context
                )
        except AssetForgeError:
            raise
        except Exception as error:  # a step is a stranger's code: whatever it raises fails this asset and no other
            raise StepError(f"step {step.name!r}", f"{type(error).__name__}: {error}") from error
        if _versions(material) != before:
            raise StepError(f"step {step.name!r}", "changed its input in place", "compute into new tensors")
        return _checked(result, task)

    def _progress(self, task: Task) -> Callable[[float], None]:
        asset, step = self.job.asset, task.use.step.name
        return lambda fraction: self.workplace.emit(StepProgress(asset, step, fraction))


_DEPTHS: tuple[Depth, ...] = ("8", "16", "half", "float")


def _versions(material: Material) -> list[int]:
    """Count the in-place changes of every tensor, as torch does: other steps may still need the same maps."""
    tensors = [t for texture in material.values() for t in (texture.data, texture.alpha) if t is not None]
    return [tensor._version for tensor in tensors]


def _verified(task: Task) -> Mapping[str, Path]:
    for name, path in task.weights.items():
        if weights.sha256(path) != task.weight_sums[name]:
            raise StepError(str(path), "the weights were changed since they were planned with", "run again")
    return task.weights


def _checked(result: object, task: Task) -> dict[str, Texture]:
    """Take what the step declared to write, on the CPU; raise StepError where it is missing or not valid."""
    where = f"step {task.use.step.name!r}"
    if not isinstance(result, Material):
        raise StepError(where, f"returned a {type(result).__name__}", "return a Material")
    written = {}
    for name, spec in task.writes.items():
        if name not in result:
            raise StepError(where, f"did not write {name!r}, as it declares", f"it wrote: {', '.join(result)}")
        written[name] = result[name].to("cpu")
        try:
            check_map(written[name], spec)
        except ValueError as error:
            raise StepError(where, str(error)) from error
        _check_finite(written[name], name, where)
    return written


def _check_finite(texture: Texture, name: str, where: str) -> None:
    for pixels in (texture.data, texture.alpha):
        if pixels is not None and not all(bound.isfinite() for bound in torch.aminmax(pixels)):
            raise StepError(where, f"wrote values into {name!r} that are not finite", "nothing was published")
