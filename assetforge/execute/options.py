"""How to run: where, and in how many processes. It never changes a result."""

from __future__ import annotations

from typing import NamedTuple


class RunOptions(NamedTuple):
    """How to run."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    workers: int | None = None
    """Processes that compute on each device, or None for as many as suit the jobs; 0 does everything in the caller's
    own process."""
    force: bool = False
    """Compute everything anew, whatever the store has."""
    keep_stale: bool = False
    """Whether outputs that are not made any more are left where they are."""
    caller_replans: bool = False
    """Whether the caller plans a job again whose sources change while it is built; else the job fails."""
    daemon: bool = False
    """Whether it goes on until somebody ends it: then a job that fails is no failure of the whole."""
