"""What happened, as values. Entry points show them, plugins may watch them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assetforge.flags import Flag

JobState = Literal["done", "failed", "up to date", "quarantined", "not run"]


@dataclass(frozen=True)
class RunStarted:
    """A run begins; `jobs` of them are out of date, `current` are not."""

    jobs: int
    current: int


@dataclass(frozen=True)
class JobStarted:
    """An asset's job begins; `why` gives the reasons, ready to print."""

    asset: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class StepStarted:
    """One step of a job begins; it may take so many seconds. What the store has is not computed, and not told."""

    asset: str
    step: str
    time_limit: float


@dataclass(frozen=True)
class StepProgress:
    """A step has done this part (0 to 1) of its work."""

    asset: str
    step: str
    fraction: float


@dataclass(frozen=True)
class StillWorking:
    """A step, or the reading or writing of files, has taken this long so far, of what it may take at most."""

    asset: str
    step: str
    seconds: float
    time_limit: float


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt at a job failed, and another will be made."""

    asset: str
    error: str


@dataclass(frozen=True)
class OutputWritten:
    """An output file is in place."""

    asset: str
    path: str


@dataclass(frozen=True)
class OutputRemoved:
    """An output file was removed, because it is not made any more; `asset` is empty where others of it are."""

    asset: str
    path: str
    why: str


@dataclass(frozen=True)
class JobFinished:
    """A job has ended; `error` is empty unless it failed. `log` names the file with what was printed, if any."""

    asset: str
    state: JobState
    seconds: float
    error: str = ""
    log: str = ""
    flags: tuple[Flag, ...] = ()
    """Why its outputs, though whole, are doubtful, as its steps say."""


@dataclass(frozen=True)
class RunFinished:
    """A run has ended."""

    done: int
    failed: int
    current: int
    quarantined: int
    seconds: float
    flagged: int = 0
    """How many of those that are done or up to date are doubtful."""


@dataclass(frozen=True)
class Watching:
    """A folder is watched now; `how` is `events` or `polling`, and `why` says what keeps it from events."""

    folder: str
    how: Literal["events", "polling"]
    why: str = ""


@dataclass(frozen=True)
class SourcesAway:
    """The watched folder cannot be seen. Nothing is built or removed until it is back."""

    folder: str


@dataclass(frozen=True)
class Waiting:
    """An asset cannot be built yet: a file of its group is missing."""

    asset: str
    missing: str


@dataclass(frozen=True)
class NothingToDo:
    """Sources were changed so that all stays as it is: they are touched, or are again what they were."""

    assets: tuple[str, ...]
    """The first of the assets that these sources belong to."""
    count: int
    """How many assets these are in all."""


@dataclass(frozen=True)
class Ignored:
    """A file is left alone, for this reason."""

    path: str
    why: str


@dataclass(frozen=True)
class PipelineChanged:
    """The pipeline, a plugin or a file that it names was changed. With a problem, all goes on as it was before."""

    file: str
    problem: str = ""


@dataclass(frozen=True)
class Trouble:
    """Something went wrong that is no asset's fault. The watch goes on."""

    what: str


Event = (
    RunStarted
    | JobStarted
    | StepStarted
    | StepProgress
    | StillWorking
    | AttemptFailed
    | OutputWritten
    | OutputRemoved
    | JobFinished
    | RunFinished
    | Watching
    | SourcesAway
    | Waiting
    | NothingToDo
    | Ignored
    | PipelineChanged
    | Trouble
)
"""Any of them."""
