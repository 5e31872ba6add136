"""What would keep a pipeline from being built, as far as it is known without reading a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from assetforge.codecs.allowance import Limits, allowing
from assetforge.errors import Problem, SourceError
from assetforge.flags import Flag
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.history import OutputState
from assetforge.plan.jobs import Job, Output, Plan, SourceMap, sources_of
from assetforge.plan.plan import SpecialVariants, make_plan


def plan_unread(pipeline: Pipeline, special: SpecialVariants) -> Plan:
    """Plan a pipeline as though nothing was ever built, and without reading its sources but where their alpha matters.

    Raises PipelineError where sources do not fit the patterns, or outputs collide.
    """
    plan = make_plan(pipeline, _NothingKnown(), special)
    transparent = lru_cache(maxsize=None)(partial(_is_transparent, limits=pipeline.limits))
    jobs, doubts = [], []
    for job in plan.jobs:
        lost = [one for one in _without_alpha(job) if transparent(one.source)]
        sure = next((one for one in lost if isinstance(one.output.maps[one.name], SourceMap)), None)
        jobs.append(job._replace(state="failed", problem=sure.problem) if sure else job)
        doubts += [f"{one.problem}, unless a step removes it" for one in lost if not sure]
    return plan._replace(jobs=tuple(jobs), remarks=(*plan.remarks, *doubts))


class _Alpha(NamedTuple):
    """A map whose source may have alpha, and whose output holds none."""

    name: str
    source: SourceMap
    output: Output

    @property
    def problem(self) -> Problem:
        name = self.output.format.name if self.output.format else ""
        what = f"{name} holds no alpha, and the source of {self.name} has some"
        return Problem(str(self.output.path), what, "write png, tiff or exr")


def _without_alpha(job: Job) -> Iterator[_Alpha]:
    """Yield the maps of a job that may lose alpha: steps keep that of the source of a map, as a rule."""
    sources = {source.input.spec.name: source for source in sources_of(job)}
    for output in job.outputs:
        for name in output.maps.keys() & sources if output.format and not output.format.holds_alpha else ():
            yield _Alpha(name, sources[name], output)


def _is_transparent(source: SourceMap, limits: Limits) -> bool:
    spec = source.input.spec
    if not (spec.is_color or spec.kind == "vector"):
        return False
    from assetforge.codecs.transparency import has_transparency  # readers of all formats, which few pipelines need here

    try:
        with allowing(limits):
            return has_transparency(source.path, source.input.reading)
    except SourceError:  # whoever reads all of it says what is wrong
        return False


class _NothingKnown:
    """The memory of a pipeline that was never built; every file has the same digest."""

    def digest(self, name: str, most: int = 0) -> str:  # noqa: ARG002
        return ""

    def current(self, asset: str, signature: str) -> None:
        """Return nothing."""

    def record(self, asset: str) -> None:
        """Return nothing."""

    def facts(self, asset: str) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def flags(self, asset: str) -> tuple[Flag, ...]:  # noqa: ARG002
        return ()

    def output(self, name: str) -> OutputState:  # noqa: ARG002
        return "missing"

    def quarantined(self, asset: str) -> None:
        """Return nothing."""

    def confirm(self, asset: str, signature: str) -> None:
        """Do nothing."""

    def recorded(self) -> Collection[str]:
        return ()

    def stale(self) -> Collection[str]:
        return ()
