"""Results by content key: outputs ready to publish, and what steps hand to each other.

Each result lies beside a note of its size and sha256, which is written last: a result without a note is not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from assetforge.codecs.atomic import replacing, write_atomically
from assetforge.pipeline.pipeline import Pipeline

NOTE = ".json"
DAY = 86_400.0


@dataclass(frozen=True)
class Entry:
    """A result in the store."""

    path: Path
    size: int
    sha256: str

    @property
    def note(self) -> Path:
        """Where size and sha256 are noted."""
        return self.path.with_name(self.path.name + NOTE)

    @property
    def used(self) -> float:
        """When it was last used, to a day, in seconds since 1970."""
        return self.note.stat().st_mtime

    def is_whole(self) -> bool:
        """Read all of it and tell whether it is what was put in."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False

    def remove(self) -> None:
        """Remove it, the note first."""
        for path in (self.note, self.path):
            path.unlink(missing_ok=True)


class Store:
    """A folder of results of one's own, and maybe one that is shared."""

    def __init__(self, own: Path, shared: Path | None = None, *, read_only: bool = False) -> None:
        """Keep results in `shared` where it is given and not read-only, else in `own`; look for them in both."""
        self.folder = shared if shared and not read_only else own
        self._folders = [own, shared] if shared else [own]

    def find(self, key: str, suffix: str) -> Entry | None:
        """Return a result if it is there, with the size that it was put in with; its content is not read."""
        for folder in self._folders:
            entry = _entry(_path(folder, key, suffix))
            if entry is not None:
                _touch(entry)
                return entry
        return None

    def put(self, key: str, suffix: str, write: Callable[[Path], None], check: Callable[[Path], None]) -> Entry:
        """Keep what `write` writes to the path that it is given; it appears whole or not at all.

        `check` is given the written file and raises where it is not right: then nothing is kept.
        """
        path = _path(self.folder, key, suffix)
        with replacing(path) as temporary:
            write(temporary)
            check(temporary)
            with temporary.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            entry = Entry(path, temporary.stat().st_size, sha256)
        write_atomically(entry.note, json.dumps({"size": entry.size, "sha256": sha256}).encode())
        return entry

    def drop(self, entry: Entry) -> None:
        """Remove a result that is damaged; one in a store that is only read stays, for its owner to see."""
        if entry.path.is_relative_to(self.folder):
            with suppress(OSError):
                entry.remove()

    def entries(self) -> Iterator[Entry]:
        """Yield all results in the folder that is written to."""
        for note in sorted(self.folder.glob(f"??/*{NOTE}")):
            entry = _entry(note.with_name(note.name.removesuffix(NOTE)))
            if entry is not None:
                yield entry

    def leftovers(self) -> Iterator[Path]:
        """Yield files that belong to no result: of a process that died, or of a result that is damaged."""
        for path in self.folder.glob("??/*"):
            named = path.with_name(path.name.removesuffix(NOTE))
            old = time.time() - path.stat().st_mtime > DAY  # younger ones may still be in somebody's hands
            if old and (path.name.startswith(".") or _entry(named) is None):
                yield path


def open_store(pipeline: Pipeline) -> Store:
    """Open the store that a pipeline names."""
    return Store(pipeline.state / "results", pipeline.store, read_only=pipeline.store_mode == "read-only")


def _path(folder: Path, key: str, suffix: str) -> Path:
    return folder / key[:2] / f"{key}{suffix}"


def _entry(path: Path) -> Entry | None:
    try:
        note = json.loads(path.with_name(path.name + NOTE).read_bytes())
        entry = Entry(path, int(note["size"]), str(note["sha256"]))
        return entry if path.stat().st_size == entry.size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _touch(entry: Entry) -> None:
    """Note that a result was used, at most once a day; a store that cannot be written does not care."""
    with suppress(OSError):
        if time.time() - entry.used > DAY:
            os.utime(entry.note)
