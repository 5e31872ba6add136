"""Which plugins there are: those that are installed, and those of a project; none of them is imported."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Container, Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from assetforge.plugins import local

GROUP = "assetforge"
"""The entry points that name the modules of plugins."""
GROUP_OF_STEPS, GROUP_OF_MAPS = "assetforge.steps", "assetforge.maps"
"""Those that name the module of each step and of each map: such a module is only imported where one of them is used."""


class Found(NamedTuple):
    """A plugin, and how to import it."""

    name: str
    origin: str
    version: str
    module: Callable[[], ModuleType]
    file: Path | None = None
    """The file of a plugin of the project."""
    steps: frozenset[str] = frozenset()
    maps: frozenset[str] = frozenset()
    """What its metadata name; nothing where only the module itself tells."""

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"plugin {self.name!r} ({self.origin})"

    def is_wanted(self, words: Container[str] | None) -> bool:
        """Tell whether a pipeline of these words needs it; of None, nothing is known."""
        return words is None or not self.steps or any(name in words for name in self.steps | self.maps)


def installed() -> list[Found]:
    """Find the plugins that are installed, in the order of their names."""
    every = entry_points()
    entries = sorted(every.select(group=GROUP), key=lambda entry: (entry.name, entry.value))
    versions = {dist: dist.version for dist in {entry.dist for entry in entries} if dist}  # a file is read for each
    steps, maps = (_names_by_module(every.select(group=group)) for group in (GROUP_OF_STEPS, GROUP_OF_MAPS))
    return [
        Found(
            entry.name,
            entry.value,
            versions[entry.dist] if entry.dist else "",
            entry.load,
            steps=steps.get(entry.value, frozenset()),
            maps=maps.get(entry.value, frozenset()),
        )
        for entry in entries
    ]


def _names_by_module(entries: Iterable[EntryPoint]) -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for entry in entries:
        names.setdefault(entry.value, set()).add(entry.name)
    return {module: frozenset(of_it) for module, of_it in names.items()}


def of_project(project: Path) -> list[Found]:
    """Find the modules and packages in a project's folder of plugins, in the order of their names."""
    folder = project / local.FOLDER
    package = local.open_folder(folder)
    files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    named = sorted((path.parent.name if path.name == "__init__.py" else path.stem, path) for path in files)
    return [
        Found(name, path.relative_to(project).as_posix(), "", _importing(f"{package}.{name}"), path)
        for name, path in named
        if name[0] not in "_." and path != folder / "__init__.py"
    ]


def _importing(name: str) -> Callable[[], ModuleType]:
    return lambda: importlib.import_module(name)
