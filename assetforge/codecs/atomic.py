"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from assetforge.errors import OutputError

_ADVICE = {
    errno.EACCES: "make it writable, or check it out of version control",
    errno.EPERM: "make it writable, or check it out of version control",
    errno.EROFS: "choose a folder that can be written",
    errno.ENOSPC: "free some disk space and run again",
    errno.EDQUOT: "free some disk space and run again",
    errno.EISDIR: "a folder is in its place; move it away",
    errno.ENOTDIR: "a file is in the place of one of its folders; move it away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EEXIST: "a file is in the place of one of its folders; move it away",
}


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or all of the new, even after a crash.

    Raises OutputError, with nothing changed, where that is not possible.
    """
    # Only the beginning of the name: a name that is just short enough must not grow.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_read_only(path)
        _write_through(temporary, data)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            str(path), f"cannot be written ({error.strerror})", _ADVICE.get(error.errno or 0, "")
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _refuse_read_only(path: Path) -> None:
    """Replacing would succeed on a read-only file, but who made it so did not mean that."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if path.exists() and not path.stat().st_mode & 0o200:
        raise PermissionError(errno.EACCES, "is read-only")


def _write_through(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
