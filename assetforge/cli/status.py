"""assetforge status."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from assetforge import snapshot
from assetforge.build import Build
from assetforge.cli.options import Opened, build_options
from assetforge.cli.output import reserved_stdout, say, write_json
from assetforge.cli.reporter import show_line
from assetforge.errors import OK, printable_name
from assetforge.events import Event, JobStarted, RunStarted
from assetforge.store import runs
from assetforge.store.daemon_status import read_status
from assetforge.store.event_log import PERIOD, LoggedEvent, events_after, last_number
from assetforge.store.journal import LastRun
from assetforge.store.reader import Reader

_SHOWN = 10
"""Names of jobs that wait."""
_SHOWN_RUNS = 5


@click.command("status")
@build_options
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--follow", is_flag=True, help="Go on: print what happens until stopped; with --json, an object a line.")
def command(opened: Opened, as_json: bool, follow: bool) -> None:
    """Show what is being built, what is quarantined and why, and how the last run ended."""
    with reserved_stdout() as out:
        with opened.build() as build:
            state, last = build.state, last_number(build.state.path)  # before the status, so that no event is lost
            data = status(build)
        if as_json and not follow:
            write_json(data, out)
    if not as_json:
        _print(data)
    for one in _following(state.path, state.pipeline, last) if follow else ():
        if as_json:
            click.echo(json.dumps(one.data))
        else:
            _print_event(one.event)


def _following(path: Path, pipeline: str, number: int) -> Iterator[LoggedEvent]:
    """Yield what happens after the event of a number, for ever."""
    while True:
        for one in events_after(path, pipeline, number):
            number = one.number
            yield one
        time.sleep(PERIOD)


def _print_event(event: Event) -> None:
    match event:
        case RunStarted(jobs, current):
            say(f"run      {jobs} out of date, {current} up to date")
        case JobStarted(asset, why):
            say(f"building {printable_name(asset)}: {', '.join(why)}")
        case _:
            show_line(event, verbose=False)


def status(build: Build) -> dict[str, Any]:
    """Gather what the state knows, without looking at any source."""
    living = {run.id for run in runs.living(build.pipeline.state)}
    journal = build.state.journal
    last = _last_run(build)
    return {
        "running": [{"asset": asset, "run": run} for asset, run in journal.claims() if run in living],
        "quarantined": [one._asdict() for one in journal.all_quarantined()],
        "last_run": last._asdict() if last else None,
        "runs": [one.data for one in Reader(build.pipeline.state, build.pipeline.id).runs()],
        "daemon": read_status(build.pipeline.state, build.pipeline.id),
    }


def _last_run(build: Build) -> LastRun | None:
    """Return how the last run ended, be it one that a snapshot has spared: then its file is as old as that."""
    last, state = build.state.journal.last_run(), str(build.pipeline.state)
    for path in map(Path, snapshot.paths(state)):
        with suppress(FileNotFoundError):  # a run that begins drops them
            found, ended = snapshot.read(str(path)), path.lstat().st_mtime
            if last is None or ended <= last.ended:
                break
            if found is not None and found.ending.pipeline == build.pipeline.id:
                return LastRun(ended, OK, dict.fromkeys(last.counts, 0) | {"up to date": found.ending.jobs})
    return last


def _print_daemon(queue: dict[str, Any]) -> None:
    since = _when(queue["since"])
    say(f"watching    {queue['folder']} ({queue['how']}; process {queue['pid']}, since {since})")
    counts = ("done_count", "waiting_count", "arriving_count")
    done, waiting, arriving = (queue[name] for name in counts)
    say(f"            {done} done, {len(queue['building'])} building, {waiting} waiting, {arriving} files arriving")
    if queue["paused"]:
        say("paused      nothing new is begun", color="yellow")
    for asset in queue["waiting"][:_SHOWN]:
        say(f"next        {asset}")
    for asset, missing in queue["incomplete"].items():
        say(f"incomplete  {asset}: waits for {missing}", color="yellow")
    for asset, error in queue["failed"].items():
        say(f"failed      {asset}: {error}", color="red")


def _print(data: dict[str, Any]) -> None:
    if data["daemon"]:
        _print_daemon(data["daemon"])
    for job in data["running"]:
        say(f"building    {job['asset']} (run {job['run']})")
    for one in data["quarantined"]:
        times = "once" if one["attempts"] == 1 else f"{one['attempts']} times"
        failed = f" (failed {times})" if one["attempts"] else ""
        say(f"quarantined {one['asset']}: {one['error']}{failed}", color="yellow")
        if one["log"]:
            say(f"            its log: {one['log']}")
    if data["quarantined"]:
        say("they are tried again when what they depend on changes, or with `assetforge retry`")
    else:
        say("nothing is quarantined")
    _print_runs(data)


def _print_runs(data: dict[str, Any]) -> None:
    for run in data["runs"][:_SHOWN_RUNS]:
        _print_run(run)
    last = data["last_run"]
    if last is None:
        if not (data["daemon"] or data["runs"]):
            say("there was no run yet")
        return
    say(f"last run: exit code {last['exit_code']}, ended {_when(last['ended'])}, {_counted(last['counts'])}")


def _print_run(run: dict[str, Any]) -> None:
    how = f"exit code {run['exit_code']}" if run["state"] == "ended" else run["state"]
    by = f" by {printable_name(run['who'])}" if run["who"] else ""
    parts = filter(None, (how, _counted(run["counts"])))
    color = "yellow" if run["state"] == "killed" or run["exit_code"] else None
    say(f"{run['kind']:<11} {_when(run['began'])}{by}: {', '.join(parts)}", color=color)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)
