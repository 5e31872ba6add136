"""assetforge schema."""

from __future__ import annotations

from pathlib import Path

import click

from assetforge.cli.options import warn_of_plugins
from assetforge.cli.output import reserved_stdout, write_json
from assetforge.pipeline.schema import json_schema
from assetforge.plugins import load as load_plugins


@click.command("schema")
def command() -> None:
    """Print the JSON schema of pipeline files, for editors.

    In VS Code, save it and begin a pipeline with `# yaml-language-server: $schema=pipeline.schema.json`.
    """
    with reserved_stdout() as out:
        registry = load_plugins(Path.cwd())
        warn_of_plugins(registry)
        write_json(json_schema(registry), out)
