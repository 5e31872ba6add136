"""How often a process that lives for long looks for garbage."""

from __future__ import annotations

import gc

_GARBAGE = 700, 10, 10
"""New objects after which garbage is looked for, and how often older ones are looked at, too."""


def find_garbage_early() -> None:
    """Look for garbage as often as Python does by default: what is done leaves some, for as long as the process lives.

    Commands look for it after so many new objects that what a hundred requests leave would be kept. What was imported
    is left out, as beside it the garbage would seem too little to look for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    gc.collect()  # which finds out how few objects are left
