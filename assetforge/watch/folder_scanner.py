"""Looks at the source folders: which files there are now. A scan is authoritative; events may be lost."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assetforge.codecs.completeness import end_of, is_lfs_pointer
from assetforge.pipeline.patterns import is_passed_over
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import FOLDER_OVERRIDE, own_folders, source_files, source_tree
from assetforge.store.state import Stat, stat_of


@dataclass(frozen=True)
class Scan:
    """All source files at one moment. Names are relative to the sources, with `/`."""

    files: dict[str, Stat | None]
    lost_folders: tuple[str, ...]
    """Folders (with `/` at the end) whose disk is away, or was exchanged, since the scan before."""


class FolderScanner:
    """Looks at the source files of a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.root = watched_folder(pipeline)
        self._pipeline = pipeline
        self._prefix = f"{pipeline.sources}{os.sep}"
        self._skip = tuple(f"{folder}{os.sep}" for folder in own_folders(pipeline))
        self._disks: dict[str, tuple[int, int]] = {}
        """The watched folder, and those below it that other disks hang on, each with its device and inode."""

    # All files

    def scan(self) -> Scan:
        """Look at everything. Raise SourceError where a folder cannot be listed."""
        tree = source_tree(self._pipeline)
        files = {name: self.stat(name) for name in source_files(self._pipeline, tree)}
        return Scan(files, self._lost_folders(tree.listed))

    def _lost_folders(self, folders: Iterable[str]) -> tuple[str, ...]:
        """Compare the disks with those of the scan before."""
        now = self._identities(folders)
        lost = tuple(folder for folder, identity in self._disks.items() if now.get(folder) != identity)
        top = min(now, key=len, default="")
        self._disks |= {
            folder: (device, inode)
            for folder, (device, inode) in now.items()
            if folder == top or device != now.get(_parent(folder), (device, 0))[0]
        }
        return lost

    def _identities(self, folders: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return device and inode of each folder; names end with `/`, and the sources' own is empty."""
        found = {}
        for folder in folders:
            try:
                stat = os.stat(self.path(folder))  # noqa: PTH116
            except OSError:
                continue
            found[f"{folder}/" if folder else ""] = (stat.st_dev, stat.st_ino)
        return found

    # One file

    def path(self, name: str) -> str:
        """Return where a file is."""
        return os.path.join(self._pipeline.sources, name)  # noqa: PTH118

    def stat(self, name: str) -> Stat | None:
        """Look at a file. A link that leads nowhere is there, too: whoever reads it will say so."""
        path = self.path(name)
        try:
            return stat_of(path)
        except OSError:
            return _stat_of_link(path)

    def is_complete(self, name: str) -> bool:
        """Tell whether the end of a file is there, or its format does not tell."""
        try:
            return end_of(Path(self.path(name))) != "missing"
        except OSError:  # whoever reads it will say why
            return True

    def is_lfs_pointer(self, name: str) -> bool:
        """Tell whether a file only stands for one that Git-LFS has not fetched."""
        return is_lfs_pointer(Path(self.path(name)))

    # From paths to names

    def name_of(self, path: str) -> str | None:
        """Return the name of a file by its absolute path, if it may be a source or set something for one."""
        if not path.startswith(self._prefix):
            return None
        name = path[len(self._prefix) :].replace(os.sep, "/")
        if any(is_passed_over(part) for part in name.split("/")):
            return None
        patterns = {one.pattern for one in self._pipeline.inputs.values()}
        if not (name.endswith(FOLDER_OVERRIDE) or any(pattern.match(name) for pattern in patterns)):
            return None
        return None if os.path.realpath(path).startswith(self._skip) else name

    def names_below(self, path: str, known: Iterable[str]) -> set[str]:
        """Return the files below a folder, by its absolute path: those that are there, and those that are known."""
        prefix = f"{path.removeprefix(self._prefix).replace(os.sep, '/')}/"
        found = (os.path.join(folder, file) for folder, _, files in os.walk(path) for file in files)  # noqa: PTH118
        return {name for name in known if name.startswith(prefix)} | {name for name in map(self.name_of, found) if name}


def watched_folder(pipeline: Pipeline) -> Path:
    """Return the folder that all sources lie below."""
    prefixes = [one.pattern.prefix for one in pipeline.inputs.values()]
    common = os.path.commonpath(prefixes) if all(prefixes) else ""
    return pipeline.sources / common


def _stat_of_link(path: str) -> Stat | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _parent(folder: str) -> str:
    above = folder[:-1].rpartition("/")[0]
    return f"{above}/" if above else ""
