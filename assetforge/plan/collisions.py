"""No two jobs write one file, none writes a source, and none leaves the output root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from assetforge.errors import Problem
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import own_folders
from assetforge.plan.jobs import Job

Kind = Literal["outside", "source", "twice", "input"]
_SHOWN = 3
"""Collisions of a kind, and assets of a collision, that are named; of the others there may be very many."""


class Collision(NamedTuple):
    """An output that must not be written, and the jobs that would."""

    kind: Kind
    assets: tuple[str, ...]
    problem: Problem


def find_collisions(jobs: Sequence[Job], pipeline: Pipeline) -> list[Collision]:
    """Find the outputs of jobs that must not be written."""
    if all(job.state == "up to date" for job in jobs):  # they were looked at when they were built
        return []
    return list(_collisions(jobs, _Places(pipeline, jobs)))


def summary(collisions: Sequence[Collision]) -> list[Problem]:
    """Say what collides: a few of each kind, and how many more there are."""
    problems: list[Problem] = []
    for kind in get_args(Kind):
        found = [collision.problem for collision in collisions if collision.kind == kind]
        problems += found[:_SHOWN]
        if len(found) > _SHOWN:
            problems.append(Problem("", f"and {len(found) - _SHOWN} more outputs likewise"))
    return problems


def _collisions(jobs: Iterable[Job], places: _Places) -> Iterator[Collision]:
    writers: dict[str, dict[str, str]] = {}
    for job in jobs:
        for name in job.files:
            real, where = places.real(name), places.absolute(name)
            writers.setdefault(real.casefold(), {}).setdefault(job.asset, where)
            if found := places.refused(real):
                kind, what, instead = found
                yield Collision(kind, (job.asset,), Problem(where, f"{job.asset!r} would {what}", instead))
    for assets in writers.values():
        if len(assets) > 1:
            yield Collision("twice", tuple(assets), _shared(assets))


def _shared(assets: Mapping[str, str]) -> Problem:
    """Say which assets would be written to one place, given the place of each."""
    names = [repr(asset) for asset in list(assets)[:_SHOWN]]
    rest = len(assets) - len(names)
    listed = f"{', '.join(names)} and {rest} more" if rest else f"{', '.join(names[:-1])} and {names[-1]}"
    together = "both" if len(assets) == 2 else "all"
    where = next(iter(assets.values()))
    if len(set(assets.values())) > 1:
        what = f"{listed} would be written to names that differ in case only"
        return Problem(where, what, "rename a source: many systems cannot tell them apart")
    return Problem(
        where, f"{listed} would {together} be written here", "tell them apart in outputs.dir or outputs.name"
    )


class _Places:
    """Where names lead, links followed; folders are looked up once."""

    def __init__(self, pipeline: Pipeline, jobs: Sequence[Job]) -> None:
        self.folder = str(pipeline.folder)
        self._folder = lru_cache(maxsize=None)(os.path.realpath)
        self._root = os.path.realpath(pipeline.outputs.root)
        self._sources = {self.real(name) for job in jobs for name in job.sources}
        self._below = os.path.realpath(pipeline.sources) + os.sep
        self._skipped = tuple(f"{folder}{os.sep}" for folder in own_folders(pipeline))
        self._patterns = list(dict.fromkeys(one.pattern for one in pipeline.inputs.values()))

    def refused(self, real: str) -> tuple[Kind, str, str] | None:
        """Tell why nothing may be written to a place, and what would be right."""
        if not real.startswith(self._root + os.sep):
            return "outside", f"be written outside {self._root}", "rename the source"
        if real in self._sources:
            return "source", "replace its source", "change `outputs`"
        if self._is_an_input(real):
            return "input", "be taken for a source the next time", "let `outputs` have a folder of their own"
        return None

    def _is_an_input(self, real: str) -> bool:
        if not real.startswith(self._below) or real.startswith(self._skipped):
            return False
        name = real[len(self._below) :].replace(os.sep, "/")
        return any(pattern.match(name) for pattern in self._patterns)

    def absolute(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.folder, name))  # noqa: PTH118  strings: there may be very many

    def real(self, name: str) -> str:
        path = self.absolute(name)
        if os.path.islink(path):  # noqa: PTH114
            return os.path.realpath(path)
        folder, _, base = path.rpartition(os.sep)
        return os.path.join(self._folder(folder or os.sep), base)  # noqa: PTH118
