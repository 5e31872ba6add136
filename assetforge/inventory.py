"""All that a run depends on, for the snapshot by which the next one is known to have nothing to do.

It is taken only where a plan that is made right now is sure to find nothing to do, and to say just what the snapshot
says. Where anything is doubtful there is no snapshot, and the next run plans.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assetforge import snapshot, weights
from assetforge.codecs.atomic import write_atomically
from assetforge.flags import Flag
from assetforge.pipeline.patterns import is_passed_over
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import FOLDER_OVERRIDE, Catalog, overrides_above
from assetforge.plan.history import BuildHistory
from assetforge.plan.jobs import Job, Listed, Plan
from assetforge.plan.plan import Planner, PlanOptions, source_prefix
from assetforge.plugins import FOLDER as PLUGINS
from assetforge.plugins import Registry
from assetforge.snapshot import Ending, Occasion, Snapshot
from assetforge.store.results import MARK, is_marked
from assetforge.store.state import State

if TYPE_CHECKING:
    from assetforge.report import Report

_HOST = Path(__file__).parent
_VARIABLES = re.compile(rb"\b(environb?|getenvb?)\b")
"""What the code of a plugin has that may depend on variables of which nobody else knows."""
_DISTRIBUTIONS = (".dist-info", ".egg-info")

_Numbers = Sequence[int]
"""What `snapshot.stat_of` tells of a file."""


class Says(NamedTuple):
    """What commands say where nothing has changed."""

    run: str
    check: str
    """Nothing where it looks at more than the run has: at other profiles."""


class Inventory:
    """The files that a pipeline is made of, noted as they are before they are read."""

    def __init__(self, file: Path) -> None:
        folder = file.absolute().parent
        self._before: dict[str, _Numbers] = {}
        self.will_read([file.absolute(), *(folder / PLUGINS).rglob("*.py")])

    def will_read(self, files: Iterable[Path]) -> None:
        """Note files that are about to be read. Not those whose digests the state knows: it knows when it read them."""
        self._before |= {str(file): snapshot.stat_of(str(file)) for file in files}

    def taken(
        self, registry: Registry, plan: Plan, state: State, report: Report, says: Says, occasion: Occasion
    ) -> Snapshot | None:
        """Take a snapshot after the run of a plan; None where the next plan might find something to do.

        Raises OSError, ValueError or OverflowError where something cannot be looked at, or not written down.

        says: what commands say that find everything as it is.
        """
        pipeline = plan.pipeline
        if not (_left_nothing(registry, plan, report) and _is_at_rest(pipeline) and occasion.is_steady()):
            return None
        outputs = _absolute((name for job in plan.jobs for name in job.files), pipeline)
        read = _absolute({*state.consulted, *(name for job in plan.jobs for name in job.sources)}, pipeline)
        paths = [*outputs, *dict.fromkeys([*self._before, *_files(registry, pipeline), *read])]
        listed = plan.listed()
        folders = [*_source_folders(pipeline, listed), *_code_folders(registry, pipeline)]
        ending = Ending(pipeline.id, len(plan.jobs), snapshot.stat_of(str(state.path))[-1], *says)
        found = snapshot.look(occasion.identity, ending, folders, _searched(registry), paths)
        stats = dict(found.stats())
        published = {path for path, name in outputs.items() if state.has_published(name, stats[path])}
        unchanged = (
            all(state.has_seen_published(outputs[path], stats[path]) for path in outputs.keys() - published)
            and all(state.has_seen(name, stats[path]) for path, name in read.items())
            and all(stats[path] == numbers for path, numbers in self._before.items())
            and all(occasion.is_settled(numbers) for path, numbers in stats.items() if path not in published)
            and _is_as_planned(found, pipeline, listed)
        )
        return found if unchanged else None


def keep(found: Snapshot, state: Path, occasion: Occasion) -> None:
    """Keep a snapshot for the next run, unless another run has begun, or the file system's clock is not ours.

    Raises OutputError or OSError where it cannot be written.
    """
    path = state / snapshot.FOLDER / snapshot.name_of(found.identity)
    if path.parent.is_symlink():  # it may lead anywhere
        return
    before = time.time_ns()
    write_atomically(path, found.data())
    has_our_clock = before - occasion.grain < path.stat().st_mtime_ns < time.time_ns() + occasion.grain
    os.utime(path, ns=(occasion.began, occasion.began))  # it has spared no run yet that is later than this one
    if not has_our_clock or snapshot.runs_at_work(str(state)):
        path.unlink(missing_ok=True)
    for old in snapshot.paths(str(state))[snapshot.MOST :]:
        Path(old).unlink(missing_ok=True)


def _left_nothing(registry: Registry, plan: Plan, report: Report) -> bool:
    """Tell whether all is up to date now, and the next run has nothing to warn of, nor anybody to tell."""
    ended_well = report.count("done") + report.count("up to date") == len(plan.jobs) and not report.exit_code
    silent = not (plan.remarks or registry.broken or registry.slow or registry.has_listeners)
    whole = plan.is_whole and not plan.gone and not plan.stale and plan.pipeline.confinement is None
    return ended_well and silent and whole and not _depends_on_variables(registry)


def _depends_on_variables(registry: Registry) -> bool:
    code = (file.read_bytes() for plugin in registry.plugins.values() for file in plugin.files)
    return any(map(_VARIABLES.search, code))


def _is_at_rest(pipeline: Pipeline) -> bool:
    """Tell whether nobody else is at work on the state, and the store is there."""
    return not snapshot.runs_at_work(str(pipeline.state)) and (pipeline.store is None or is_marked(pipeline.store))


def _is_as_planned(found: Snapshot, pipeline: Pipeline, listed: Listed) -> bool:
    """Tell whether the folders of sources hold just what the plan has found in them."""
    for folder, planned in listed.items():
        seen = found.folders[_source_folder(pipeline, folder)]
        there = snapshot.files_of(seen), snapshot.folders_of(seen)
        if any(
            {name for name in now if not is_passed_over(name)} != set(names)
            for now, names in zip(there, planned, strict=True)
        ):
            return False
    return True


def _listed_then(found: Snapshot, pipeline: Pipeline) -> Listed:
    """Return what the folders of sources held when a snapshot was taken, as a plan has it."""
    top = _source_folder(pipeline, "")
    then: dict[str, tuple[list[str], list[str]]] = {}
    for folder, listed in found.folders.items():
        if folder.startswith(top):
            files, folders = then.setdefault(folder.removeprefix(top), ([], []))
            for name, is_folder in snapshot.entries(listed):
                if not is_passed_over(name):
                    (folders if is_folder else files).append(name)
    return then


def _source_folders(pipeline: Pipeline, listed: Listed) -> list[str]:
    """Return the folders that sources may lie in, those included that are not there."""
    prefixes = (one.pattern.prefix for one in pipeline.inputs.values())
    return [_source_folder(pipeline, folder) for folder in (*listed, *prefixes)]


def _source_folder(pipeline: Pipeline, folder: str) -> str:
    return os.path.join(pipeline.folder, source_prefix(pipeline) + folder)  # noqa: PTH118


def _code_folders(registry: Registry, pipeline: Pipeline) -> Iterator[str]:
    """Yield the folders of which every file counts: of AssetForge, of plugins that are packages, and of weights."""
    yield from _below(_HOST)
    yield from _below(pipeline.folder / PLUGINS)
    yield str(weights.user_folder())
    for folder in {plugin.folder for plugin in registry.plugins.values()}:
        if (folder / "__init__.py").is_file():
            yield from _below(folder)
        else:
            yield str(folder / weights.FOLDER)


def _below(top: Path) -> Iterator[str]:
    yield str(top)
    for folder, inner, _ in os.walk(top):
        inner[:] = [name for name in inner if name != snapshot.COMPILED]
        yield from (os.path.join(folder, name) for name in inner)  # noqa: PTH118


def _searched(registry: Registry) -> set[str]:
    """Return the folders in which modules and plugins are looked for: a new one may take the place of another."""
    beside = {str(file.parent) for plugin in registry.plugins.values() for file in plugin.files}
    return {*map(os.path.abspath, sys.path), *beside}


def _files(registry: Registry, pipeline: Pipeline) -> Iterator[str]:
    """Yield all other files that count, be they there or not."""
    yield from (str(pipeline.sources / path) for path in overrides_above(pipeline))
    yield from (str(file) for plugin in registry.plugins.values() for file in plugin.files)
    yield from filter(None, (getattr(module, "__file__", None) for module in list(sys.modules.values())))
    for folder in map(os.path.abspath, sys.path):
        if not os.path.isdir(folder):  # noqa: PTH112  an archive of modules, or nothing
            yield folder
        for name in snapshot.names_in(folder).split("/"):
            if name.endswith(_DISTRIBUTIONS):
                yield os.path.join(folder, name, "entry_points.txt")  # noqa: PTH118
    if pipeline.store is not None:
        yield str(pipeline.store / MARK)


def _absolute(names: Iterable[str], pipeline: Pipeline) -> dict[str, str]:
    """Return names of files, as the state spells them, by their paths."""
    return {os.path.join(pipeline.folder, name): name for name in names}  # noqa: PTH118


Built = tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[Flag, ...]]
"""A job as it was built: asset, signature, sources, outputs and flags."""


def plan_changes(
    pipeline: Pipeline, history: BuildHistory, built: Iterable[Built], changed: set[str], then: Snapshot
) -> Plan | None:
    """Plan anew the assets of sources that changed, and take all others as they were built.

    None where that is not all: where an asset is told by more than its sources' names, or a file is no source.

    changed: the sources that changed, as jobs spell them; no file came or went.
    then: how all looked, and looks but for those.
    """
    if (
        pipeline.conventions is not None
        or pipeline.variants[0].values
        or history.stale()
        or _has_overrides(then, pipeline)
    ):
        return None
    jobs = {one[0]: _unchanged(*one) for one in built}
    affected = {asset: job for asset, job in jobs.items() if not changed.isdisjoint(job.sources)}
    sources = {name for job in affected.values() for name in job.sources}
    if not changed <= sources:
        return None
    witness = next((asset for asset in jobs if asset not in affected), None)
    anew = [*affected.values(), *([jobs[witness]] if witness is not None else ())]
    catalog, prefix = Catalog(pipeline), source_prefix(pipeline)
    for name in dict.fromkeys(name for job in anew for name in job.sources):
        catalog.add(name.removeprefix(prefix))
    assets = catalog.assets()
    if {asset.name for asset in assets} != {job.asset for job in anew} or any(asset.overrides for asset in assets):
        return None
    planner = Planner(pipeline, history, PlanOptions())
    planned = {asset.name: planner.job(asset, pipeline.variants[0]) for asset in assets}
    # A source may be what a step reads, too: then all have another signature, those that it leaves alone included.
    if witness is not None and planned[witness].signature != jobs[witness].signature:
        return None
    return Plan(pipeline, tuple((jobs | planned).values()), is_whole=True, listed=partial(_listed_then, then, pipeline))


def _has_overrides(found: Snapshot, pipeline: Pipeline) -> bool:
    """Tell whether files beside sources may set values; all names of a folder are one text, in which this is seen."""
    top = _source_folder(pipeline, "")
    return any(folder.startswith(top) and f"{FOLDER_OVERRIDE}/" in listed for folder, listed in found.folders.items())


def _unchanged(
    asset: str, signature: str, sources: tuple[str, ...], files: tuple[str, ...], flags: tuple[Flag, ...]
) -> Job:
    return Job(asset, "up to date", (), signature, sources, files, base=asset, flags=flags)
