"""Group source files into assets."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from assetforge.codecs.reading import Reading
from assetforge.codecs.regular import is_file, is_folder
from assetforge.errors import PipelineError, Problem
from assetforge.pipeline.conventions import NORMAL
from assetforge.pipeline.patterns import FOLDER, NAME, Tree, asset_of
from assetforge.pipeline.pipeline import Pipeline

if TYPE_CHECKING:
    from assetforge.pipeline.recognize import Conventions, Recognized

FOLDER_OVERRIDE = "forge.yaml"
"""Values for all assets in a folder and below it."""
ASSET_OVERRIDE = f".{FOLDER_OVERRIDE}"
"""Put after a source's name: values for the asset of this source."""


class Asset(NamedTuple):  # and no dataclass: there may be very many, and frozen ones are slow to make
    """The source files that belong together."""

    name: str
    """All placeholders in one: `brick`, or `walls/brick` where there is a second one."""
    fields: Mapping[str, str]
    """The values of the placeholders."""
    sources: Mapping[str, str]
    """File of each map, relative to the pipeline's sources, with `/`."""
    overrides: tuple[Path, ...] = ()
    """Files that set parameters for this asset; the later ones win."""
    missing: Problem | None = None
    """The first file that it still needs."""
    conflict: Problem | None = None
    """Files that cannot both be meant."""
    readings: Mapping[str, Reading] = MappingProxyType({})
    """How the file of each map is read, where its name says that."""
    unclear: Problem | None = None
    """What the names of its files leave open though it must be known."""


class Catalog:
    """Which files make which assets, while files come and go. Paths are relative to the sources, with `/`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._matches: dict[str, list[tuple[str, str]]] = {}
        self._members: dict[str, list[tuple[str, str]]] = {}
        self._fields: dict[str, dict[str, str]] = {}
        self._recognized: dict[str, Recognized] = {}
        self._ordered: list[str] | None = None
        """All files by name, once somebody has asked for those below a folder."""
        self._overrides = {path for path in overrides_above(pipeline) if is_file(pipeline.sources / path)}

    def add(self, path: str) -> Iterable[str]:
        """Take in a file; return the names of the assets that it is a part of."""
        if path.endswith(FOLDER_OVERRIDE):
            self._overrides.add(path)
            return self._governed(path)
        if path not in self._matches:
            self._matches[path], self._ordered = [], None
            for name, asset, fields in self._match(path):
                self._matches[path].append((name, asset))
                self._members.setdefault(asset, []).append((name, path))
                self._fields[asset] = fields
        return [asset for _, asset in self._matches[path]]

    def remove(self, path: str) -> Iterable[str]:
        """Take out a file; return the names of the assets that it was a part of."""
        if path.endswith(FOLDER_OVERRIDE):
            self._overrides.discard(path)
            return self._governed(path)
        matches, self._ordered = self._matches.pop(path, []), None
        self._recognized.pop(path, None)
        for name, asset in matches:
            self._members[asset].remove((name, path))
            if not self._members[asset]:
                del self._members[asset], self._fields[asset]
        return [asset for _, asset in matches]

    def of(self, path: str) -> Iterable[str]:
        """Return the names of the assets that a file is or would be a part of, or sets something for."""
        return self._governed(path) if path.endswith(FOLDER_OVERRIDE) else [asset for _, asset, _ in self._match(path)]

    def maps_of(self, path: str) -> set[tuple[str, str]]:
        """Return what a file is or would be: a map of an asset each, as (map, asset)."""
        return {(name, asset) for name, asset, _ in self._match(path)}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, asset: str) -> bool:
        return asset in self._members

    def assets(self, wanted: Iterable[str] | None = None) -> list[Asset]:
        """Return the wanted assets that there are, or all, by name."""
        names = self._members if wanted is None else self._members.keys() & wanted
        return [self._asset(name) for name in sorted(names)]

    def _match(self, path: str) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Yield the maps that a file may be, each with the asset's name and fields."""
        if self._pipeline.conventions is not None:
            yield from self._match_by_name(path, self._pipeline.conventions)
            return
        for name, one in self._pipeline.inputs.items():
            values = one.pattern.match(path)
            if values is not None:
                fields = self._fields_of(values)
                yield name, asset_of(fields), fields

    def _match_by_name(self, path: str, conventions: Conventions) -> Iterator[tuple[str, str, dict[str, str]]]:
        pattern = next(iter(self._pipeline.inputs.values())).pattern
        found = conventions.recognize(path, pattern.folder) if pattern.match(path) else None
        if found is not None and found.name:
            self._recognized[path] = found
            fields = self._fields_of(found.fields)
            asset = asset_name(fields)
            yield from ((name, asset, fields) for name in dict.fromkeys(part.target.map for part in found.parts))

    def _fields_of(self, values: Mapping[str, str]) -> dict[str, str]:
        lower = self._pipeline.ignore_case
        return {field: value.lower() if lower else value for field, value in sorted(values.items())}

    def _governed(self, path: str) -> list[str]:
        """Return the assets that an override file is about."""
        if path.endswith(ASSET_OVERRIDE):
            return [asset for _, asset in self._matches.get(path.removesuffix(ASSET_OVERRIDE), [])]
        if self._ordered is None:
            self._ordered = sorted(self._matches)
        files = names_below(path.removesuffix(FOLDER_OVERRIDE), self._ordered)
        return [asset for file in files for _, asset in self._matches[file]]

    def _asset(self, name: str) -> Asset:
        if self._pipeline.conventions is not None:
            return self._sorted(name, self._pipeline.conventions)
        fields, sources, conflict = self._fields[name], dict[str, str](), None
        for map_name, path in sorted(self._members[name]):
            conflict = conflict or self._conflict(map_name, path, sources, fields)
            sources.setdefault(map_name, path)
        sources = {one: sources[one] for one in self._pipeline.inputs if one in sources}
        return Asset(name, fields, sources, self._own(sources), self._missing(sources, fields), conflict)

    def _own(self, sources: Mapping[str, str]) -> tuple[Path, ...]:
        return tuple(_overrides(sources, self._pipeline.sources, self._overrides)) if self._overrides else ()

    def _sorted(self, name: str, conventions: Conventions) -> Asset:
        """Return an asset whose files say by their names what they are."""
        files = dict.fromkeys(path for _, path in self._members[name])
        found = conventions.sort(name, [(path, self._recognized[path]) for path in files])
        sources = {one: found.sources[one] for one in self._pipeline.inputs if one in found.sources}
        conflict = unclear = None
        if found.rivals:
            map_name, first, second = found.rivals[0]
            instead = "remove one, or make the pattern narrower"
            conflict = self._problem(second, f"{map_name} of {name!r} is already {first!r}", instead)
        if found.green is not None and found.green.green is None:
            what = f"nothing tells whether green points up (OpenGL) or down (DirectX): {found.green.why}"
            instead = f"run `assetforge inspect`, or write `inputs: {{auto: {{green: {{{json.dumps(name)}: up}}}}}}`"
            unclear = self._problem(sources[NORMAL], what, instead)
        return Asset(name, self._fields[name], sources, self._own(sources), None, conflict, found.readings, unclear)

    def _conflict(self, name: str, path: str, sources: Mapping[str, str], fields: Mapping[str, str]) -> Problem | None:
        if name in sources:
            what = f"{name} of {fields[NAME]!r} is already {sources[name]!r}"
            return self._problem(path, what, "remove one, or make the pattern narrower")
        for other, _ in self._matches[path]:
            if other != name and self._takes_the_same(other, name):
                first, second = sorted((other, name), key=list(self._pipeline.inputs).index)
                return self._problem(
                    path, f"matches both inputs.{first} and inputs.{second}", "make the patterns differ"
                )
        return None

    def _problem(self, path: str, what: str, instead: str) -> Problem:
        return Problem(str(self._pipeline.sources / path), what, instead)

    def _takes_the_same(self, first: str, second: str) -> bool:
        """Two maps may come from one file only where each takes its own part of it."""
        readings = [self._pipeline.inputs[name].reading for name in (first, second)]
        parts = [(one.channel, one.layer) for one in readings]
        return parts[0] == parts[1] or (None, None) in parts

    def _missing(self, sources: Mapping[str, str], fields: Mapping[str, str]) -> Problem | None:
        for name, one in self._pipeline.inputs.items():
            if name not in sources and not one.pattern.optional:
                expected = str(self._pipeline.sources / one.pattern.spell(fields))
                return Problem(expected, f"{fields[NAME]!r} has no {name}", "add the file, or end the pattern with '?'")
        return None


def names_below(folder: str, ordered: Sequence[str]) -> Iterator[str]:
    """Yield the names below a folder, which is empty or has a `/` at its end, of names that are in order."""
    after = map(ordered.__getitem__, range(bisect_left(ordered, folder), len(ordered)))
    return takewhile(lambda name: name.startswith(folder), after)


def asset_name(fields: Mapping[str, str]) -> str:
    """Name an asset that is told by the names of its files: with its folder, unless that is the first one."""
    return fields[NAME] if fields[FOLDER] == "." else f"{fields[FOLDER]}/{fields[NAME]}"


class Found(NamedTuple):
    """The assets of a pipeline, and what is odd about its files though nothing is wrong."""

    assets: list[Asset]
    remarks: tuple[str, ...]
    listed: Mapping[str, tuple[list[str], list[str]]]
    """The names of the files and of the folders in each folder of sources."""


def find_assets(pipeline: Pipeline) -> Found:
    """Find the assets of a pipeline, by name; raise PipelineError where files and patterns do not fit."""
    catalog = Catalog(pipeline)
    patterns = list(dict.fromkeys(one.pattern for one in pipeline.inputs.values()))
    tree = source_tree(pipeline)
    files = source_files(pipeline, tree)
    unmatched = [path for path in files if not catalog.add(path)]
    near = [path for path in unmatched if any(pattern.differs_in_case(path) for pattern in patterns)]
    if not len(catalog):
        raise nothing_matches(pipeline, near)
    assets = catalog.assets()
    if conflicts := [asset.conflict for asset in assets if asset.conflict]:
        raise PipelineError(list(dict.fromkeys(conflicts)))
    alone = [path for path in files if path.endswith(ASSET_OVERRIDE) and not is_file(_source_of(path, pipeline))]
    return Found(assets, tuple(_remarks(pipeline, assets, near, alone)), tree.listed)


def _source_of(override: str, pipeline: Pipeline) -> Path:
    return pipeline.sources / override.removesuffix(ASSET_OVERRIDE)


def _remarks(
    pipeline: Pipeline, assets: Sequence[Asset], near: Sequence[str], overrides: Sequence[str]
) -> Iterator[str]:
    if near:
        many = f"{len(near)} files match" if len(near) > 1 else "a file matches"
        yield f"{many} the patterns but for case, such as {near[0]!r}; rename such files, or write `ignore_case: true`"
    for path in overrides:
        start = f"{path.removesuffix(ASSET_OVERRIDE)}."
        meant = (one for asset in assets for one in asset.sources.values() if one.startswith(start))
        instead = next((f"rename it to {one + ASSET_OVERRIDE!r}" for one in meant), "its source is not there")
        yield f"{path!r} sets nothing: {instead}"
    there = {name for asset in assets for name in asset.sources}
    for name, one in pipeline.inputs.items():
        if name not in there and pipeline.conventions is None:
            yield f"inputs.{name}: no file matches {one.pattern.text!r}"


def own_folders(pipeline: Pipeline) -> set[Path]:
    """Return the folders that we write to, links followed: no source lies in them."""
    return {pipeline.state.resolve(), pipeline.outputs.root.resolve()} - {pipeline.sources.resolve()}


def source_tree(pipeline: Pipeline) -> Tree:
    """Return the folders that sources may lie in."""
    return Tree(pipeline.sources, own_folders(pipeline))


def source_files(pipeline: Pipeline, tree: Tree) -> list[str]:
    """List the files that may be sources, and the override files beside them."""
    patterns = dict.fromkeys(one.pattern for one in pipeline.inputs.values())
    files = dict.fromkeys(path for pattern in patterns for path in tree.matching(pattern))
    return list(files | dict.fromkeys(tree.names(FOLDER_OVERRIDE)))


def overrides_above(pipeline: Pipeline) -> set[str]:
    """Return where override files may lie in the folders around all files of a pattern: nobody lists those."""
    prefixes = {one.pattern.prefix for one in pipeline.inputs.values()}
    return {f"{folder}{FOLDER_OVERRIDE}" for prefix in prefixes for folder in _folders_of(f"{prefix}/")}


def _folders_of(path: str) -> list[str]:
    """Return the folders around a relative path, from the outermost, each empty or with a `/` at its end."""
    parts = path.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:count] if part) for count in range(len(parts) + 1)]


def nothing_matches(pipeline: Pipeline, near: Sequence[str] = ()) -> PipelineError:
    """Return the error of a pipeline that has no source at all; `near` are files that match but for case."""
    patterns = ", ".join(dict.fromkeys(one.pattern.text for one in pipeline.inputs.values()))
    if near:
        there, instead = "is empty of such files", f"{near[0]!r} differs in case only: write `ignore_case: true`"
    elif is_folder(pipeline.sources):
        there = "is empty of such files"
        instead = "compare the patterns with the names, folders too, that `assetforge inspect` lists of that folder"
    else:
        there, instead = "does not exist", "check `sources`"
    what = f"no file matches {patterns}: {pipeline.sources} {there}"
    return PipelineError([Problem(str(pipeline.file), what, instead)])


def _overrides(sources: Mapping[str, str], root: Path, known: set[str]) -> Iterator[Path]:
    """Yield the override files of an asset, from the outermost folder to the asset's own."""
    folders = dict.fromkeys(folder for path in sources.values() for folder in _folders_of(path))
    wanted = [f"{folder}{FOLDER_OVERRIDE}" for folder in sorted(folders, key=len)]
    wanted += [f"{path}{ASSET_OVERRIDE}" for path in sources.values()]
    yield from (root / path for path in wanted if path in known)
