"""Which source files there are, and what tells their contents apart: the truth that hints only hint at."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assetforge.pipeline.patterns import is_passed_over
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import FOLDER_OVERRIDE, own_folders, source_files, source_tree
from assetforge.store.state import Stat, stat_of


@dataclass(frozen=True)
class Changes:
    """What a look at everything has found. Names are relative to the sources, with `/`."""

    arrived: tuple[str, ...] = ()
    """New files, and those that differ from what was taken in."""
    gone: tuple[str, ...] = ()
    """Files that were taken in and are not there any more."""


class Inventory:
    """The source files that were taken in, each with its stat."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.files: dict[str, Stat] = {}
        self.away: set[str] = set()
        """Files that cannot be seen because their disk is away: nobody has removed them."""
        self.disks_changed = False
        """Whether the last look at everything found other disks than the one before."""
        self.root = watched_folder(pipeline)
        self._pipeline = pipeline
        self._skip = tuple(f"{folder}{os.sep}" for folder in own_folders(pipeline))
        self._disks: dict[str, tuple[int, int]] = {}
        """The watched folder, and those below it that other disks hang on, each with its device and inode."""

    def take_in(self, name: str, stat: Stat) -> None:
        """Take in a file as it is now."""
        self.files[name] = stat
        self.away.discard(name)

    def take_out(self, name: str) -> None:
        """Forget a file that is gone."""
        self.files.pop(name, None)

    def stat(self, name: str) -> Stat | None:
        """Look at a file. A link that leads nowhere is there, too: whoever reads it will say so."""
        path = self.path(name)
        try:
            return stat_of(path)
        except OSError:
            return _stat_of_link(path)

    def path(self, name: str) -> str:
        """Return where a file is."""
        return os.path.join(self._pipeline.sources, name)  # noqa: PTH118

    def look(self) -> Changes:
        """Look at everything. Raise SourceError where a folder cannot be listed."""
        tree = source_tree(self._pipeline)
        there = dict.fromkeys(source_files(self._pipeline, tree))
        arrived = [name for name in there if self.stat(name) != self.files.get(name)]
        gone = {name for name in self.files if name not in there}
        self._note_what_is_away(gone, tree.folders)
        return Changes(tuple(arrived), tuple(sorted(gone)))

    def _note_what_is_away(self, gone: set[str], folders: Iterable[str]) -> None:
        """Tell what was removed from what was on a disk that is away now, or has been exchanged."""
        now = self._identities(folders)
        lost = tuple(folder for folder, identity in self._disks.items() if now.get(folder) != identity)
        self.disks_changed = bool(lost)
        self.away |= {name for name in gone if name.startswith(lost)}
        top = min(now, key=len, default="")
        self._disks |= {
            folder: (device, inode)
            for folder, (device, inode) in now.items()
            if folder == top or device != now.get(_parent(folder), (device, 0))[0]
        }

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

    def is_away(self, path: Path) -> bool:
        """Tell whether a source cannot be seen because its disk is away."""
        return bool(self.away) and os.path.relpath(path, self._pipeline.sources).replace(os.sep, "/") in self.away

    def relevant(self, path: str) -> str | None:
        """Return the name of a file by its absolute path, if it may be a source or set something for one."""
        prefix = f"{self._pipeline.sources}{os.sep}"
        if not path.startswith(prefix):
            return None
        name = path[len(prefix) :].replace(os.sep, "/")
        if any(is_passed_over(part) for part in name.split("/")):
            return None
        patterns = {one.pattern for one in self._pipeline.inputs.values()}
        if not (name.endswith(FOLDER_OVERRIDE) or any(pattern.match(name) for pattern in patterns)):
            return None
        return None if os.path.realpath(path).startswith(self._skip) else name

    def below(self, path: str) -> set[str]:
        """Return the files below a folder, by its absolute path: those that are there, and those that were."""
        prefix = f"{path.removeprefix(f'{self._pipeline.sources}{os.sep}').replace(os.sep, '/')}/"
        known = {name for name in self.files if name.startswith(prefix)}
        found = (os.path.join(folder, file) for folder, _, files in os.walk(path) for file in files)  # noqa: PTH118
        return known | {name for name in map(self.relevant, found) if name}


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
