"""Proof that nothing has changed since a run that left everything up to date: listings and stats, and nothing read.

A snapshot is taken of all that a plan depends on. While everything still looks the same, a new plan would find nothing
to do. It is compared before anything heavy is imported, so that this module imports next to nothing.
"""

from __future__ import annotations

import os
import stat
import time
from array import array
from binascii import crc32

TYPE_CHECKING = False  # that of `typing` costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FOLDER = "snapshots"
"""The folder of the snapshots, beside the state."""
COMPILED = "__pycache__"
"""A folder that comes by itself."""
DATABASE = "state.sqlite"
"""The state itself, in its folder."""
RUNS = "runs"
"""The folder of the runs at work, beside the state."""
SUFFIX = ".snapshot"
MOST = 8
"""Snapshots that are kept: one for each command line and surroundings, the last used ones."""
GRAIN = 2 * 10**9
"""Nanoseconds: file systems tell times no coarser than that."""
_MAGIC = b"assetforge snapshot 2\n"
_LARGEST = 2**28
"""Bytes of a snapshot: enough for a million files."""
_MANY = 1000
"""Files that changed from which on all is planned anew."""
_NUMBERS = 4
"""Numbers that tell one content of a file from another."""
_ABSENT = (0,) * _NUMBERS
_TEXTS = 5


class Occasion:
    """Who runs what where, and since when."""

    def __init__(self, identity: Iterable[str], grain: int = GRAIN) -> None:
        """Begin now.

        identity: equal for equal command lines in equal surroundings.
        grain: nanoseconds; a file that was touched this short before it is read may be touched again without new times.
        """
        self.identity, self.grain = list(identity), grain
        self.earlier: Earlier | None = None
        """What is known already of what changed."""
        self.began, self._began_steady = time.time_ns(), time.monotonic_ns()

    def is_steady(self) -> bool:
        """Tell whether the clock was not set since it began."""
        elapsed, steady = time.time_ns() - self.began, time.monotonic_ns() - self._began_steady
        return abs(elapsed - steady) < self.grain

    def is_settled(self, numbers: Sequence[int]) -> bool:
        """Tell whether a file, of which `stat_of` tells these numbers, was left alone since well before it began."""
        _, changed, touched, _ = numbers
        return max(changed, touched) < self.began - self.grain


class Ending:
    """How the run ended that a snapshot is of."""

    def __init__(self, pipeline: str, jobs: int, database: int, says: str, checked: str) -> None:
        """Keep what is wanted later.

        pipeline: by what the state knows it.
        jobs: how many are up to date.
        database: inode of the state's file; another one remembers something else.
        says: what the next run says that finds nothing to do.
        checked: what `assetforge check` says; nothing where it looks at more than the run has.
        """
        self.pipeline, self.jobs, self.database = pipeline, jobs, database
        self.says, self.checked = says, checked

    def texts(self) -> list[str]:
        """Return it in parts."""
        return [self.pipeline, str(self.jobs), str(self.database), self.says, self.checked]


class Earlier:
    """A snapshot that is not current any more, though nothing came or went: some files have changed."""

    def __init__(self, path: str, found: Snapshot, changed: Iterable[str]) -> None:
        self.path, self.snapshot, self.changed = path, found, frozenset(changed)


class Snapshot:
    """How everything looked that a plan depends on."""

    def __init__(
        self,
        identity: Sequence[str],
        ending: Ending,
        folders: Mapping[str, str],
        names: Mapping[str, str],
        files: Sequence[str],
        numbers: array[int],
    ) -> None:
        """Keep what was seen; `look` sees it.

        identity: who asks for what, and where; equal for equal command lines in equal surroundings.
        folders: what is in each folder, whose files count too.
        names: what is in each folder of which the names alone count.
        files: paths of files, there or not.
        numbers: those of `stat_of` for each folder and the files in it, and then for each of `files`.
        """
        self.identity, self.ending = list(identity), ending
        self.folders, self.names, self.files, self.numbers = dict(folders), dict(names), list(files), numbers

    def differences(self) -> Iterator[str]:
        """Yield what looks different now: a folder where anything came or went in it, else the file; lazily."""
        for folder, known in self.names.items():
            if names_in(folder) != known:
                yield folder
        at = 0
        for folder, known in self.folders.items():
            size = _NUMBERS * (1 + _count(known))
            listed, numbers = listing(folder)
            was, at = self.numbers[at : at + size], at + size
            if listed != known or numbers[:_NUMBERS] != was[:_NUMBERS].tolist():
                yield folder
            elif (now := array("Q", numbers)) != was:
                names = ["", *files_of(known)]
                yield from (os.path.join(folder, names[index]) for index in _different(now, was))  # noqa: PTH118
        now, was = array("Q", stats_of(self.files)), self.numbers[at:]
        if now != was:
            yield from (self.files[index] for index in _different(now, was))

    def stats(self) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
        """Yield the path of each file, with its numbers."""
        numbers = iter(self.numbers)
        rows = zip(numbers, numbers, numbers, numbers, strict=True)
        for folder, known in self.folders.items():
            next(rows)  # those of the folder
            yield from zip((os.path.join(folder, name) for name in files_of(known)), rows, strict=False)  # noqa: PTH118
        yield from zip(self.files, rows, strict=False)

    def changed(self) -> set[str] | None:
        """Return the files that look different now; None where anything came or went, or very many changed."""
        found: set[str] = set()
        for path in self.differences():
            if path in self.names or path in self.folders or len(found) == _MANY:
                return None
            found.add(path)
        return found

    def data(self) -> bytes:
        """Return the snapshot as bytes."""
        listed = ([part for item in one.items() for part in item] for one in (self.folders, self.names))
        texts = [_joined(texts) for texts in (self.identity, self.ending.texts(), *listed, self.files)]
        parts = [*texts, self.numbers.tobytes()]
        return _MAGIC + array("Q", map(len, parts)).tobytes() + b"".join(parts)


def look(
    identity: Sequence[str], ending: Ending, folders: Iterable[str], names: Iterable[str], files: Iterable[str]
) -> Snapshot:
    """Take a snapshot of folders with the files in them, of the names in folders, and of other files.

    Raises OverflowError where times are before 1970, and ValueError where names cannot be written.
    """
    numbers: list[int] = []
    listed: dict[str, str] = {}
    seen: set[str] = set()
    for folder in dict.fromkeys(folders):
        listed[folder], found = listing(folder)
        seen.update(os.path.join(folder, name) for name in files_of(listed[folder]))  # noqa: PTH118
        numbers += found
    others = [path for path in dict.fromkeys(files) if path not in seen]
    numbers += stats_of(others)
    searched = {folder: names_in(folder) for folder in names}
    return Snapshot(identity, ending, listed, searched, others, array("Q", numbers))


def read(path: str) -> Snapshot | None:
    """Read a snapshot; None where there is none, or it is not as we write it."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        with open(path, "rb") as file:  # noqa: PTH123
            return _parsed(file.read())
    except (OSError, ValueError):
        return None


def name_of(identity: Iterable[str]) -> str:
    """Return the name of a snapshot's file; what it says of itself is compared, too."""
    return f"{crc32(_joined(identity)):08x}{SUFFIX}"


def drop_all(state: str) -> None:
    """Remove all snapshots beside a state: what is built from now on may be other than they say."""
    for path in paths(state):
        try:
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:  # others drop them, too
            continue


def paths(state: str) -> list[str]:
    """Return the files of the snapshots beside a state, the last used one first; never what a link leads to."""
    folder = os.path.join(state, FOLDER)  # noqa: PTH118
    if os.path.islink(folder):  # noqa: PTH114
        return []
    try:
        with os.scandir(folder) as entries:
            ours = [one for one in entries if one.name.endswith(SUFFIX) and not one.is_dir(follow_symlinks=False)]
            return [one.path for one in sorted(ours, key=_last_use, reverse=True)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _last_use(entry: os.DirEntry[str]) -> int:
    return entry.stat(follow_symlinks=False).st_mtime_ns


def runs_at_work(state: str) -> bool:
    """Tell whether a run is at work on a state, or has died at it."""
    try:
        with os.scandir(os.path.join(state, RUNS)) as entries:  # noqa: PTH118
            return any(entry.is_dir() for entry in entries)
    except FileNotFoundError:
        return False


def mark_used(path: str) -> None:
    """Give a snapshot's file the time of now, if that is allowed: then was the last run that it has spared."""
    try:
        os.utime(path)
    except OSError:
        return


def listing(folder: str) -> tuple[str, list[int]]:
    """Return what is in a folder, each name followed by `/`, those of folders by `//`; and the stats of its files.

    Those of the folder itself come first. All folders that cannot be listed look alike.
    """
    names: list[str] = []
    numbers = list(stat_of(folder))
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    names.append(f"{entry.name}//")
                else:
                    names.append(f"{entry.name}/")
                    found = entry.stat()
                    numbers += (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    except OSError:
        return "", list(_ABSENT)
    return "".join(names), numbers


def files_of(listed: str) -> list[str]:
    """Return the names of the files in what `listing` says."""
    return [name for name, is_folder in entries(listed) if not is_folder]


def folders_of(listed: str) -> list[str]:
    """Return the names of the folders in what `listing` says."""
    return [name for name, is_folder in entries(listed) if is_folder]


def entries(listed: str) -> list[tuple[str, bool]]:
    """Return each name in what `listing` says, and whether it is a folder's."""
    parts = listed.removesuffix("/").split("/")
    return [(name, after == "") for name, after in zip(parts, [*parts[1:], None], strict=True) if name]


def _count(listed: str) -> int:
    """Count the files in what `listing` says."""
    return listed.count("/") - 2 * listed.count("//")


def names_in(folder: str) -> str:
    """Return all names in a folder, in order, but for hidden ones; nothing where it cannot be listed."""
    try:
        found = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return ""
    return "/".join(sorted(name for name in found if name[0] != "." and name != COMPILED))


def stat_of(path: str) -> tuple[int, ...]:
    """Return size, times of the last change of content and of anything, and inode; zeros where there is nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return _ABSENT
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def stats_of(paths: Iterable[str]) -> list[int]:
    """Return the numbers of `stat_of` for many files in a row."""
    numbers: list[int] = []
    look_at = os.stat
    for path in paths:
        try:
            found = look_at(path)
        except OSError:
            numbers += _ABSENT
        else:
            numbers += (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return numbers


def _different(now: array[int], before: array[int], start: int = 0, end: int | None = None) -> Iterator[int]:
    """Yield the index of each file whose numbers differ: halves that are alike are not looked through."""
    end = len(before) // _NUMBERS if end is None else end
    part = slice(start * _NUMBERS, end * _NUMBERS)
    if now[part] == before[part]:
        return
    if end - start == 1:
        yield start
        return
    middle = (start + end) // 2
    yield from _different(now, before, start, middle)
    yield from _different(now, before, middle, end)


def _joined(texts: Iterable[str]) -> bytes:
    return os.fsencode("\0".join(texts))


def _parsed(data: bytes) -> Snapshot | None:
    """Return what `Snapshot.data` has written; raise ValueError, or return None, where that is not so."""
    lengths, start = array("Q"), len(_MAGIC)
    body = start + (_TEXTS + 1) * lengths.itemsize
    if not data.startswith(_MAGIC) or len(data) < body:
        return None
    lengths.frombytes(data[start:body])
    if sum(lengths) != len(data) - body:
        return None
    parts = []
    for length in lengths:
        parts.append(data[body : body + length])
        body += length
    *texts, last = parts
    identity, ending, folders, names, files = [os.fsdecode(text).split("\0") for text in texts]
    numbers = array("Q")
    numbers.frombytes(last)
    pipeline, jobs, database, says, checked = ending
    found = Snapshot(
        identity,
        Ending(pipeline, int(jobs), int(database), says, checked),
        _paired(folders),
        _paired(names),
        files if texts[-1] else [],
        numbers,
    )
    listed = sum(1 + _count(one) for one in found.folders.values())
    return found if len(numbers) == _NUMBERS * (listed + len(found.files)) else None


def _paired(texts: Sequence[str]) -> dict[str, str]:
    return dict(zip(texts[::2], texts[1::2], strict=True)) if texts != [""] else {}
