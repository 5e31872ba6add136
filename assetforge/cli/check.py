"""assetforge check."""

from __future__ import annotations

from pathlib import Path

import click

from assetforge.cli.options import definitions_option, pipeline_argument, warn_of_broken
from assetforge.pipeline.load import load as load_pipeline
from assetforge.plan.assets import find_assets
from assetforge.plugins import load as load_plugins


@click.command("check")
@pipeline_argument
@definitions_option
def command(pipeline: Path, definitions: tuple[str, ...]) -> None:
    """Check a pipeline file and list every mistake in it."""
    registry = load_plugins(pipeline.absolute().parent)
    warn_of_broken(registry)
    loaded = load_pipeline(pipeline, registry, definitions)
    count = len(find_assets(loaded))
    click.echo(f"{pipeline}: right; {count} assets, {len(loaded.variants)} variants of each")
