"""How many threads compute: sums are rounded in another order by each number of them.

What is cut into parts that do not depend on that number may still be computed side by side: see `each`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch

Item = TypeVar("Item")
"""Type of what `each` is given."""
Result = TypeVar("Result")
"""Type of what `each` gives."""

_HELPERS: ContextVar[ThreadPoolExecutor | None] = ContextVar("_HELPERS", default=None)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on the CPU with one thread, so that the result is the same to the bit wherever there are more.

    For what decides: where a search compares sums, one that is rounded otherwise may lead somewhere else altogether.
    """
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(before) as helpers:
            token = _HELPERS.set(helpers)
            try:
                yield
            finally:
                _HELPERS.reset(token)
    finally:
        torch.set_num_threads(before)


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Give what a function makes of each item, in order.

    Within `one_thread`, items are computed side by side, each with one thread, by as many as there were before. The
    function must not change what others read.
    """
    helpers = _HELPERS.get()
    if helpers is None:
        return map(function, items)
    graded = torch.is_grad_enabled()  # which each thread has for itself

    def alone(item: Item) -> Result:
        with torch.set_grad_enabled(graded):
            return function(item)

    return helpers.map(alone, items)
