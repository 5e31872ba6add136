"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from assetforge.errors import OutputError

_LONGEST = 100
"""Characters of a name that are kept in that of a file: file systems allow some 255 bytes."""
_ADVICE = {
    errno.EACCES: "make it writable, check it out of version control, or close the program that holds it",
    errno.EPERM: "make it writable, check it out of version control, or close the program that holds it",
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
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file to write; it takes the place of `path` at the end, unless something is raised.

    Raises OutputError, with nothing changed, where that is not possible.
    """
    with temporary(path) as written:
        yield written
        synchronize(written)
        written.replace(path)


def create_atomically(path: Path, data: bytes) -> bool:
    """Write a file as `write_atomically` does, unless it is there already; tell whether it was written.

    Of several processes that do so at once, one writes it; the last, where the file system knows no hard links.
    """
    with temporary(path) as written:
        written.write_bytes(data)
        synchronize(written)
        try:
            link_or_move(written, path)
        except FileExistsError:
            return False
    return True


def link_or_move(written: Path, path: Path) -> None:
    """Give a file another name, or another name alone where the file system knows no hard links.

    Raises FileExistsError where that name is taken.
    """
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(errno.EEXIST, "is there already", str(path)) from None
        written.replace(path)


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Give a file to write beside `path`; unless it was moved away, it is removed at the end.

    Raises OutputError where it cannot be written, or where `path` must not be replaced.
    """
    written = temporary_path(path)
    try:
        with write_errors_of(path):
            check_writable(path)
            yield written
    finally:
        with suppress(OSError):
            written.unlink()


@contextmanager
def write_errors_of(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into an OutputError that names it and what to do."""
    try:
        yield
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise OutputError(str(path), what, _ADVICE.get(error.errno or 0, "")) from error


def temporary_path(path: Path) -> Path:
    """Name a temporary file in the same folder, hidden. A name that is just short enough must not grow."""
    return path.with_name(f".{path.name[:40]}.{os.urandom(4).hex()}.tmp")


def is_temporary_path(temporary: Path, path: Path) -> bool:
    """Tell whether a file has a name that `temporary_path` gives."""
    name = rf"\.{re.escape(path.name[:40])}\.[0-9a-f]{{8}}\.tmp"
    return temporary.parent == path.parent and re.fullmatch(name, temporary.name) is not None


def file_name(name: str) -> str:
    """Return a name that any file system takes, and that no two names share."""
    digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9.@,=-]', '_', name)[:_LONGEST]}-{digest}"


def check_writable(path: Path) -> None:
    """Make the folder of a file that is to be replaced; raise OSError where it must not be or cannot be.

    Replacing would succeed on a read-only file, but who made it so did not mean that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if path.exists():
        if not path.stat().st_mode & 0o200:
            raise PermissionError(errno.EACCES, "is read-only")
        with path.open("rb+"):  # a file that another program has locked says so here
            pass


def synchronize(path: Path) -> None:
    """Bring a file's content to the disk, so that a name never leads to less after a power failure."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def synchronize_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do that."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
