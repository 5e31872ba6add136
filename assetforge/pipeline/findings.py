"""What is found while a pipeline is resolved: the document, and every mistake in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assetforge.errors import Problem
from assetforge.pipeline import marked_yaml
from assetforge.pipeline.confinement import Confinement
from assetforge.pipeline.marked_yaml import Document
from assetforge.plugins import Registry

AUTO = "auto"
"""Stands in `inputs` in place of all maps."""


@dataclass
class Findings:
    """Collects problems while each section is resolved; what has a problem is left out of the later checks."""

    document: Document
    registry: Registry
    folder: Path
    """The pipeline's own folder, which its paths start from."""
    problems: list[Problem] = field(default_factory=list)
    confinement: Confinement | None = None
    """What all paths must lie in, if anything."""
    automatic: Sequence[str] = ()
    """The maps that files may tell by their names."""
    broken_plugin: bool = False
    """Whether something is missing that a broken plugin may offer."""

    def add(self, path: marked_yaml.Path, what: str, instead: str = "", *, key: bool = False) -> None:
        """Note a mistake at a place in the document (or at its key)."""
        self.extend([Problem(self.document.place(path, key=key), what, instead)])

    def check_inside(self, path: marked_yaml.Path, file: Path) -> None:
        """Note where a place in the document names what it may not."""
        if self.confinement is not None and not self.confinement.holds(file):
            self.add(path, self.confinement.refusal, "name what lies there")

    def extend(self, problems: Sequence[Problem]) -> None:
        """Note mistakes, each once."""
        self.problems += [problem for problem in problems if problem not in self.problems]

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a section that should be a mapping, empty where it is none."""
        found = self.document.data.get(name)
        return found if isinstance(found, dict) else {}

    def entries(self, name: str) -> list[dict[str, Any]]:
        """Return the mappings in a section that should be a list of them."""
        found = self.document.data.get(name)
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def known_inputs(self) -> list[str]:
        """Name the inputs whose maps are in the vocabulary, even where something else is wrong with them."""
        inputs = self.mapping("inputs")
        names = [*inputs, *(self.automatic if AUTO in inputs else ())]
        return [name for name in names if name in self.registry.maps]
