"""No two jobs write one file, none writes a source, and none leaves the output root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from assetforge.errors import Problem
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Job


class Collision(NamedTuple):
    """An output that must not be written, and the jobs that would."""

    assets: tuple[str, ...]
    problem: Problem


def find_collisions(jobs: Sequence[Job], pipeline: Pipeline) -> list[Collision]:
    """Find the outputs of jobs that must not be written."""
    if all(job.state == "up to date" for job in jobs):  # they were looked at when they were built
        return []
    places = _Places(str(pipeline.folder))
    sources = {places.real(name) for job in jobs for name in job.sources}
    root = os.path.realpath(pipeline.outputs.root)
    return list(_collisions(jobs, sources, root, places))


def _collisions(jobs: Iterable[Job], sources: set[str], root: str, places: _Places) -> Iterator[Collision]:
    writers: dict[str, str] = {}
    for job in jobs:
        for name in job.files:
            real, where = places.real(name), places.absolute(name)
            other = writers.setdefault(real.casefold(), job.asset)
            if not real.startswith(root + os.sep):
                problem = Problem(where, f"{job.asset!r} would be written outside {root}", "rename the source")
                yield Collision((job.asset,), problem)
            elif real in sources:
                problem = Problem(where, f"{job.asset!r} would replace its source", "change `outputs`")
                yield Collision((job.asset,), problem)
            elif other != job.asset:
                what = f"{other!r} and {job.asset!r} would both be written here"
                instead = "tell them apart in outputs.dir or outputs.name"
                yield Collision((other, job.asset), Problem(where, what, instead))


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
