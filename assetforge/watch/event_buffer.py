"""What the operating system reports of changes below a folder. Some events get lost, and some come twice."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        self._buffer.add_loss(record.getMessage())
