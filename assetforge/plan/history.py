"""What a plan asks about earlier builds. The state answers it; a plan does not know how that is kept."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any, Literal, Protocol

from assetforge.flags import Flag

OutputState = Literal["as written", "missing", "changed"]


class Record(Protocol):
    """What was known of a job when it was last built."""

    @property
    def signature(self) -> str:
        """Digest of all that it depended on."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that it was made of."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """Key of each output by its name."""


class Quarantined(Protocol):
    """Why an asset is left alone."""

    @property
    def signature(self) -> str:
        """What it depended on when it failed; it is tried again when this changes."""

    @property
    def error(self) -> str:
        """What it failed with."""

    @property
    def attempts(self) -> int:
        """How often."""


class BuildHistory(Protocol):
    """What is known of the earlier builds of one pipeline. Names of files are relative to its folder."""

    def digest(self, name: str, most: int = sys.maxsize) -> str:
        """Return the sha256 of a file; raise SourceError where it cannot be read, or has more bytes than `most`."""

    def current(self, asset: str, signature: str) -> tuple[str, ...] | None:
        """Return the outputs of a job that was built with this signature, if all of them are as written."""

    def record(self, asset: str) -> Record | None:
        """Return what is known of a job, if it was ever built."""

    def facts(self, asset: str) -> Mapping[str, Any]:
        """Return the facts of a recorded job."""

    def flags(self, asset: str) -> tuple[Flag, ...]:
        """Return why a recorded job's outputs are doubtful, if they are."""

    def output(self, name: str) -> OutputState:
        """Tell whether a published file is still what was written."""

    def quarantined(self, asset: str) -> Quarantined | None:
        """Return why an asset is left alone, if it is."""

    def confirm(self, asset: str, signature: str) -> None:
        """Note that a recorded job is up to date under a new signature."""

    def recorded(self) -> Collection[str]:
        """Name all recorded jobs."""

    def stale(self) -> Collection[str]:
        """Name the outputs that jobs made once, and did not when they were last built."""
