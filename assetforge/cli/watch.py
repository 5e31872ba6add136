"""assetforge watch."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import click

from assetforge.build import Build
from assetforge.cli.console import console
from assetforge.cli.options import Opened, build_options, keep_stale_option
from assetforge.cli.output import reserved_stdout
from assetforge.cli.reporter import Show
from assetforge.cli.signals import stopped_by_signals
from assetforge.errors import INTERRUPTED, OK, UsageError
from assetforge.events import Event
from assetforge.execute.garbage import find_garbage_early
from assetforge.store.daemon_status import StatusListener
from assetforge.watch.daemon import Daemon, WatchOptions


@click.command("watch")
@build_options
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that compute on each device."
)
@click.option("--once", is_flag=True, help="End when nothing changes any more and all that is there is built.")
@keep_stale_option
@click.option("-v", "--verbose", is_flag=True, help="Show what steps print.")
@click.option("--events", metavar="FILE|-", help="Append what happens as one JSON object a line.")
def command(
    opened: Opened, device: str, workers: int, once: bool, keep_stale: bool, verbose: bool, events: str | None
) -> int:
    """Build what arrives, as it arrives.

    SIGTERM and Ctrl-C end it in good order: what is being published is finished, the rest is taken up the next time.
    The exit code is 0, or 130 after Ctrl-C; with --once, that of `assetforge run`.
    """
    with _event_log(events) as log, _console(events, verbose=verbose) as (show, show_status):

        def listen(event: Event) -> None:
            log(event)
            show(event)

        daemon = Daemon(lambda: _open(opened), listen, show_status, WatchOptions(device, workers, once, keep_stale))
        find_garbage_early()  # unlike a command, which is over soon
        with stopped_by_signals(daemon.stop) as came:
            report = daemon.run()
    if signal.SIGINT in came:
        return INTERRUPTED
    return report.exit_code if once and not came else OK


def _console(events: str | None, *, verbose: bool) -> AbstractContextManager[tuple[Show, StatusListener]]:
    return console(sys.stderr if events == "-" else sys.stdout, verbose=verbose)


def _open(opened: Opened) -> Build:
    return opened.build()


@contextmanager
def _event_log(target: str | None) -> Iterator[Callable[[Event], None]]:
    """Give what writes events as lines of JSON, to a file or to standard output."""
    if target is None:
        yield lambda _: None
        return
    with _opened(target) as file:

        def write(event: Event) -> None:
            line = {"time": time.time(), "event": type(event).__name__, **asdict(event)}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()

        yield write


def _opened(target: str) -> AbstractContextManager[TextIO]:
    if target == "-":
        return reserved_stdout()
    try:
        return Path(target).open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError("--events", f"{target} cannot be written ({error.strerror})", "choose another file") from error
