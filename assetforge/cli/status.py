"""assetforge status."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from assetforge.build import Build
from assetforge.cli.options import Opened, build_options
from assetforge.store import runs
from assetforge.watch import presence

_SHOWN = 10
"""Names of jobs that wait."""


@click.command("status")
@build_options
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(opened: Opened, as_json: bool) -> None:
    """Show what is being built, what is quarantined and why, and how the last run ended."""
    with opened.build() as build:
        data = status(build)
    if as_json:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        _print(data)


def status(build: Build) -> dict[str, Any]:
    """Gather what the state knows, without looking at any source."""
    living = {run.id for run in runs.living(build.pipeline.state)}
    journal = build.state.journal
    last = journal.last_run()
    return {
        "running": [{"asset": asset, "run": run} for asset, run in journal.claims() if run in living],
        "quarantined": [vars(one) for one in journal.all_quarantined()],
        "last_run": vars(last) if last else None,
        "daemon": presence.read(build.pipeline),
    }


def _print_daemon(queue: dict[str, Any]) -> None:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(queue["since"]))
    click.echo(f"watching    {queue['folder']} ({queue['how']}; process {queue['pid']}, since {since})")
    counts = ("done_count", "waiting_count", "arriving_count")
    done, waiting, arriving = (queue[name] for name in counts)
    click.echo(
        f"            {done} done, {len(queue['building'])} building, {waiting} waiting, {arriving} files arriving"
    )
    for asset in queue["waiting"][:_SHOWN]:
        click.echo(f"next        {asset}")
    for asset, missing in queue["incomplete"].items():
        click.secho(f"incomplete  {asset}: waits for {missing}", fg="yellow")
    for asset, error in queue["failed"].items():
        click.secho(f"failed      {asset}: {error}", fg="red")


def _print(data: dict[str, Any]) -> None:
    if data["daemon"]:
        _print_daemon(data["daemon"])
    for job in data["running"]:
        click.echo(f"building    {job['asset']} (run {job['run']})")
    for one in data["quarantined"]:
        times = "once" if one["attempts"] == 1 else f"{one['attempts']} times"
        click.secho(f"quarantined {one['asset']}: {one['error']} (failed {times})", fg="yellow")
        if one["log"]:
            click.echo(f"            its log: {one['log']}")
    if data["quarantined"]:
        click.echo("they are tried again when what they depend on changes, or with `assetforge run --retry`")
    else:
        click.echo("nothing is quarantined")
    last = data["last_run"]
    if last is None:
        click.echo("there was no run yet")
        return
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last["ended"]))
    counts = ", ".join(f"{count} {state}" for state, count in last["counts"].items() if count)
    click.echo(f"last run: exit code {last['exit_code']}, ended {when}, {counts}")
