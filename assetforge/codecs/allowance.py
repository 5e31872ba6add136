"""How much a source file may ask for: what a user allows, and what its declared pixels need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

MAX_PIXELS = 2**28
"""Most pixels that a file may declare, 16384², where the user says nothing else."""
MAX_BYTES = 2**32
"""Of a file: as many as the most pixels have, in four channels of float."""
UNASKED = 512 * 2**20
"""Bytes that reading a file may take whatever its size: libraries, their tables, small copies."""
BYTES_PER_PIXEL = 128
"""That reading a file may take beyond that: some copies of four channels of float."""


@dataclass(frozen=True)
class Limits:
    """What a pipeline allows a source file to ask for."""

    pixels: int = MAX_PIXELS
    memory: int | None = None
    """Bytes that a process which reads and writes files may take; None for what the file's pixels need."""


def _ignore(_: int) -> None:
    pass


_USUAL = Limits()
_limits: ContextVar[Limits] = ContextVar("limits", default=_USUAL)
_declared: ContextVar[Callable[[int], None]] = ContextVar("declared", default=_ignore)


@contextmanager
def allowing(limits: Limits, declared: Callable[[int], None] = _ignore) -> Iterator[None]:
    """Read files under these limits. `declared` is told of how many pixels a file is, before room is made for them."""
    tokens = _limits.set(limits), _declared.set(declared)
    try:
        yield
    finally:
        _limits.reset(tokens[0])
        _declared.reset(tokens[1])


def most_pixels() -> int:
    """Return how many pixels a file may declare."""
    return _limits.get().pixels


def declare(pixels: int) -> None:
    """Tell that a file has so many pixels, which are allowed."""
    _declared.get()(pixels)
