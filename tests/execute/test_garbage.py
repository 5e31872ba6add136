"""A process that lives for long finds its garbage soon."""

from __future__ import annotations

import gc
import weakref

from assetforge.execute.garbage import find_garbage_early


class Cycle:
    """What only the collector of garbage finds, as tasks and errors are that know each other."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_found_soon_whatever_commands_do() -> None:
    """Commands look for it rarely, as they end soon; a server or a daemon would grow by all that is not found yet."""
    before = gc.get_threshold()
    gc.set_threshold(10**6)
    try:
        find_garbage_early()
        made = [weakref.ref(Cycle()) for _ in range(2000)]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
    assert sum(one() is not None for one in made) < 1000
