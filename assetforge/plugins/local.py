"""The modules in a project's `plugins` folder: its plugins, and what they share."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NoReturn

FOLDER = "plugins"
PREFIX = "assetforge_local_"
"""What the names of packages begin with that stand for a project's folder."""


def open_folder(folder: Path) -> str:
    """Make the modules of a folder importable, as they are now; return the package that they are parts of.

    They find each other by relative imports (`from . import helper`), and by bare names (`import helper`) that nothing
    else has. Each is one module, however it is imported.
    """
    package = PREFIX + hashlib.sha256(str(folder).encode(errors="surrogateescape")).hexdigest()[:12]
    importlib.invalidate_caches()
    sys.meta_path[:] = [one for one in sys.meta_path if not (isinstance(one, _Finder) and one.package == package)]
    for name, module in list(sys.modules.items()):
        if is_local(module, package) or (is_local(module) and not name.startswith(PREFIX)):
            del sys.modules[name]  # the folder's own, and bare names of other folders, which now mean this one's
    sys.meta_path.insert(0, _Finder(folder, package))
    return package


def is_local(module: ModuleType | None, package: str = "") -> bool:
    """Tell whether a module is of a project's folder, or of the one that a package stands for, whatever its name."""
    name = str(getattr(module, "__name__", "")).partition(".")[0]
    return name == package if package else name.startswith(PREFIX)


def without_package(text: str) -> str:
    """Name modules in a message as their authors do."""
    return re.sub(rf"{PREFIX}\w+(\.)?", lambda found: "" if found.group(1) else FOLDER, text)


class _Finder(MetaPathFinder):
    """Finds the modules of one folder."""

    def __init__(self, folder: Path, package: str) -> None:
        self.folder, self.package = folder, package

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname == self.package:
            return self._package()
        if fullname.startswith(f"{self.package}."):
            return _in_folders(fullname, path or ())
        return self._by_bare_name(fullname)

    def _package(self) -> ModuleSpec:
        init, here = self.folder / "__init__.py", [str(self.folder)]
        if init.is_file():
            loader = _Fresh(self.package, str(init))
            found = spec_from_file_location(self.package, init, loader=loader, submodule_search_locations=here)
            if found is not None:
                return found
        spec = ModuleSpec(self.package, None, is_package=True)
        spec.submodule_search_locations = here
        return spec

    def _by_bare_name(self, fullname: str) -> ModuleSpec | None:
        top, dot, _ = fullname.partition(".")
        if dot:
            ours = is_local(sys.modules.get(top), self.package)
        else:
            names = (self.folder / f"{top}.py", self.folder / top / "__init__.py")
            ours = any(file.is_file() for file in names) and not self._is_taken(top)
        return ModuleSpec(fullname, _Alias(f"{self.package}.{fullname}")) if ours else None

    def _is_taken(self, name: str) -> bool:
        """Tell whether anything else has a module of this name: that one is meant, as anywhere else."""
        others = (finder for finder in sys.meta_path if not isinstance(finder, _Finder))
        return any(finder.find_spec(name, None) is not None for finder in others)


def _in_folders(fullname: str, folders: Sequence[str]) -> ModuleSpec | None:
    loaders = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (_Fresh, SOURCE_SUFFIXES))
    found = (FileFinder(folder, *loaders).find_spec(fullname) for folder in folders)
    return next((spec for spec in found if spec is not None), None)


class _Fresh(SourceFileLoader):
    """Loads a file as it is now. Compiled files are told apart by size and second, which is too coarse for editing."""

    def path_stats(self, path: str) -> NoReturn:
        """Say that the file's time is unknown, which keeps compiled files out of it."""
        raise OSError(path)


class _Alias(Loader):
    """Gives a module another name, so that it is the same one by both."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave it as it is: it was run by its own name."""
        module.__spec__ = self._spec  # the import system has put that of the other name there
