"""What happened, as values. Doors show them, plugins may watch them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

JobState = Literal["done", "failed", "up to date"]


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
    """One step of a job begins, unless its result lies in the store."""

    asset: str
    step: str
    from_store: bool


@dataclass(frozen=True)
class StepProgress:
    """A step has done this part (0 to 1) of its work."""

    asset: str
    step: str
    fraction: float


@dataclass(frozen=True)
class OutputWritten:
    """An output file was published."""

    asset: str
    path: str


@dataclass(frozen=True)
class JobFinished:
    """A job has ended; `error` is empty unless it failed."""

    asset: str
    state: JobState
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class RunFinished:
    """A run has ended."""

    done: int
    failed: int
    current: int
    seconds: float


Event = RunStarted | JobStarted | StepStarted | StepProgress | OutputWritten | JobFinished | RunFinished
