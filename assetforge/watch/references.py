"""The files that a pipeline is made of, besides its sources: itself, its plugins, and what its steps name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from assetforge.build import Build
from assetforge.errors import AssetForgeError
from assetforge.params import file_places
from assetforge.plan.keys import weight_files
from assetforge.plugins import FOLDER
from assetforge.store.state import Stat, stat_of


class References:
    """The files that a pipeline is made of, as they were when it was opened, or last looked at."""

    def __init__(self, build: Build) -> None:
        self._stats = {path: _stat(path) for path in _files(build)}
        self._installed = _installed()

    def changed(self) -> Path | None:
        """Return a file that was changed since the last time, if there is one."""
        changed = None
        for path, known in self._stats.items():
            now = _stat(path)
            if now != known:
                self._stats[path] = now
                changed = path
        return changed

    def upgrade(self) -> str:
        """Return the version of AssetForge that was installed in place of this one since the last time, or nothing."""
        now = _installed()
        if now in ("", self._installed):  # it is missing while it is being replaced
            return ""
        self._installed = now
        return now


def _installed() -> str:
    importlib.invalidate_caches()
    try:
        return version("assetforge")
    except PackageNotFoundError:
        return ""


def _files(build: Build) -> Iterator[Path]:
    pipeline = build.pipeline
    yield pipeline.file
    yield pipeline.folder / FOLDER  # its time changes where a plugin comes or goes
    yield from (pipeline.folder / FOLDER).rglob("*.py")  # those of broken plugins, too
    for plugin in build.registry.plugins.values():
        yield from plugin.files
    for variant in pipeline.variants:
        for use in variant.steps:
            yield from file_places(use.params).values()
            try:
                yield from weight_files(use).values()
            except AssetForgeError:  # the plan says so
                continue


def _stat(path: Path) -> Stat | None:
    try:
        return stat_of(str(path))
    except OSError:
        return None
