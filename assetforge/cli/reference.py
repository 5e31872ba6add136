"""Writes the generated parts of the documents: `python -m assetforge.cli.reference docs/reference.md docs/api.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from pydantic import BaseModel

from assetforge.cli.api_reference import api_reference
from assetforge.cli.group import cli
from assetforge.cli.options import build_options
from assetforge.cli.parameters import parameter_rows
from assetforge.codecs.formats import FORMATS
from assetforge.commands import COMMANDS
from assetforge.pipeline.document import (
    AutoSection,
    InputSection,
    LimitsSection,
    OnDoneSection,
    OutputsSection,
    PipelineSection,
    PresetSection,
    ResourcesSection,
    StepSection,
    WatchSection,
)
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins

_SHARED = click.command("shared")(build_options(lambda **_: None))
"""Has the options that all commands take which open a pipeline, and nothing else."""

_PARTS = ("reference", "api")
"""What stands between the marks `<!-- reference: begin -->` and `<!-- reference: end -->`, and so on."""


def reference() -> str:
    """Return the reference in Markdown: commands, exit codes, the pipeline file, and what plugins offer."""
    registry = load_plugins(training=True)
    from_code = [*_steps(registry), *_recipes(registry), *_evaluations(registry), *_maps(registry), *_formats()]
    return "\n".join([*_commands(), *_exit_codes(), *_pipeline(), *from_code])


def update(text: str) -> str:
    """Return a text with what stands between marks written anew."""
    for part in _PARTS:
        begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
        if begin in text:
            made = f"{begin}\n{reference() if part == 'reference' else api_reference()}\n{end}"
            text = f"{text.partition(begin)[0]}{made}{text.partition(end)[2]}"
    return text


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    yield from _table(("command", "what it does"), [(f"`assetforge {name}`", text) for name, text in COMMANDS.items()])
    with click.Context(cli, info_name="assetforge") as context:
        yield "### Options of all commands that take a pipeline\n"
        yield from _options(_SHARED.params, context)
        for name in COMMANDS:
            command = cli.get_command(context, name)
            if command is not None:
                yield from _command(command, f"assetforge {name}", context)


def _command(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    """Describe a command and the commands within it: how it is called, what it says of itself, its options."""
    with click.Context(command, info_name=name.rpartition(" ")[2], parent=parent) as context:
        yield f"### `{name}`\n"
        yield f"    {' '.join([name, *command.collect_usage_pieces(context)])}\n"
        yield f"{_paragraphs(command.help or '')}\n"
        shared = {one.name for one in _SHARED.params} if "pipeline" in {one.name for one in command.params} else set()
        own = [one for one in command.params if one.name not in shared]
        yield from _options(own, context)
        for inner, subcommand in getattr(command, "commands", {}).items():
            yield from _command(subcommand, f"{name} {inner}", context)


def _options(parameters: Iterable[click.Parameter], context: click.Context) -> Iterator[str]:
    records = [
        record for one in parameters if isinstance(one, click.Option) and (record := one.get_help_record(context))
    ]
    if records:
        yield from _table(("option", "meaning"), [(f"`{option}`", text) for option, text in records])


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _exit_codes() -> Iterator[str]:
    """List the codes as `assetforge --help` does, which is where they are put into words."""
    yield "## Exit codes\n"
    told = _paragraphs(cli.help or "").partition("Exit codes: ")[2].rstrip(".")
    yield from _table(
        ("exit code", "meaning"), [(f"`{(one := part.partition(' '))[0]}`", one[2]) for part in told.split(", ")]
    )


def _pipeline() -> Iterator[str]:
    sections: dict[str, type[BaseModel]] = {
        "Top level": PipelineSection,
        "`inputs.auto`, where more than a pattern is needed": AutoSection,
        "`inputs.MAP`, where more than a pattern is needed": InputSection,
        "`steps[]`": StepSection,
        "`steps[].resources`": ResourcesSection,
        "`outputs`": OutputsSection,
        "`presets.NAME`": PresetSection,
        "`limits`": LimitsSection,
        "`watch`": WatchSection,
        "`watch.on_done`": OnDoneSection,
    }
    yield "## Pipeline file\n"
    for title, model in sections.items():
        yield f"### {title}\n"
        yield from _fields(model)


def _steps(registry: Registry) -> Iterator[str]:
    yield "## Steps\n"
    for name, step in sorted(registry.steps.items()):
        if registry.plugin_of(name).origin.startswith("assetforge_"):
            yield f"### Step `{name}`\n\n{step.summary}\n"
            yield from _fields(step.params, nested=True)


def _recipes(registry: Registry) -> Iterator[str]:
    yield "## Recipes for training\n"
    for name, recipe in sorted(registry.recipes.items()):
        yield f"### Recipe `{name}`\n\n{recipe.summary}\n"
        yield from _fields(recipe.params, nested=True)


def _evaluations(registry: Registry) -> Iterator[str]:
    yield "## Evaluations\n"
    for name, evaluation in sorted(registry.evaluations.items()):
        yield f"### Evaluation `{name}`\n\n{evaluation.summary}\n"
        yield from _fields(evaluation.params, nested=True)
        yield from _table(("figure", "meaning"), [(f"`{one.name}`", one.meaning) for one in evaluation.figures])


def _maps(registry: Registry) -> Iterator[str]:
    yield "## Maps\n"
    rows = [(f"`{m.name}`", str(m.channels), m.kind, m.meaning) for m in registry.maps.values()]
    yield from _table(("map", "channels", "kind", "meaning"), rows)


def _formats() -> Iterator[str]:
    yield "## Formats\n"
    yield ", ".join(f"`{word}`" for word in FORMATS) + "."


def _fields(model: type[BaseModel], *, nested: bool = False) -> Iterator[str]:
    found = parameter_rows(model, nested=nested)
    rows = [(f"`{row.name}`", f"`{row.kind}`", f"`{row.default}`", row.meaning) for row in found]
    yield from _table(("field", "type", "default", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(_cell(text) for text in row) + " |"
    yield ""


def _cell(text: str) -> str:
    """Return a text without bars, which end a cell; not all readers of Markdown know how to escape them."""
    return " ".join(text.replace(" | ", " or ").replace("|", " or ").split())


if __name__ == "__main__":
    for document in map(Path, sys.argv[1:]):
        document.write_text(update(document.read_text(encoding="utf-8")), encoding="utf-8")
