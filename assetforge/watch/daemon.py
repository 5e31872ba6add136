"""The daemon: notices what arrives, hands it to the build, and goes on, for weeks, whatever happens around it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assetforge import plugins
from assetforge.build import Build
from assetforge.errors import AssetForgeError
from assetforge.events import Event, PipelineChanged, Trouble
from assetforge.execute.devices import check_device
from assetforge.execute.options import RunOptions
from assetforge.report import Report, ReportBuilder
from assetforge.store.daemon_status import StatusListener, daemon_lock
from assetforge.store.description import write_description
from assetforge.watch.event_loop import DaemonHistory, EventLoop

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds to wait after trouble; every time it comes again, twice as long."""


@dataclass(frozen=True)
class WatchOptions:
    """How to watch, beyond what the pipeline says."""

    device: str = "auto"
    workers: int = 1
    once: bool = False
    """End when nothing changes any more and all that is there has been built."""
    keep_stale: bool = False
    """Leave outputs that are not made any more."""


class Daemon:
    """Watches one pipeline until it is stopped."""

    def __init__(
        self,
        open_build: Callable[[], Build],
        listener: Callable[[Event], None],
        status_listener: StatusListener,
        options: WatchOptions,
    ) -> None:
        self._open_build, self._listener, self._status_listener = open_build, listener, status_listener
        self._options = options
        self._run_options = RunOptions(
            options.device,
            options.workers,
            keep_stale=options.keep_stale,
            caller_replans=True,
            daemon=not options.once,
        )
        self._history = DaemonHistory(time.time())
        self._stopping = False
        self._wake: Callable[[], None] = lambda: None
        self._reports = ReportBuilder("", listener)
        self._emit_of_build = listener

    def stop(self) -> None:
        """End soon, in good order. Signal handlers and other threads may call this."""
        self._stopping = True
        self._wake()

    def run(self) -> Report:
        """Watch until stopped. Raise AssetForgeError where that cannot begin, or where another daemon does it."""
        began = time.monotonic()
        check_device(self._options.device)
        build = self._open_build()
        with daemon_lock(build.pipeline):
            self._reports = ReportBuilder(build.pipeline.name, self._emit)
            self._serve_all(build)
        report = self._reports.report(time.monotonic() - began)
        self._listener(report.finished())
        return report

    def _emit(self, event: Event) -> None:
        """Tell of an event by the build that is open, or was open last."""
        self._emit_of_build(event)

    def _serve_all(self, build: Build | None) -> None:
        """Watch the pipeline as it is, and as it is then, until stopped; what goes wrong is waited for to pass."""
        pause = _SHORTEST_PAUSE
        while build is not None:
            began, before = time.monotonic(), build
            try:
                build = self._serve(build)
            except AssetForgeError as error:
                if self._options.once:
                    raise
                well = time.monotonic() - began > _LONGEST_PAUSE
                pause = _SHORTEST_PAUSE if well else min(2 * pause, _LONGEST_PAUSE)
                self._emit(Trouble(f"{error}; trying again in {pause:.0f} s"))
                build = self._reopen_after(pause, before)

    def _reopen_after(self, seconds: float, before: Build) -> Build | None:
        """Wait, then open the pipeline again, however often that takes."""
        while not self._pause(seconds):
            try:
                with plugins.reload(before.registry):
                    return self._open_build()
            except AssetForgeError as error:
                self._emit(Trouble(f"{error}; trying again in {seconds:.0f} s"))
        return None

    def _pause(self, seconds: float) -> bool:
        """Wait; return whether to stop."""
        stopped = threading.Event()
        self._wake = stopped.set
        return self._stopping or stopped.wait(seconds)

    def _serve(self, build: Build) -> Build | None:
        """Watch a pipeline until it is changed, or there is nothing more to do; return it as it is then."""
        self._emit_of_build = emit = build.emitter(self._listener)
        with build:
            for refused in build.recover():
                emit(Trouble(refused))
            write_description(build.pipeline)
            with build.session(self._reports, emit, self._run_options) as session:
                self._wake = session.wake
                session.warm_up()
                with EventLoop(build, session, self._reports, emit, self._status_listener, self._history) as loop:
                    while file := loop.run(lambda: self._stopping, once=self._options.once):
                        if changed := self._reopen(file, build):
                            return changed
                    session.is_stopped = self._stopping
        return None

    def _reopen(self, file: Path, before: Build) -> Build | None:
        """Open the pipeline again after a file was changed; if it cannot be opened, say why, and go on as before."""
        try:
            with plugins.reload(before.registry):
                build = self._open_build()
        except AssetForgeError as error:
            self._emit(PipelineChanged(str(file), str(error)))
            return None
        self._emit(PipelineChanged(str(file)))
        return build
