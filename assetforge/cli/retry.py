"""assetforge retry."""

from __future__ import annotations

import time

import click

from assetforge.build import Build
from assetforge.cli.options import Opened, build_options
from assetforge.cli.output import say
from assetforge.errors import AssetForgeError, printable_name
from assetforge.store.daemon_status import daemon_runs
from assetforge.store.requests import RequestLog

_PATIENCE = 30.0
_PAUSE = 0.05


@click.command("retry")
@build_options
@click.argument("assets", nargs=-1)
def command(opened: Opened, assets: tuple[str, ...]) -> None:
    """Try again what has failed and is left alone since: all of it, or these ASSETS.

    A daemon that watches does so at once; where none does, the next run will.
    """
    with opened.build() as build:
        pipeline = build.pipeline
        if daemon_runs(pipeline.state, pipeline.id):
            released = _ask(build.state.requests, assets)
        else:
            released = _release(build, assets)
    for asset in released:
        say(f"retried {printable_name(asset)}")
    if not released:
        say("nothing of that has failed" if assets else "nothing has failed")


def _ask(requests: RequestLog, assets: tuple[str, ...]) -> list[str]:
    """Leave it to the daemon, and wait for its answer."""
    number = requests.ask("retry", {"assets": list(assets)}, "the command line")
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found = requests.find(number)
        if found is not None and found.done is not None:
            return [str(asset) for asset in found.answer.get("assets", ())]
        time.sleep(_PAUSE)
    raise AssetForgeError("retry", "the daemon has not answered yet", "it will do it when it can; see its output")


def _release(build: Build, assets: tuple[str, ...]) -> list[str]:
    """Forget the failures, so that the next run tries again."""
    journal = build.state.journal
    quarantined = [one.asset for one in journal.all_quarantined()]
    chosen = [one for one in quarantined if not assets or one in assets or one.rpartition("[")[0] in assets]
    journal.release(chosen)
    return chosen
