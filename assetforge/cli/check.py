"""assetforge check."""

from __future__ import annotations

import click

from assetforge.cli.options import Opened, build_options, warn_of_plugins
from assetforge.cli.output import say
from assetforge.pipeline.load import load as load_pipeline
from assetforge.pipeline.load import special_variants
from assetforge.plan.assets import find_assets
from assetforge.plugins import load as load_plugins


@click.command("check")
@build_options
def command(opened: Opened) -> None:
    """Check a pipeline file and list every mistake in it."""
    registry = load_plugins(opened.file.absolute().parent)
    warn_of_plugins(registry)
    loaded = load_pipeline(opened.file, registry, opened.definitions, opened.profile)
    for profile in loaded.document.data.get("profiles", {}):
        load_pipeline(opened.file, registry, opened.definitions, profile)
    assets = find_assets(loaded)
    for overrides in {asset.overrides for asset in assets if asset.overrides}:
        special_variants(loaded, registry, overrides)
    say(f"{opened.file}: right; {len(assets)} assets, {len(loaded.variants)} variants of each")
