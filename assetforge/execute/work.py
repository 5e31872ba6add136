"""Do what stages need pixels for: read sources, run steps, encode outputs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch

from assetforge import weights
from assetforge.codecs.allowance import MAX_BYTES
from assetforge.codecs.as_is import passes_as_is
from assetforge.codecs.decode import Decoded, decode, for_steps
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import DEPTHS, Depth
from assetforge.codecs.limits import cut_share
from assetforge.codecs.regular import read_regular
from assetforge.codecs.verify import verify
from assetforge.errors import AssetForgeError, ChangedError, StepError
from assetforge.events import StepProgress, StepStarted
from assetforge.execute import results
from assetforge.execute.memory import reading
from assetforge.execute.notebook import Notebook
from assetforge.execute.publish import DamagedError
from assetforge.execute.stages import MAPS, Compute, Done, Read, Write
from assetforge.execute.workplace import Workplace
from assetforge.hookspecs import Hooks
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.plan.jobs import MapOrigin, Output, SourceMap, Task
from assetforge.plan.keys import written_key
from assetforge.steps import Context
from assetforge.store import notes
from assetforge.store.notes import Notes
from assetforge.store.results import Store
from assetforge.store.state import Stat, stat_of

SMALLEST_TILES = 8
"""Tiles are made at most this many times smaller when a device runs out of memory."""


def read(stage: Read, workplace: Workplace) -> Done:
    """Decode sources into the scratch folder, as their files have them; keep what is doubtful about them."""
    stage.scratch.mkdir(parents=True, exist_ok=True)
    for source in stage.sources:
        with reading(workplace.limits, source.path) if workplace.alone else nullcontext():
            decoded = _decode(source)
        notes.keep(workplace.store, source.key, Notes(flags=decoded.flags), replace=stage.anew)
        maps = {source.input.spec.name: decoded.texture}
        results.save_maps(_scratch(stage.scratch, source.key), maps, decoded.depth)
    return Done(_size(stage.scratch))


def _decode(source: SourceMap) -> Decoded:
    decoded = decode(source.path, source.input.spec, source.input.reading, str(source.path), unit=False)
    if weights.sha256(source.path) != source.sha256:
        raise ChangedError(str(source.path), "was changed while it was read", "run again")
    return decoded


def compute(stage: Compute, workplace: Workplace) -> Done:
    """Run tasks; keep what other tasks read in the store, and what outputs need in the scratch folder."""
    stage.scratch.mkdir(parents=True, exist_ok=True)
    shelf = _Shelf(stage.scratch, workplace.store, Counter(o.key for t in stage.tasks for o in t.reads.values()))
    for task in stage.tasks:
        material = Material("material", {name: _input(name, origin, shelf) for name, origin in task.reads.items()})
        book = Notebook(task.use.step.name)
        written = _run(task, material, stage.asset, workplace, book)
        del material
        # Before the result: whoever finds that finds these.
        notes.keep(workplace.store, task.key, book.notes, replace=stage.anew)
        if task.key in stage.kept:
            _keep(task, written, workplace.store, replace=stage.anew)
        for name, texture in written.items():
            key = written_key(task.key, name)
            if key in stage.wanted:
                results.save_maps(_scratch(stage.scratch, key), {name: texture})
            shelf.put(key, texture)
    return Done(_size(stage.scratch))


def _input(name: str, origin: MapOrigin, shelf: _Shelf) -> Texture:
    """Return a map as a step may rely on it: what no step writes stays as its file has it."""
    texture = shelf.take(name, origin)
    return for_steps(texture, origin.input.spec) if isinstance(origin, SourceMap) else texture


def _keep(task: Task, written: Mapping[str, Texture], store: Store, *, replace: bool) -> None:
    def check(path: Path) -> None:
        if results.load_maps(path) is None:
            raise StepError(
                f"step {task.use.step.name!r}", "its result was not kept whole", "see that the disk is well"
            )

    store.put(task.key, MAPS, lambda path: results.save_maps(path, written), check, replace=replace)


@dataclass
class _Shelf:
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
        texture = self.maps.get(origin.key) or load(name, origin, self.scratch, self.store)[0]
        self.uses[origin.key] -= 1
        if self.uses[origin.key] > 0:
            self.maps[origin.key] = texture
        else:
            self.maps.pop(origin.key, None)
        return texture


def load(name: str, origin: MapOrigin, scratch: Path, store: Store) -> tuple[Texture, Depth | None]:
    """Load a map that an earlier stage left behind or the store has, or decode it anew."""
    loaded = results.load_maps(_scratch(scratch, origin.key))
    if loaded is not None:
        return loaded[0][name], loaded[1]
    if isinstance(origin, SourceMap):
        decoded = _decode(origin)
        return decoded.texture, decoded.depth
    entry = store.find(origin.task.key, MAPS)
    if entry is None:
        raise StepError(f"step {origin.task.use.step.name!r}", "its result has gone from the store", "run again")
    loaded = results.load_maps(entry.path) if entry.is_whole() else None
    if loaded is None:
        raise DamagedError(entry)
    return loaded[0][name], None


def _scratch(folder: Path, key: str) -> Path:
    return folder / f"{key}{MAPS}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _run(task: Task, material: Material, asset: str, workplace: Workplace, book: Notebook) -> dict[str, Texture]:
    """Run one step and check what it returns.

    The material has no name of its own here: a name is not in the key, so a step must not know it.
    """
    step = task.use.step
    context = Context(
        seed=task.seed,
        precision=workplace.precision,
        device="cpu" if task.use.resources.device == "cpu" else workplace.device,
        progress=lambda fraction: workplace.emit(StepProgress(asset, step.name, fraction)),
        weights=_verified(task),
        specs={name: workplace.specs[name] for name in task.reads.keys() | task.writes.keys()},
        note=book.note,
        flag=book.flag,
    )
    workplace.emit(StepStarted(asset, step.name, task.use.resources.time_limit))
    before = _versions(material)
    try:
        with torch.no_grad():
            result = _with_smaller_tiles(task, material, context, workplace.hooks, book)
    except StepError as error:
        _name_file(error, task)
        raise
    except AssetForgeError:
        raise
    except MemoryError as error:
        raise StepError(
            f"step {step.name!r}", "there is not enough memory", "free some, or use smaller ones"
        ) from error
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises fails this asset and no other
        raise StepError(f"step {step.name!r}", f"{type(error).__name__}: {error}") from error
    if _versions(material) != before:
        raise StepError(f"step {step.name!r}", "changed its input in place", "compute into new tensors")
    return _checked(result, task)


def _name_file(error: StepError, task: Task) -> None:
    """Let an error that blames a map name the file that it came from, of which a step knows nothing."""
    origin = task.reads.get(error.problem.where)
    if isinstance(origin, SourceMap):
        error.problem = replace(error.problem, where=str(origin.path))


def _with_smaller_tiles(task: Task, material: Material, context: Context, hooks: Hooks, book: Notebook) -> object:
    """Run a step; where the device runs out of memory, empty its cache and run it again with smaller tiles."""
    while True:
        book.clear()
        try:
            return hooks.run_step(step=task.use.step, material=material, params=task.use.params, context=context)
        except torch.OutOfMemoryError:
            if context.tile_divisor >= SMALLEST_TILES:
                raise
            context = replace(context, tile_divisor=context.tile_divisor * 2)
        torch.cuda.empty_cache()  # outside of the handler, which holds on to the tensors of the failed call


def _versions(material: Material) -> list[int]:
    """Count the in-place changes of every tensor, as torch does: other steps may still need the same maps."""
    tensors = [t for texture in material.values() for t in (texture.data, texture.alpha) if t is not None]
    return [tensor._version for tensor in tensors]


def _verified(task: Task) -> Mapping[str, Path]:
    for name, path in task.weights.items():
        if _digest_of(path, stat_of(str(path))) != task.weight_sums[name]:
            raise ChangedError(str(path), "the weights were changed since they were planned with", "run again")
    return task.weights


@lru_cache
def _digest_of(path: Path, _: Stat) -> str:
    """Digest a file; once for each state that it is in, as every task of a run may use the same weights."""
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


def _check_finite(texture: Texture, name: str, where: str) -> None:
    for pixels in (texture.data, texture.alpha):
        if pixels is not None and not all(bound.isfinite() for bound in torch.aminmax(pixels)):
            raise StepError(where, f"wrote values into {name!r} that are not finite", "nothing was published")


def encode_outputs(stage: Write, workplace: Workplace) -> None:
    """Encode what the store lacks of a job's outputs."""
    for output in stage.encode:
        _encode(output, stage.scratch, workplace, replace=stage.anew)


def _encode(output: Output, scratch: Path, workplace: Workplace, *, replace: bool) -> None:
    store = workplace.store
    content = _as_it_is(output, workplace)
    if content is None:
        maps = {n: (load(n, origin, scratch, store)[0], workplace.specs[n]) for n, origin in output.maps.items()}
        resolved = output.format.resolve(_deepest(output, scratch, store), next(iter(maps.values()))[1])
        try:
            content = encode(maps, resolved, workplace.green)
            verify(content, resolved, maps)
        except ValueError as error:
            raise StepError(output.path.name, str(error)) from error
        cut = {name: cut_share(texture, spec, resolved) for name, (texture, spec) in maps.items()}
        notes.keep_cut(store, output.key, cut, replace=replace)
    store.put(output.key, output.format.suffix, lambda path: _write(path, content), lambda _: None, replace=replace)


def _as_it_is(output: Output, workplace: Workplace) -> bytes | None:
    """Return the content of a source that is the output as it is, if it is one: a JPEG loses whenever it is written."""
    name, origin = next(iter(output.maps.items()))
    if not isinstance(origin, SourceMap) or output.format.container != "jpg":
        return None
    content = read_regular(origin.path, MAX_BYTES)
    if hashlib.sha256(content).hexdigest() != origin.sha256:
        raise ChangedError(str(origin.path), "was changed while it was read", "run again")
    spec, reading = workplace.specs[name], origin.input.reading
    return content if passes_as_is(content, spec, reading, output.format, workplace.green) else None


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _deepest(output: Output, scratch: Path, store: Store) -> Depth | None:
    """Return the greatest depth of the sources that an output follows, unless its format says its own."""
    if output.format.depth is not None:
        return None
    depths = [load(name, source, scratch, store)[1] for name, source in output.followed.items()]
    return max((depth for depth in depths if depth), key=DEPTHS.index, default=None)
