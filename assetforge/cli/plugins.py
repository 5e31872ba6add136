"""assetforge plugins."""

from __future__ import annotations

from pathlib import Path

import click

from assetforge.cli.output import say
from assetforge.errors import PluginError
from assetforge.plugins import load as load_plugins


@click.command("plugins")
def command() -> int:
    """List the plugins, and what is wrong with broken ones.

    Sees the installed plugins and those in the `plugins` folder of the current folder.
    """
    registry = load_plugins(Path.cwd(), training=True)
    for plugin in registry.plugins.values():
        say(f"{plugin.name} {plugin.version} ({plugin.origin}): {', '.join(plugin.steps) or 'no steps'}")
    for problem in registry.slow:
        say(f"slow: {problem}", color="yellow", err=True)
    for problem in registry.broken:
        say(f"broken: {problem}", color="red", err=True)
    return PluginError.exit_code if registry.broken else 0
