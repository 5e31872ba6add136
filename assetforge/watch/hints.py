"""What the system tells of changes below a folder. Hints, no more: some get lost, and some are told twice."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

# Not: files that were opened, or closed without a change. Our own reading of sources does that all the time.
_TOLD = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
MOST = 200_000
"""Hints that are kept for whoever asks; where there are more, all is looked at instead."""


@dataclass
class Gathered:
    """Absolute paths that were told of since the last time."""

    files: dict[str, bool] = field(default_factory=dict)
    """Whether each was closed, or moved into place, last."""
    folders: set[str] = field(default_factory=set)
    """Folders that came or went, with all that is in them."""
    lost: str = ""
    """Why some hints are missing, if so: then only looking at everything tells."""


class Hints:
    """Gathers hints until somebody takes them. Any thread may add some."""

    def __init__(self, wake: Callable[[], None], most: int = MOST) -> None:
        self._wake, self._most = wake, most
        self._lock = threading.Lock()
        self._gathered = Gathered()

    def __bool__(self) -> bool:
        """Tell whether there is something to take."""
        return bool(self._gathered.files or self._gathered.folders or self._gathered.lost)

    def take(self) -> Gathered:
        """Return what was gathered since the last time."""
        with self._lock:
            taken, self._gathered = self._gathered, Gathered()
        return taken

    def file(self, path: str, *, closed: bool) -> None:
        """Note that a file came, went or changed."""
        self._add(lambda: self._gathered.files.__setitem__(path, closed))

    def folder(self, path: str) -> None:
        """Note that a folder came or went."""
        self._add(lambda: self._gathered.folders.add(path))

    def lose(self, why: str) -> None:
        """Note that hints have been lost."""
        self._add(lambda: setattr(self._gathered, "lost", why))

    def _add(self, note: Callable[[], None]) -> None:
        with self._lock:
            first = not self
            if len(self._gathered.files) + len(self._gathered.folders) >= self._most:
                self._gathered = Gathered(lost="too much happens at once")
            note()
        if first:
            self._wake()


class SystemWatch:
    """Lets the system tell of changes below a folder, until it is stopped."""

    def __init__(self, root: Path, hints: Hints) -> None:
        """Begin to watch. Raise OSError where the system cannot: it has limits, or the folder is gone."""
        self._observer: BaseObserver = Observer()
        self._trouble = _Trouble(hints)
        logging.getLogger("watchdog").addHandler(self._trouble)
        try:
            self._observer.schedule(_Handler(hints), str(root), recursive=True, event_filter=_TOLD)
            self._observer.start()
        except BaseException:
            self.stop()
            raise

    @property
    def works(self) -> bool:
        """Whether all of its threads live."""
        return self._observer.is_alive() and all(emitter.is_alive() for emitter in self._observer.emitters)

    def stop(self) -> None:
        """Stop watching, and wait until nothing more will be told."""
        logging.getLogger("watchdog").removeHandler(self._trouble)
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        else:
            self._observer.unschedule_all()


class _Handler(FileSystemEventHandler):
    def __init__(self, hints: Hints) -> None:
        self._hints = hints

    def dispatch(self, event: FileSystemEvent) -> None:
        moved = isinstance(event, FileMovedEvent | DirMovedEvent)
        if event.is_directory:
            for path in (event.src_path, event.dest_path) if moved else (event.src_path,):
                self._hints.folder(os.fsdecode(path))
            return
        self._hints.file(os.fsdecode(event.src_path), closed=isinstance(event, FileClosedEvent))
        if moved:
            self._hints.file(os.fsdecode(event.dest_path), closed=True)


class _Trouble(logging.Handler):
    """Hears the library say that it has lost events, which it tells nobody else."""

    def __init__(self, hints: Hints) -> None:
        super().__init__(logging.WARNING)
        self._hints = hints

    def emit(self, record: logging.LogRecord) -> None:
        self._hints.lose(record.getMessage())
