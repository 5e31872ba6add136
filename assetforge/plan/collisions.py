"""No two jobs write one file, none writes a source, and none leaves the output root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from assetforge.errors import PipelineError, Problem
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Job


def refuse_collisions(jobs: Sequence[Job], pipeline: Pipeline) -> None:
    """Raise PipelineError for the outputs of jobs that are to be built and must not be."""
    if all(job.state == "up to date" for job in jobs):  # they were looked at when they were built
        return
    places = _Places(str(pipeline.folder))
    sources = {places.real(name) for job in jobs for name in job.sources}
    root = os.path.realpath(pipeline.outputs.root)
    problems = list(_problems(jobs, sources, root, places))
    if problems:
        raise PipelineError(problems)


def _problems(jobs: Iterable[Job], sources: set[str], root: str, places: _Places) -> Iterator[Problem]:
    writers: dict[str, str] = {}
    for job in jobs:
        for name in job.files:
            real, where = places.real(name), places.absolute(name)
            other = writers.setdefault(real.casefold(), job.asset)
            if not real.startswith(root + os.sep):
                yield Problem(where, f"{job.asset!r} would be written outside {root}", "rename the source")
            elif real in sources:
                yield Problem(where, f"{job.asset!r} would replace its source", "change `outputs`")
            elif other != job.asset:
                what = f"{other!r} and {job.asset!r} would both be written here"
                yield Problem(where, what, "tell them apart in outputs.dir or outputs.name")


class _Places:
    """Where names lead, links followed; folders are looked up once."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._folder = lru_cache(maxsize=None)(os.path.realpath)

    def absolute(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.folder, name))  # noqa: PTH118  strings: there may be very many

    def real(self, name: str) -> str:
        path = self.absolute(name)
        if os.path.islink(path):  # noqa: PTH114
            return os.path.realpath(path)
        folder, _, base = path.rpartition(os.sep)
        return os.path.join(self._folder(folder or os.sep), base)  # noqa: PTH118
