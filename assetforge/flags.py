"""What is doubtful about a whole result, as a value: steps, files and checks say it, and all reports show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From what is merely good to know to what is certainly wrong."""


@dataclass(frozen=True)
class Flag:
    """Why a result that is whole is doubtful. It fails nothing by itself: a step may, or whoever reads the report."""

    text: str
    severity: Severity = "warning"
    map: str = ""
    """The map that it is about, if it is about one."""
    value: float | None = None
    """What was measured."""
    threshold: float | None = None
    """The limit that the value is beyond."""
    check: str = ""
    """The name of what was checked, where many things are."""
    by: str = ""
    """The step or the source that says so."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.by, self.map, self.text) if part)

    def data(self) -> dict[str, Any]:
        """Return it as reports and the store have it."""
        return asdict(self)


def is_at_least(flag: Flag, severity: Severity) -> bool:
    """Tell whether a flag is as severe as that, or more."""
    return SEVERITIES.index(flag.severity) >= SEVERITIES.index(severity)


def doubtful(flags: Iterable[Flag]) -> bool:
    """Tell whether flags make a result doubtful: one that merely informs does not."""
    return any(is_at_least(flag, "warning") for flag in flags)
