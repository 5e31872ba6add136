"""Chores that are done again and again, but never take more than a part of the time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pace:
    """When a chore is due: so many seconds after it was last done, and later where it takes long."""

    period: float
    share: float
    """The part of the time that it may take."""
    due: float = 0.0

    def is_due(self, now: float) -> bool:
        """Tell whether to do it now."""
        return now >= self.due

    def done(self, began: float, ended: float) -> None:
        """Note that it was done."""
        self.due = ended + max(self.period, (ended - began) * (1 / self.share - 1))

    def hurry(self) -> None:
        """Make it due at once."""
        self.due = 0.0
