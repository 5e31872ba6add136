"""Results by content key: outputs ready to publish, and what steps hand to each other.

A result is a file named by its key and its content, and a note, named by the key alone, that says which file it is,
with its size and sha256. The note is written last and at once: what it says is never of two hands, however many
machines put one result into a shared store, and the first of them wins.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from pydantic import BaseModel

from assetforge.codecs.atomic import create_atomically, synchronize, temporary, write_atomically
from assetforge.codecs.regular import is_file, read_regular
from assetforge.pipeline.pipeline import Pipeline
from assetforge.store.json_text import parse

NOTE = ".json"
MAPS_SUFFIX = ".safetensors"
"""Suffix of the maps that a step has made; other results are encoded outputs."""
MARK = "assetforge-store.txt"
"""Tells a shared store from an empty folder."""
DAY = 86_400.0
_LARGEST_NOTE = 2**16
_DIGITS = 16
"""Digits of a content's sha256 in the name of its file."""


class Entry(NamedTuple):
    """A result in the store."""

    path: Path
    size: int
    sha256: str
    note: Path = Path()
    """The file that says all this."""

    @property
    def used(self) -> float | None:
        """When it was last used, to a day, in seconds since 1970; None where somebody has dropped it meanwhile."""
        try:
            return self.note.stat().st_mtime
        except FileNotFoundError:
            return None

    def is_whole(self) -> bool:
        """Read all of it and tell whether it is what was put in."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False

    def remove(self) -> None:
        """Remove it, the note first; not the note of another result that has taken its place."""
        if _entry(self.note) in (self, None):
            self.note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


class DamagedError(Exception):
    """A result in the store is not what was put there."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(str(entry.path))
        self.entry = entry


class Store:
    """A folder of results of one's own, and maybe one that is shared."""

    def __init__(self, own: Path, shared: Path | None = None, *, read_only: bool = False) -> None:
        """Keep results in `shared` where it is given and not read-only, else in `own`; look for them in both.

        There first where they are kept, so that what is made anew is found.
        """
        self.folder = shared if shared and not read_only else own
        self._folders = [self.folder, *({own, shared or own} - {self.folder})]

    def find(self, key: str, suffix: str) -> Entry | None:
        """Return a result if it is there, with the size that it was put in with; its content is not read."""
        for folder in self._folders:
            entry = _entry(_note(folder, key, suffix))
            if entry is not None:
                _touch(entry)
                return entry
        return None

    def put(
        self,
        key: str,
        suffix: str,
        write: Callable[[Path], None],
        check: Callable[[Path], None],
        *,
        replace: bool = False,
    ) -> Entry:
        """Keep what `write` writes to the path that it is given; it appears whole or not at all.

        `check` is given the written file and raises where it is not right: then nothing is kept. A whole result that is
        there already stays, and is returned, unless it is to be replaced.
        """
        note = _note(self.folder, key, suffix)
        with temporary(note.with_name(f"{key}{suffix}")) as written:
            write(written)
            check(written)
            with written.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            entry = Entry(note.with_name(f"{key}-{sha256[:_DIGITS]}{suffix}"), written.stat().st_size, sha256, note)
            synchronize(written)
            written.replace(entry.path)
        return _announced(entry, replace=replace)

    def drop(self, entry: Entry) -> None:
        """Remove a result that is damaged; one in a store that is only read stays, for its owner to see."""
        if entry.path.is_relative_to(self.folder):
            with suppress(OSError):
                entry.remove()

    def entries(self) -> Iterator[Entry]:
        """Yield all results in the folder that is written to."""
        for note in sorted(self.folder.glob(f"??/*{NOTE}")):
            entry = _entry(note)
            if entry is not None:
                yield entry

    def leftovers(self) -> Iterator[Path]:
        """Yield files that belong to no result: of a process that died, or of a result that is damaged."""
        named = {path for entry in self.entries() for path in (entry.path, entry.note)}
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):  # somebody else clears up too
                # Younger ones may still be in somebody's hands.
                if path not in named and time.time() - path.stat().st_mtime > DAY:
                    yield path


def open_store(pipeline: Pipeline, *, shared: bool = True) -> Store:
    """Open the store that a pipeline names; without the shared one where that is away."""
    read_only = pipeline.store_mode == "read-only"
    return Store(pipeline.state / "results", pipeline.store if shared else None, read_only=read_only)


def is_marked(folder: Path) -> bool:
    """Tell whether a shared store is there, and not an empty folder that its drive is to be mounted on."""
    return is_file(folder / MARK)


def mark(folder: Path) -> None:
    """Mark a folder as a shared store; raise OutputError where it cannot be written."""
    if not is_marked(folder):
        write_atomically(folder / MARK, b"Results of AssetForge lie here, named by their keys.\n")


def _note(folder: Path, key: str, suffix: str) -> Path:
    return folder / key[:2] / f"{key}{suffix}{NOTE}"


def _announced(entry: Entry, *, replace: bool) -> Entry:
    """Write the note of a result; return the result that is there then, which may be another's that came first."""
    text = json.dumps({"file": entry.path.name, "size": entry.size, "sha256": entry.sha256}).encode()
    if not replace:
        if create_atomically(entry.note, text):
            return entry
        other = _entry(entry.note)
        if other is not None and other.is_whole():
            if other.path != entry.path:
                entry.path.unlink(missing_ok=True)
            return other
    write_atomically(entry.note, text)
    return entry


class _Note(BaseModel):
    file: str
    size: int
    sha256: str


def _entry(note: Path) -> Entry | None:
    try:
        said = parse(_Note, read_regular(note, _LARGEST_NOTE))
        entry = Entry(note.with_name(said.file), said.size, said.sha256, note)
        stat = entry.path.lstat()  # a link in a store that others write to may lead anywhere
        return entry if S_ISREG(stat.st_mode) and stat.st_size == entry.size else None
    except (OSError, ValueError):
        return None


def _touch(entry: Entry) -> None:
    """Note that a result was used, at most once a day; a store that cannot be written does not care."""
    with suppress(OSError):
        if time.time() - (entry.used or 0.0) > DAY:
            os.utime(entry.note)
