"""Decides how changes below a folder are noticed: by events of the system where it has them, by polling elsewhere."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from assetforge.events import Event, SourcesAway, Watching
from assetforge.watch.event_buffer import EventBuffer, SystemObserver

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
