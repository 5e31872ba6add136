"""Pipelines of people who are not trusted: what they name lies in one folder, and they run nothing of their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, get_args

Permission = Literal["plugins", "on_done"]
"""What the command line may allow all the same: code in the project's `plugins` folder, and telling others."""
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)


class Confinement(NamedTuple):
    """The folder that everything must lie in, and what is allowed beyond that."""

    folder: Path
    """Absolute, links followed."""
    allowed: frozenset[Permission] = frozenset()

    @classmethod
    def of(cls, folder: Path, allowed: Iterable[Permission] = ()) -> Confinement:
        """Confine to a folder."""
        return cls(folder.resolve(), frozenset(allowed))

    def holds(self, path: Path) -> bool:
        """Tell whether a path lies in the folder, wherever links lead."""
        return path.resolve().is_relative_to(self.folder)

    @property
    def refusal(self) -> str:
        """What is wrong with a path that it does not hold."""
        return f"leads out of {self.folder}, which --confine keeps everything in"
