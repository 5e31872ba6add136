"""Group source files into assets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from assetforge.errors import PipelineError, Problem
from assetforge.pipeline.patterns import NAME, Tree
from assetforge.pipeline.pipeline import Pipeline

Fields = tuple[tuple[str, str], ...]

FOLDER_OVERRIDE = "forge.yaml"
"""Values for all assets in a folder and below it."""
ASSET_OVERRIDE = f".{FOLDER_OVERRIDE}"
"""Put after a source's name: values for the asset of this source."""


class Asset(NamedTuple):  # and no dataclass: there may be very many, and frozen ones are slow to make
    """The source files that belong together; `missing` says what keeps it from being built."""

    name: str
    """All placeholders in one: `brick`, or `walls/brick` where there is a second one."""
    fields: Mapping[str, str]
    """The values of the placeholders."""
    sources: Mapping[str, str]
    """File of each map, relative to the pipeline's sources, with `/`."""
    overrides: tuple[Path, ...] = ()
    """Files that set parameters for this asset; the later ones win."""
    missing: Problem | None = None


def find_assets(pipeline: Pipeline) -> list[Asset]:
    """Find the assets of a pipeline, by name; raise PipelineError where files and patterns do not fit."""
    skip = {pipeline.state.resolve(), pipeline.outputs.root.resolve()} - {pipeline.sources.resolve()}
    tree = Tree(pipeline.sources, skip)
    groups, problems = _group(pipeline, tree)
    if not groups and not problems:
        problems = [_nothing_matches(pipeline)]
    if problems:
        raise PipelineError(problems)
    overrides = tree.names(FOLDER_OVERRIDE) | set(_overrides_above(pipeline))
    assets = [_asset(dict(fields), sources, pipeline, overrides) for fields, sources in groups.items()]
    return sorted(assets, key=lambda asset: asset.name)


def _group(pipeline: Pipeline, tree: Tree) -> tuple[dict[Fields, dict[str, str]], list[Problem]]:
    groups: dict[Fields, dict[str, str]] = {}
    users: dict[str, str] = {}
    problems = []
    for name, values, path in _matches(pipeline, tree):
        group = groups.setdefault(tuple(sorted(values.items())), {})
        if _file_twice(pipeline, users.get(path), name):
            what = f"matches both inputs.{users[path]} and inputs.{name}"
            problems.append(Problem(str(pipeline.sources / path), what, "make the patterns differ"))
        elif name in group:
            other = f"{name} of {values[NAME]!r} is already {group[name]!r}"
            instead = "remove one, or make the pattern narrower"
            problems.append(Problem(str(pipeline.sources / path), other, instead))
        group.setdefault(name, path)
        users.setdefault(path, name)
    return groups, problems


def _file_twice(pipeline: Pipeline, first: str | None, second: str) -> bool:
    """Two maps may come from one file only where each takes its own part of it."""
    if first is None:
        return False
    parts = [(pipeline.inputs[name].channel, pipeline.inputs[name].layer) for name in (first, second)]
    return parts[0] == parts[1] or (None, None) in parts


def _matches(pipeline: Pipeline, tree: Tree) -> Iterator[tuple[str, dict[str, str], str]]:
    for name, one in pipeline.inputs.items():
        for path in tree.matching(one.pattern):
            values = one.pattern.match(path)
            if values is not None and not path.endswith(FOLDER_OVERRIDE):
                yield name, values, path


def _overrides_above(pipeline: Pipeline) -> Iterator[str]:
    """Find the override files of the folders that every file of a pattern lies below: those are not listed."""
    for one in pipeline.inputs.values():
        for folder in _folders_of(f"{one.pattern.prefix}/"):
            if (pipeline.sources / folder / FOLDER_OVERRIDE).is_file():
                yield f"{folder}{FOLDER_OVERRIDE}"


def _folders_of(path: str) -> list[str]:
    """Return the folders around a relative path, from the outermost, each empty or with a `/` at its end."""
    parts = path.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:count] if part) for count in range(len(parts) + 1)]


def _nothing_matches(pipeline: Pipeline) -> Problem:
    patterns = ", ".join(one.pattern.text for one in pipeline.inputs.values())
    there = "is empty of such files" if pipeline.sources.is_dir() else "does not exist"
    return Problem(str(pipeline.file), f"no file matches {patterns}: {pipeline.sources} {there}", "check `sources`")


def _asset(fields: dict[str, str], sources: dict[str, str], pipeline: Pipeline, overrides: set[str]) -> Asset:
    name = "/".join([*[value for field, value in fields.items() if field != NAME], fields[NAME]])
    own = tuple(_overrides(sources, pipeline.sources, overrides)) if overrides else ()
    for map_name, one in pipeline.inputs.items():
        if map_name not in sources and not one.pattern.optional:
            expected = str(pipeline.sources / one.pattern.spell(fields))
            instead = "add the file, or end the pattern with '?'"
            return Asset(name, fields, sources, own, Problem(expected, f"{fields[NAME]!r} has no {map_name}", instead))
    return Asset(name, fields, sources, own)


def _overrides(sources: Mapping[str, str], root: Path, known: set[str]) -> Iterator[Path]:
    """Yield the override files of an asset, from the outermost folder to the asset's own."""
    folders = dict.fromkeys(folder for path in sources.values() for folder in _folders_of(path))
    wanted = [f"{folder}{FOLDER_OVERRIDE}" for folder in sorted(folders, key=len)]
    wanted += [f"{path}{ASSET_OVERRIDE}" for path in sources.values()]
    yield from (root / path for path in wanted if path in known)
