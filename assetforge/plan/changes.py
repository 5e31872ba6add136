"""The plan of a pipeline of which it is known that nothing but some sources has changed since all was up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from assetforge.flags import Flag
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import FOLDER_OVERRIDE, Catalog
from assetforge.plan.history import BuildHistory
from assetforge.plan.jobs import Job, Plan
from assetforge.plan.plan import Planner, PlanOptions, source_prefix

Listed = Mapping[str, tuple[list[str], list[str]]]


Built = tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[Flag, ...]]
"""A job as it was built: asset, signature, sources, outputs and flags."""


def plan_changes(
    pipeline: Pipeline, history: BuildHistory, built: Iterable[Built], changed: set[str], listed: Listed
) -> Plan | None:
    """Plan anew the assets of sources that changed, and take all others as they were built.

    None where that is not all: where an asset is told by more than its sources' names, or a file is no source.

    changed: the sources that changed, as jobs spell them; no file came or went.
    listed: what the folders of sources hold.
    """
    if pipeline.conventions is not None or pipeline.variants[0].values or history.stale() or _has_overrides(listed):
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
    return Plan(pipeline, tuple((jobs | planned).values()), is_whole=True, listed=listed)


def _has_overrides(listed: Listed) -> bool:
    return any(name.endswith(FOLDER_OVERRIDE) for files, _ in listed.values() for name in files)


def _unchanged(
    asset: str, signature: str, sources: tuple[str, ...], files: tuple[str, ...], flags: tuple[Flag, ...]
) -> Job:
    return Job(asset, "up to date", (), signature, sources, files, base=asset, flags=flags)
