"""How many threads compute: sums are rounded in another order by each number of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on the CPU with one thread, so that the result is the same to the bit wherever there are more.

    For what decides: where a search compares sums, one that is rounded otherwise may lead somewhere else altogether.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
