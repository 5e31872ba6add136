"""Compute: run the tasks of a stage, check what they return, and keep it where others will look for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch

from assetforge import weights
from assetforge.codecs.decode import for_steps
from assetforge.errors import AssetForgeError, ChangedError, StepError
from assetforge.events import StepProgress, StepStarted
from assetforge.execute.map_io import folder_size, load_map, load_maps, save_maps, save_to_scratch
from assetforge.execute.messages import Done
from assetforge.execute.stages import Compute, StageContext
from assetforge.execute.step_errors import step_failure
from assetforge.flags import Flag
from assetforge.hookspecs import Hooks
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.plan.jobs import MapOrigin, SourceMap, Task
from assetforge.plan.keys import written_key
from assetforge.steps import JSON, Context
from assetforge.store import notes
from assetforge.store.notes import Notes
from assetforge.store.results import MAPS_SUFFIX, Store
from assetforge.store.state import Stat, stat_of

MAX_TILE_DIVISOR = 8
"""Tiles are made at most this many times smaller when a device runs out of memory."""


def compute(stage: Compute, context: StageContext) -> Done:
    """Run tasks; keep what other tasks read in the store, and what outputs need in the scratch folder."""
    cache = _MapCache(stage.scratch, context.setup.store, Counter(o.key for t in stage.tasks for o in t.reads.values()))
    for task in stage.tasks:
        material = Material("material", {name: _input(name, origin, cache) for name, origin in task.reads.items()})
        recorder = NoteRecorder(task.use.step.name)
        written = _run(task, material, stage.asset, context, recorder)
        del material
        # Before the result, so that a process that finds the result finds its notes, too.
        notes.keep(context.setup.store, task.key, recorder.notes, replace=stage.replace)
        if task.key in stage.kept:
            _keep(task, written, context.setup.store, replace=stage.replace)
        for name, texture in written.items():
            key = written_key(task.key, name)
            if key in stage.wanted:
                save_to_scratch(stage.scratch, key, {name: texture})
            cache.put(key, texture)
    return Done(folder_size(stage.scratch))


def _input(name: str, origin: MapOrigin, cache: _MapCache) -> Texture:
    """Return a map as a step may rely on it: what no step writes stays as its file has it."""
    texture = cache.take(name, origin)
    return for_steps(texture, origin.input.spec) if isinstance(origin, SourceMap) else texture


def _keep(task: Task, written: Mapping[str, Texture], store: Store, *, replace: bool) -> None:
    def check(path: Path) -> None:
        if load_maps(path) is None:
            raise StepError(
                f"step {task.use.step.name!r}", "its result was not kept whole", "see that the disk is well"
            )

    store.put(task.key, MAPS_SUFFIX, lambda path: save_maps(path, written), check, replace=replace)


@dataclass
class _MapCache:
    """The maps of one job: those in memory that will be asked for again, the others in the scratch folder or store."""

    scratch: Path
    store: Store
    uses: Counter[str]
    """How often each map will still be asked for."""
    maps: dict[str, Texture] = field(default_factory=dict)

    def put(self, key: str, texture: Texture) -> None:
        if self.uses[key] > 0:
            self.maps[key] = texture

    def take(self, name: str, origin: MapOrigin) -> Texture:
        """Return a map; let go of it after its last use."""
        texture = self.maps.get(origin.key) or load_map(name, origin, self.scratch, self.store)[0]
        self.uses[origin.key] -= 1
        if self.uses[origin.key] > 0:
            self.maps[origin.key] = texture
        else:
            self.maps.pop(origin.key, None)
        return texture


def _run(
    task: Task, material: Material, asset: str, context: StageContext, recorder: NoteRecorder
) -> dict[str, Texture]:
    """Run one step and check what it returns.

    The material has no name of its own here: a name is not in the key, so a step must not know it.
    """
    step = task.use.step
    step_context = Context(
        seed=task.seed,
        device="cpu" if task.use.resources.device == "cpu" else context.device,
        progress=lambda fraction: context.emit(StepProgress(asset, step.name, float(fraction))),
        weights=task.weights,
        specs={name: context.setup.specs[name] for name in task.reads.keys() | task.writes.keys()},
        note=recorder.note,
        flag=recorder.flag,
    )
    context.emit(StepStarted(asset, step.name, task.use.resources.time_limit))
    _verify_files(task)
    before = _versions(material)
    try:
        with torch.no_grad():
            result = _with_smaller_tiles(task, material, step_context, context.hooks, recorder)
    except StepError as error:
        _name_place(error, task, material)
        error.problem = replace(error.problem, flags=tuple(replace(f, by=task.name) for f in recorder.notes.flags))
        raise
    except AssetForgeError:
        raise
    except MemoryError as error:
        raise StepError(
            f"step {step.name!r}", "there is not enough memory", "free some, or use smaller ones"
        ) from error
    except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's code fails this asset and no other
        raise step_failure(step.name, task.use.plugin, error) from None
    if _versions(material) != before:
        raise StepError(f"step {step.name!r}", "changed its input in place", "compute into new tensors")
    _verify_files(task)  # a file that was changed while the step read it, too
    written = _checked(result, task)
    for name in _undeclared(result, material, task):
        text = "what the step wrote into it is left out, as its `writes` does not name it"
        recorder.flag(Flag(text, map=name))
    for name in _without_levels(written, material):
        recorder.flag(Flag("its mip maps are gone, as the step changed its pixels; put `mips` after it", map=name))
    return written


def _name_place(error: StepError, task: Task, material: Material) -> None:
    """Let an error that blames a map name its file, of which a step knows nothing, and one of the material the step."""
    where = error.problem.where
    origin = task.reads.get(where)
    if isinstance(origin, SourceMap):
        error.problem = replace(error.problem, where=str(origin.path))
    elif where == material.name:
        error.problem = replace(error.problem, where=f"step {task.use.step.name!r}")


def _with_smaller_tiles(
    task: Task, material: Material, context: Context, hooks: Hooks, recorder: NoteRecorder
) -> object:
    """Run a step; where the device runs out of memory, empty its cache and run it again with smaller tiles."""
    while True:
        recorder.clear()
        try:
            return hooks.run_step(step=task.use.step, material=material, params=task.use.params, context=context)
        except torch.OutOfMemoryError:
            if context.tile_divisor >= MAX_TILE_DIVISOR:
                raise
            context = replace(context, tile_divisor=context.tile_divisor * 2)
        torch.cuda.empty_cache()  # outside of the handler, which holds on to the tensors of the failed call


def _versions(material: Material) -> list[int]:
    """Count the in-place changes of every tensor, as torch does: other steps may still need the same maps."""
    levels = [level for texture in material.values() for level in texture.levels]
    return [pixels._version for level in levels for pixels in (level.data, level.alpha) if pixels is not None]


def _verify_files(task: Task) -> None:
    """Raise ChangedError where weights, or a file that a parameter names, are not what the key was made of."""
    for files, sums in ((task.weights, task.weight_sums), (task.files, task.file_sums)):
        for name, path in files.items():
            try:
                digest = _digest_of(path, stat_of(str(path)))
            except OSError as error:
                raise ChangedError(str(path), f"cannot be read any more ({error.strerror})", "run again") from error
            if digest != sums[name]:
                raise ChangedError(str(path), "was changed since it was planned with", "run again")


@lru_cache
def _digest_of(path: Path, _: Stat) -> str:
    """Digest a file; once for each state that it is in, as every task of a run may use the same."""
    return weights.sha256(path)


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


def _undeclared(result: object, given: Material, task: Task) -> list[str]:
    """Return the maps that a step made or changed without declaring it: keys and outputs know nothing of them."""
    others = result.items() if isinstance(result, Material) else ()
    return [name for name, one in others if name not in task.writes and not _is_same(one, given.get(name))]


def _without_levels(written: Mapping[str, Texture], given: Material) -> list[str]:
    """Return the maps that had smaller levels before the step, and have none any more."""
    return [
        name for name, one in written.items() if one.mips is None and name in given and given[name].mips is not None
    ]


def _is_same(one: Texture, other: Texture | None) -> bool:
    if one is other or other is None:
        return one is other
    here = one.to("cpu")
    return torch.equal(here.data, other.data) and _is_same_alpha(here.alpha, other.alpha)


def _is_same_alpha(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is other if one is None or other is None else torch.equal(one, other)


def _check_finite(texture: Texture, name: str, where: str) -> None:
    for pixels in (part for level in texture.levels for part in (level.data, level.alpha)):
        if pixels is not None and not all(bound.isfinite() for bound in torch.aminmax(pixels)):
            raise StepError(where, f"wrote values into {name!r} that are not finite", "nothing was published")


class NoteRecorder:
    """Records what a step notes of its result while it runs."""

    def __init__(self, step: str) -> None:
        self._where = f"step {step!r}"
        self._values: dict[str, JSON] = {}
        self._flags: dict[Flag, None] = {}

    def note(self, name: str, value: JSON) -> None:
        """Record a value; raise StepError where JSON cannot hold it."""
        self._check_text(name, "a note's name")
        text = self._check_json(repr(name), value)
        self._values[name] = json.loads(text)  # as it will be read, and a copy: what was noted stays as it was

    def flag(self, flag: str | Flag) -> None:
        """Record why the result is doubtful, once."""
        told = flag if isinstance(flag, Flag) else Flag(flag)
        self._check_text(told.text, "a flag")
        self._check_json("a flag", told.data())
        self._flags[told] = None

    def clear(self) -> None:
        """Forget what was recorded: the step starts again."""
        self._values.clear()
        self._flags.clear()

    @property
    def notes(self) -> Notes:
        """What was recorded."""
        return Notes(dict(self._values), tuple(self._flags))

    def _check_json(self, what: str, value: JSON) -> str:
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
            text.encode()  # half characters of broken file names cannot be written anywhere
        except (TypeError, ValueError, RecursionError) as error:
            instead = "note finite numbers, words, lists and mappings"
            raise StepError(self._where, f"noted {what} with what JSON cannot hold ({error})", instead) from error
        return text

    def _check_text(self, text: object, what: str) -> None:
        try:
            right = isinstance(text, str) and bool(text.encode())
        except UnicodeEncodeError:
            right = False
        if not right:
            raise StepError(self._where, f"gave {text!r} as {what}", "give a text")
