"""Writes the generated parts of the README: `python -m assetforge.cli.reference README.md`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from assetforge.cli import COMMANDS
from assetforge.cli.parameters import parameter_rows
from assetforge.codecs.formats import FORMATS
from assetforge.pipeline.document import (
    AutoSection,
    InputSection,
    OnDoneSection,
    OutputsSection,
    PipelineSection,
    ResourcesSection,
    StepSection,
    WatchSection,
)
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins

BEGIN, END = "<!-- reference: begin -->", "<!-- reference: end -->"


def reference() -> str:
    """Return the reference in Markdown: commands, pipeline file, steps, maps and formats."""
    registry = load_plugins()
    return "\n".join([*_commands(), *_pipeline(), *_steps(registry), *_maps(registry), *_formats()])


def update(text: str) -> str:
    """Return a text with what stands between the two marks written anew."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{reference()}\n{END}", text)


def _commands() -> Iterator[str]:
    yield "### Commands\n"
    yield from _table(("command", ""), [(f"`assetforge {name}`", text) for name, text in COMMANDS.items()])


def _pipeline() -> Iterator[str]:
    sections: dict[str, type[BaseModel]] = {
        "The pipeline file": PipelineSection,
        "`inputs.auto`, where more than a pattern is needed": AutoSection,
        "`inputs.MAP`, where more than a pattern is needed": InputSection,
        "`steps[]`": StepSection,
        "`steps[].resources`": ResourcesSection,
        "`outputs`": OutputsSection,
        "`watch`": WatchSection,
        "`watch.on_done`": OnDoneSection,
    }
    for title, model in sections.items():
        yield f"### {title}\n"
        yield from _fields(model)


def _steps(registry: Registry) -> Iterator[str]:
    for name, step in sorted(registry.steps.items()):
        if registry.plugin_of(name).origin.startswith("assetforge_"):
            yield f"### Step `{name}`\n\n{step.summary}\n"
            yield from _fields(step.params, nested=True)


def _maps(registry: Registry) -> Iterator[str]:
    yield "### Maps\n"
    rows = [(f"`{m.name}`", str(m.channels), m.kind, m.meaning) for m in registry.maps.values()]
    yield from _table(("map", "channels", "kind", "meaning"), rows)


def _formats() -> Iterator[str]:
    yield "### Formats\n"
    yield ", ".join(f"`{word}`" for word in FORMATS) + "."


def _fields(model: type[BaseModel], *, nested: bool = False) -> Iterator[str]:
    found = parameter_rows(model, nested=nested)
    rows = [(f"`{row.name}`", f"`{row.kind}`", f"`{row.default}`", row.meaning) for row in found]
    yield from _table(("field", "type", "default", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(update(readme.read_text(encoding="utf-8")), encoding="utf-8")
