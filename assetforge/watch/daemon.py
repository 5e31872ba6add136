"""The daemon: notices what arrives, hands it to the build, and goes on, for weeks, whatever happens around it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assetforge import plugins
from assetforge.build import Build
from assetforge.errors import AssetForgeError
from assetforge.events import Event, PipelineChanged, Trouble
from assetforge.execute.devices import check_device
from assetforge.execute.options import RunOptions
from assetforge.report import Report, ReportBuilder
from assetforge.watch.presence import Shown, only_one
from assetforge.watch.shift import Shift

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds to wait after trouble; every time it comes again, twice as long."""


@dataclass(frozen=True)
class Wishes:
    """How to watch, beyond what the pipeline says."""

    device: str = "auto"
    workers: int = 1
    once: bool = False
    """End when all that is there has been built."""
    keep_stale: bool = False
    """Leave outputs that are not made any more."""


class Daemon:
    """Watches one pipeline until it is stopped."""

    def __init__(
        self, opening: Callable[[], Build], listener: Callable[[Event], None], shown: Shown, wishes: Wishes
    ) -> None:
        self._opening, self._listener, self._shown, self._wishes = opening, listener, shown, wishes
        self._manner = RunOptions(wishes.device, wishes.workers, keep_stale=wishes.keep_stale, caller_replans=True)
        self._stopping = False
        self._wake: Callable[[], None] = lambda: None
        self._ledger = ReportBuilder("", listener)

    def stop(self) -> None:
        """End soon, in good order. Signal handlers and other threads may call this."""
        self._stopping = True
        self._wake()

    def run(self) -> Report:
        """Watch until stopped. Raise AssetForgeError where that cannot begin, or where another daemon does it."""
        began = time.monotonic()
        check_device(self._wishes.device)
        build = self._opening()
        with only_one(build.pipeline):
            self._ledger = ReportBuilder(build.pipeline.name, build.emitter(self._listener))
            self._serve_all(build)
        report = self._ledger.report(time.monotonic() - began)
        self._listener(report.finished())
        return report

    def _serve_all(self, build: Build | None) -> None:
        """Watch the pipeline as it is, and as it is then, until stopped; what goes wrong is waited for to pass."""
        pause = _SHORTEST_PAUSE
        while build is not None:
            began, before = time.monotonic(), build
            try:
                build = self._serve(build)
            except AssetForgeError as error:
                if self._wishes.once:
                    raise
                well = time.monotonic() - began > _LONGEST_PAUSE
                pause = _SHORTEST_PAUSE if well else min(2 * pause, _LONGEST_PAUSE)
                self._listener(Trouble(f"{error}; trying again in {pause:.0f} s"))
                build = self._reopen_after(pause, before)

    def _reopen_after(self, seconds: float, before: Build) -> Build | None:
        """Wait, then open the pipeline again, however often that takes."""
        while not self._pause(seconds):
            try:
                with plugins.reload(before.registry):
                    return self._opening()
            except AssetForgeError as error:
                self._listener(Trouble(f"{error}; trying again in {seconds:.0f} s"))
        return None

    def _pause(self, seconds: float) -> bool:
        """Wait; return whether to stop."""
        stopped = threading.Event()
        self._wake = stopped.set
        return self._stopping or stopped.wait(seconds)

    def _serve(self, build: Build) -> Build | None:
        """Watch a pipeline until it is changed, or there is nothing more to do; return it as it is then."""
        emit = build.emitter(self._listener)
        for refused in build.recover():
            emit(Trouble(refused))
        with build, build.session(self._ledger, emit, self._manner) as session:
            self._wake = session.wake
            session.warm_up()
            with Shift(build, session, self._ledger, emit, self._shown) as shift:
                while not self._stopping:
                    shift.advance()
                    if shift.changed and (changed := self._reopen(shift, build)):
                        return changed
                    if self._wishes.once and shift.is_idle:
                        shift.give_up_waiting()
                        return None
        return None

    def _reopen(self, shift: Shift, before: Build) -> Build | None:
        """Open the pipeline as it is now, if it can be; if not, say why, and leave all as it was."""
        file, shift.changed = shift.changed, None
        try:
            with plugins.reload(before.registry):
                build = self._opening()
        except AssetForgeError as error:
            self._listener(PipelineChanged(str(file), str(error)))
            return None
        self._listener(PipelineChanged(str(file)))
        return build


@contextmanager
def stopped_by_signals(daemon: Daemon) -> Iterator[list[int]]:
    """Let SIGINT and SIGTERM stop a daemon in good order inside the block, and a second one at once.

    Gives the signals that came.
    """
    came: list[int] = []

    def handle(number: int, _: object) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        daemon.stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
