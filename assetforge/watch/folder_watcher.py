"""Notices changes below a folder: by events of the system where it has them, by polling elsewhere; and scans it.

Some events get lost, and some come twice. A scan, which looks at the source folders themselves, is authoritative.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from assetforge.codecs.completeness import end_of, is_lfs_pointer
from assetforge.events import Event, SourcesAway, Watching
from assetforge.pipeline.patterns import is_passed_over
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.assets import FOLDER_OVERRIDE, names_below, own_folders, source_files, source_tree
from assetforge.store.state import Stat, as_stat

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

# Not: files that were opened, or closed without a change. Our own reading of sources does that all the time.
_REPORTED = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
CAPACITY = 200_000
"""Paths that are kept until somebody takes them; where there are more, everything is scanned instead."""


@dataclass
class Batch:
    """Absolute paths that events told of since the last time."""

    files: dict[str, bool] = field(default_factory=dict)
    """Whether each was closed, or moved into place, last."""
    folders: set[str] = field(default_factory=set)
    """Folders that came or went, with all that is in them."""
    lost: str = ""
    """Why some events are missing, if so: then only a scan tells."""


class EventBuffer:
    """Collects events until the event loop takes them. Any thread may add some."""

    def __init__(self, wake: Callable[[], None], capacity: int = CAPACITY) -> None:
        self._wake, self._capacity = wake, capacity
        self._lock = threading.Lock()
        self._batch = Batch()

    def __bool__(self) -> bool:
        """Tell whether there is something to take."""
        return bool(self._batch.files or self._batch.folders or self._batch.lost)

    def take(self) -> Batch:
        """Return what was collected since the last time."""
        with self._lock:
            taken, self._batch = self._batch, Batch()
        return taken

    def add_file(self, path: str, *, closed: bool) -> None:
        """Note that a file came, went or changed."""
        with self._adding() as batch:
            batch.files[path] = closed

    def add_folder(self, path: str) -> None:
        """Note that a folder came or went."""
        with self._adding() as batch:
            batch.folders.add(path)

    def add_loss(self, why: str) -> None:
        """Note that events have been lost."""
        with self._adding() as batch:
            batch.lost = why

    @contextmanager
    def _adding(self) -> Iterator[Batch]:
        """Give the batch to add to; wake the event loop where it was empty."""
        with self._lock:
            first = not self
            if len(self._batch.files) + len(self._batch.folders) >= self._capacity:
                self._batch = Batch(lost="too much happens at once")
            yield self._batch
        if first:
            self._wake()


class SystemObserver:
    """Lets the operating system report changes below a folder to a buffer, until it is stopped."""

    def __init__(self, root: Path, buffer: EventBuffer) -> None:
        """Begin to watch. Raise OSError where the system cannot: it has limits, or the folder is gone."""
        self._observer: BaseObserver = Observer()
        self._losses = _LossHandler(buffer)
        logging.getLogger("watchdog").addHandler(self._losses)
        try:
            self._observer.schedule(_Handler(buffer), str(root), recursive=True, event_filter=_REPORTED)
            self._observer.start()
        except BaseException:
            self.stop()
            raise

    @property
    def works(self) -> bool:
        """Whether all of its threads live."""
        return self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)

    def stop(self) -> None:
        """Stop watching, and wait until nothing more will be reported."""
        logging.getLogger("watchdog").removeHandler(self._losses)
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        else:
            self._observer.unschedule_all()


class _Handler(FileSystemEventHandler):
    def __init__(self, buffer: EventBuffer) -> None:
        self._buffer = buffer

    def dispatch(self, event: FileSystemEvent) -> None:
        moved = isinstance(event, FileMovedEvent | DirMovedEvent)
        if event.is_directory:
            for path in (event.src_path, event.dest_path) if moved else (event.src_path,):
                self._buffer.add_folder(os.fsdecode(path))
            return
        self._buffer.add_file(os.fsdecode(event.src_path), closed=isinstance(event, FileClosedEvent))
        if moved:
            self._buffer.add_file(os.fsdecode(event.dest_path), closed=True)


class _LossHandler(logging.Handler):
    """Hears the library log that it has lost events, which it reports in no other way."""

    def __init__(self, buffer: EventBuffer) -> None:
        super().__init__(logging.WARNING)
        self._buffer = buffer

    def emit(self, record: logging.LogRecord) -> None:
        told = record.args if isinstance(record.args, tuple) else ()
        names = tuple(os.fsdecode(one) if isinstance(one, bytes) else one for one in told)
        self._buffer.add_loss(str(record.msg) % names if names else record.getMessage())


NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ncp",
    "sshfs",
    "glusterfs",
    "ceph",
    "lustre",
    "vboxsf",
    "prl_fs",
    "davfs",
)
"""What the names of file systems contain whose changes are made elsewhere, so that the system does not hear of them."""
_LIMITS = {errno.ENOSPC: "max_user_watches", errno.EMFILE: "max_user_instances"}
"""The limit behind what Linux says."""
_PROC = Path("/proc/sys/fs/inotify")


class FolderWatcher:
    """Watches a folder, which may go and come back."""

    mode: Literal["events", "polling", "away"]

    def __init__(
        self, root: Path, buffer: EventBuffer, emit: Callable[[Event], None], *, polling: bool = False
    ) -> None:
        self._root, self._buffer, self._emit, self._polling = root, buffer, emit, polling
        self._observer: SystemObserver | None = None
        self._identity: tuple[int, int] | None = None
        self.mode = "events"

    def check(self) -> bool:
        """See whether the folder is there and watched; return whether all that is in it must be scanned."""
        identity = _identity(self._root)
        if identity is None:
            return self._note_away()
        if identity == self._identity and (self._observer is None or self._observer.works):
            return False
        self._identity = identity
        self.start()
        return True

    def _note_away(self) -> bool:
        self.close()
        if self.mode == "away":
            return False
        self.mode, self._identity = "away", None
        self._emit(SourcesAway(str(self._root)))
        return True

    def start(self) -> None:
        """Watch the folder as it is now."""
        self.close()
        why = "as the pipeline says" if self._polling else _why_not_events(self._root)
        if not why:
            try:
                self._observer = SystemObserver(self._root, self._buffer)
            except OSError as error:
                why = _explain(error)
        self.mode = "polling" if why else "events"
        self._emit(Watching(str(self._root), self.mode, why))

    def close(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer = None


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
        os.scandir(folder).close()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _why_not_events(folder: Path) -> str:
    kind = file_system(folder)
    return f"{kind} is a network drive" if any(name in kind for name in NETWORK) else ""


def file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on, or nothing where the system does not tell."""
    if os.name == "nt":
        return "smb" if str(folder.resolve()).startswith("\\\\") else ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    real, best, kind = str(folder.resolve()), "", ""
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode().decode("unicode_escape")
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def _explain(error: OSError) -> str:
    limit = _LIMITS.get(error.errno or 0)
    if limit is None:
        return f"the system cannot ({error.strerror})"
    try:
        now = f" (now {(_PROC / limit).read_text().strip()})"
    except OSError:
        now = ""
    return f"the system's limit is reached; raise it with `sysctl fs.inotify.{limit}=524288`{now}"


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
        """Look at a file. A link that leads nowhere is there, too: whoever reads it will say so; a folder is none."""
        path = self.path(name)
        try:
            found = os.stat(path)  # noqa: PTH116  one call for each of many files
        except OSError:
            return _stat_of_link(path)
        return None if S_ISDIR(found.st_mode) else as_stat(found)

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

    def names_below(self, paths: Collection[str], known: Iterable[str]) -> set[str]:
        """Return the files below folders, by their absolute paths: those that are there, and those that are known."""
        ordered = sorted(known) if paths else []
        tops = (path for path in paths if not any(above in paths for above in _folders_above(path)))
        names = set[str]()
        for top in tops:
            names.update(names_below(f"{top.removeprefix(self._prefix).replace(os.sep, '/')}/", ordered))
            found = (os.path.join(folder, file) for folder, _, files in os.walk(top) for file in files)  # noqa: PTH118
            names.update(name for name in map(self.name_of, found) if name)
        return names


def watched_folder(pipeline: Pipeline) -> Path:
    """Return the folder that all sources lie below."""
    prefixes = [one.pattern.prefix for one in pipeline.inputs.values()]
    common = os.path.commonpath(prefixes) if all(prefixes) else ""
    return pipeline.sources / common


def _folders_above(path: str) -> Iterator[str]:
    """Yield the folders that a path lies in, from the innermost."""
    while (at := path.rfind(os.sep)) > 0:
        path = path[:at]
        yield path


def _stat_of_link(path: str) -> Stat | None:
    try:
        return as_stat(os.lstat(path))
    except OSError:
        return None


def _parent(folder: str) -> str:
    above = folder[:-1].rpartition("/")[0]
    return f"{above}/" if above else ""
