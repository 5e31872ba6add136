"""Finds and opens files, and nothing else: a pipe would be waited for, and a device read, without end."""

from __future__ import annotations

import errno
import os
import stat
import sys
from io import BufferedReader
from pathlib import Path


def is_file(path: Path) -> bool:
    """Tell whether a file is there; False where the system does not let us look, where `Path.is_file` raises."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Tell whether a folder is there; False where the system does not let us look."""
    return os.path.isdir(path)  # noqa: PTH112


def open_regular(path: Path | str) -> BufferedReader:
    """Open a regular file for reading; raise OSError where it is anything else, or cannot be read."""
    return open(path, "rb", opener=_opener)


def read_regular(path: Path, most: int = sys.maxsize) -> bytes:
    """Read all of a regular file; raise OSError where it is anything else, has more bytes, or cannot be read."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"more than {most} bytes", str(path))
        return file.read()


def _opener(path: str, flags: int) -> int:
    opened = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # or a pipe would wait for somebody who writes
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return opened
