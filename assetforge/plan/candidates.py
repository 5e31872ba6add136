"""What can be validated: the materials of a folder or of a plan, with their files and what they are measured by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from assetforge.codecs.reading import PLAIN, Reading
from assetforge.errors import Problem
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.pipeline.patterns import Tree, compile_auto
from assetforge.pipeline.recognize import Conventions, Recognized, known_conventions
from assetforge.plan.inspection import grouped
from assetforge.plan.jobs import Job, Plan, sources_of
from assetforge.validation.thresholds import FailOn, Thresholds

_USUAL = Thresholds()


class MapFile(NamedTuple):
    """The file of a map, and how it is read."""

    path: Path
    reading: Reading
    spec: MapSpec


@dataclass(frozen=True)
class Candidate:
    """One material, and what it is measured by."""

    name: str
    files: Mapping[str, MapFile]
    thresholds: Thresholds = _USUAL
    fail_on: FailOn = "error"
    problem: Problem | None = None
    """Why it cannot be built, whatever its pixels are."""
    green_is_told: bool = True
    """Whether a name or a pipeline says where the green of its normals points; else it is measured."""


def of_folder(folder: Path) -> Iterator[Candidate]:
    """Yield the materials of a folder, as the names of its files tell them."""
    conventions = known_conventions()
    groups, _ = grouped(folder, conventions)
    for name, files in groups.items():
        yield _sorted(folder, name, files, conventions)


def of_pictures(folder: Path) -> Iterator[Candidate]:
    """Yield the materials of a folder, and of each picture whose name tells no map one that is a base color alone.

    Files such as `normal.png`, which nothing but the folder itself names, are a material of the folder's name.
    """
    yield from of_folder(folder)
    conventions = known_conventions()
    nameless: list[tuple[str, Recognized]] = []
    for path in Tree(folder).matching(compile_auto("**")):
        one = conventions.recognize(path, "")
        if one is not None and one.parts and not one.name:
            nameless.append((path, one))
        elif one is not None and not one.word:
            yield Candidate(path, {"base_color": MapFile(folder / path, PLAIN, MAPS["base_color"])})
    if nameless:
        yield _sorted(folder, folder.absolute().name, nameless, conventions)


def _sorted(folder: Path, name: str, files: Sequence[tuple[str, Recognized]], conventions: Conventions) -> Candidate:
    chosen = conventions.sort(name, files)
    rivals = [Problem(other, f"{one} is already {first}", "remove one") for one, first, other in chosen.rivals]
    found = {one: MapFile(folder / path, chosen.readings[one], MAPS[one]) for one, path in chosen.sources.items()}
    told = chosen.green is None or chosen.green.green is not None
    return Candidate(name, found, problem=rivals[0] if rivals else None, green_is_told=told)


def of_plan(plan: Plan) -> Iterator[Candidate]:
    """Yield the materials of a plan, each once, with what its step `validate` says."""
    seen = set()
    for job in plan.jobs:
        if job.base not in seen:
            seen.add(job.base)
            yield _of_job(job)


def _of_job(job: Job) -> Candidate:
    sources = [one for one in sources_of(job) if one.input.spec.kind != "photo"]
    files = {one.input.spec.name: MapFile(one.path, one.input.reading, one.input.spec) for one in sources}
    params = next((task.use.params for task in job.tasks if isinstance(task.use.params, Thresholds)), _USUAL)
    return Candidate(job.base, files, params, getattr(params, "fail_on", "error"), job.problem)
