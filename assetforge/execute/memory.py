"""Keeps a process that reads files from taking more memory than their pixels need. Only Linux can do that.

Elsewhere, what a file declares is checked all the same, and what a library takes beyond it is not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assetforge.codecs.allowance import BYTES_PER_PIXEL, UNASKED, Limits, allowing

_UNKNOWN_MEMORY = 8 * 2**30
_DATA_FIELD = 5
"""Of /proc/self/statm: pages that are private and writable, which is what RLIMIT_DATA counts."""


def memory() -> int:
    """Return the bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN_MEMORY


def limit_memory(most: int) -> None:
    """Let this process, from now on, take no more than so many bytes."""
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


@contextmanager
def reading(limits: Limits, path: Path) -> Iterator[None]:
    """Read a file. Where the limits name no memory, its pixels do: little is there until it tells how many it has."""
    if sys.platform != "linux" or limits.memory is not None:
        with allowing(limits):
            yield
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    ground = _taken() + UNASKED + 2 * (path.stat().st_size if path.is_file() else 0)

    def allow(size: int) -> None:
        soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

    def declared(pixels: int) -> None:
        allow(max(resource.getrlimit(resource.RLIMIT_DATA)[0], ground + BYTES_PER_PIXEL * pixels))

    allow(ground)
    try:
        with allowing(limits, declared):
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _taken() -> int:
    import resource

    return int(Path("/proc/self/statm").read_text().split()[_DATA_FIELD]) * resource.getpagesize()
