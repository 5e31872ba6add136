"""assetforge steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from assetforge.cli.options import warn_of_plugins
from assetforge.cli.output import say
from assetforge.cli.parameters import parameter_rows
from assetforge.errors import UsageError, did_you_mean
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins
from assetforge.steps import MapNames, Step


@click.command("steps")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the steps, or explain one.

    Sees the installed plugins and those in the `plugins` folder of the current folder.
    """
    registry = load_plugins(Path.cwd())
    warn_of_plugins(registry)
    if name is None:
        _list(registry)
    elif name in registry.steps:
        _explain(registry.steps[name], registry)
    else:
        hint = did_you_mean(name, registry.steps, otherwise="`assetforge steps` lists all that there are")
        raise UsageError("steps", f"there is no step {name!r}", hint)


def _list(registry: Registry) -> None:
    width = max((len(name) for name in registry.steps), default=0)
    for name, step in sorted(registry.steps.items()):
        say(f"{name:{width}}  {step.summary}")


def _explain(step: Step[Any], registry: Registry) -> None:
    plugin = registry.plugin_of(step.name)
    say(f"{step.name}: {step.summary}")
    writes = _spell(step.writes) + (", and what its parameters ask for" if step.writes_on_demand else "")
    reads = "what its parameters say" if callable(step.reads) else _spell(step.reads)
    say(f"plugin {plugin.name} {plugin.version}, reads {reads}, writes {writes}\n")
    for row in parameter_rows(step.params, nested=True):
        say(f"  {row.name}: {row.kind} = {row.default}")
        say(f"      {row.meaning}")


def _spell(names: MapNames) -> str:
    return names if isinstance(names, str) else ", ".join(sorted(names)) or "nothing"
