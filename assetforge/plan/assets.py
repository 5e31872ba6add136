"""Group source files into assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assetforge.errors import PipelineError, Problem
from assetforge.pipeline.patterns import NAME, scan
from assetforge.pipeline.pipeline import Pipeline

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Asset:
    """The source files that belong together; `missing` says what keeps it from being built."""

    fields: Mapping[str, str]
    """The values of the placeholders."""
    sources: Mapping[str, str]
    """File of each map, relative to the pipeline's sources, with `/`."""
    missing: Problem | None = None

    @property
    def name(self) -> str:
        """All placeholders in one: `brick`, or `walls/brick` where there is a second one."""
        return "/".join([*(value for field, value in self.fields.items() if field != NAME), self.fields[NAME]])


def find_assets(pipeline: Pipeline) -> list[Asset]:
    """Find the assets of a pipeline, by name; raise PipelineError where files and patterns do not fit."""
    groups, problems = _group(pipeline)
    if not groups and not problems:
        problems = [_nothing_matches(pipeline)]
    if problems:
        raise PipelineError(problems)
    assets = [_asset(dict(fields), sources, pipeline) for fields, sources in groups.items()]
    return sorted(assets, key=lambda asset: asset.name)


def _group(pipeline: Pipeline) -> tuple[dict[Fields, dict[str, str]], list[Problem]]:
    groups: dict[Fields, dict[str, str]] = {}
    users: dict[str, str] = {}
    problems = []
    for name, values, path in _matches(pipeline):
        where = str(pipeline.sources / path)
        group = groups.setdefault(tuple(sorted(values.items())), {})
        if _file_twice(pipeline, users.get(path), name):
            what = f"matches both inputs.{users[path]} and inputs.{name}"
            problems.append(Problem(where, what, "make the patterns differ"))
        elif name in group:
            other = f"{name} of {values[NAME]!r} is already {group[name]!r}"
            problems.append(Problem(where, other, "remove one, or make the pattern narrower"))
        group.setdefault(name, path)
        users.setdefault(path, name)
    return groups, problems


def _file_twice(pipeline: Pipeline, first: str | None, second: str) -> bool:
    """Two maps may come from one file only where each takes its own part of it."""
    if first is None:
        return False
    parts = [(pipeline.inputs[name].channel, pipeline.inputs[name].layer) for name in (first, second)]
    return parts[0] == parts[1] or (None, None) in parts


def _matches(pipeline: Pipeline) -> list[tuple[str, dict[str, str], str]]:
    skip = frozenset({pipeline.store.resolve(), pipeline.outputs.root.resolve()} - {pipeline.sources.resolve()})
    found = []
    for name, one in pipeline.inputs.items():
        for path in scan(pipeline.sources, one.pattern, skip):
            values = one.pattern.match(path)
            if values is not None:
                found.append((name, values, path))
    return found


def _nothing_matches(pipeline: Pipeline) -> Problem:
    patterns = ", ".join(one.pattern.text for one in pipeline.inputs.values())
    there = "is empty of such files" if pipeline.sources.is_dir() else "does not exist"
    return Problem(str(pipeline.file), f"no file matches {patterns}: {pipeline.sources} {there}", "check `sources`")


def _asset(fields: dict[str, str], sources: dict[str, str], pipeline: Pipeline) -> Asset:
    for name, one in pipeline.inputs.items():
        if name not in sources and not one.pattern.optional:
            expected = str(pipeline.sources / one.pattern.spell(fields))
            problem = Problem(expected, f"{fields[NAME]!r} has no {name}", "add the file, or end the pattern with '?'")
            return Asset(fields, sources, problem)
    return Asset(fields, sources)
