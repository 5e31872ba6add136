"""assetforge schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from assetforge.cli.options import warn_of_broken
from assetforge.pipeline.schema import json_schema
from assetforge.plugins import load as load_plugins


@click.command("schema")
def command() -> None:
    """Print the JSON schema of pipeline files, for editors.

    In VS Code, save it and begin a pipeline with `# yaml-language-server: $schema=pipeline.schema.json`.
    """
    registry = load_plugins(Path.cwd())
    warn_of_broken(registry)
    click.echo(json.dumps(json_schema(registry), indent=2, ensure_ascii=False))
