"""The watch over one opened pipeline: what is looked at when, and what is done about it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from assetforge.build import Build
from assetforge.errors import SourceError
from assetforge.events import Event, Trouble
from assetforge.execute.session import Session
from assetforge.plan.assets import nothing_matches
from assetforge.report import ReportBuilder
from assetforge.watch.desk import Desk
from assetforge.watch.eyes import Eyes
from assetforge.watch.hints import Hints
from assetforge.watch.notify import Notifier
from assetforge.watch.pace import Pace
from assetforge.watch.presence import Queue, Shown, write
from assetforge.watch.references import References

_CHORES = 1.0
"""Seconds between looks at the folder itself, and at the files that the pipeline is made of."""
_POLL = 1.0
"""Seconds between looks at everything where the system tells nothing."""
_RESCAN = 60.0
"""Seconds between looks at everything where it does: some hints get lost."""
_VERSIONS = 5.0
"""Seconds between looks at which version of AssetForge is installed."""
_SHOW = 0.5


class Shift:
    """Watches one opened pipeline. Use it as a context manager."""

    def __init__(
        self, build: Build, session: Session, ledger: ReportBuilder, emit: Callable[[Event], None], shown: Shown
    ) -> None:
        self.changed: Path | None = None
        """A file that the pipeline is made of, if one was changed."""
        watch = build.pipeline.watch
        self._build, self._session, self._ledger, self._emit, self._shown = build, session, ledger, emit, shown
        self._since = time.time()
        self._last: Queue | None = None
        self._desk = Desk(build, session, ledger, emit, newest_first=watch.order == "newest")
        self._hints = Hints(session.wake)
        self._eyes = Eyes(self._desk.inventory.root, self._hints, emit, polling=watch.polling == "always")
        self._references = References(build)
        self._changing: Path | None = None
        self._notifier: Notifier | None = None
        self._chores, self._show = Pace(_CHORES, 0.1), Pace(_SHOW, 0.1)
        self._versions = Pace(_VERSIONS, 0.05)
        self._rescan, self._poll = Pace(_RESCAN, 0.05), Pace(_POLL, 0.2)

    def __enter__(self) -> Self:
        on_done = self._build.pipeline.watch.on_done
        with ExitStack() as stack:
            stack.callback(self._eyes.close)
            if on_done.run or on_done.post:
                self._notifier = Notifier(on_done, self._build.pipeline.folder)
                stack.callback(self._notifier.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def advance(self) -> None:
        """Go on until something has happened."""
        now = time.monotonic()
        if self._chores.is_due(now):
            self._do_chores(now)
            self._chores.done(now, time.monotonic())
        self._take_hints(now)
        self._look(now)
        self._desk.settle(now)
        may_plan = self._eyes.how != "away"
        if may_plan:
            self._desk.plan(now)
        self._show_what_is_done(now)
        now = time.monotonic()
        patience = max(0.0, min(self._chores.due - now, self._desk.next_due(now, may_plan=may_plan)))
        for ending in self._session.poll(patience, idle=True):
            self._desk.ended(ending, time.monotonic())
            if self._notifier and not ending.stale:
                report = self._ledger.of(ending.attempt.job.asset)
                self._notifier.tell({"pipeline": self._build.pipeline.name, **report._asdict()})

    @property
    def is_idle(self) -> bool:
        """Whether all that is there has been built."""
        return self._eyes.how == "away" or (self._desk.is_idle and not self._hints)

    def give_up_waiting(self) -> None:
        """Note that what is not complete now will not be built. Raise PipelineError where there is no source at all."""
        if self._desk.is_empty:
            raise nothing_matches(self._build.pipeline)
        self._desk.give_up_waiting()

    def _do_chores(self, now: float) -> None:
        if self._eyes.check():
            self._rescan.hurry()
            if self._eyes.how == "away":
                self._desk.withdraw()
        # What was changed is taken up when it has stayed the same until the next time.
        changing = self._references.changed()
        if self._changing and not changing:
            self.changed = self._changing
        self._changing = changing
        self._desk.tell_waiting(now)
        if self._versions.is_due(now):
            self._versions.done(now, time.monotonic())
            if upgraded := self._references.upgrade():
                self._emit(Trouble(f"AssetForge was upgraded to {upgraded}; start this daemon again"))
        for trouble in self._notifier.troubles() if self._notifier else ():
            self._emit(Trouble(trouble))

    def _take_hints(self, now: float) -> None:
        gathered, inventory = self._hints.take(), self._desk.inventory
        for path, closed in gathered.files.items():
            if name := inventory.relevant(path):
                self._desk.expect([name], now, closed=closed, live=True)
        for folder in gathered.folders:
            self._desk.expect(inventory.below(folder), now, live=True)
        if gathered.lost:
            self._emit(Trouble(f"the system has lost track of changes ({gathered.lost}); looking at everything"))
            self._rescan.hurry()

    def _look(self, now: float) -> None:
        """Look at everything, or where the system tells nothing at least at the sources, if that is due."""
        if self._rescan.is_due(now):
            look, pace = self._desk.look_at_everything, self._rescan
        elif self._eyes.how == "polling" and self._poll.is_due(now):
            look, pace = self._desk.look_at_sources, self._poll
        else:
            return
        try:
            look(now)
        except SourceError as error:
            self._emit(Trouble(str(error)))
        if self._desk.inventory.disks_changed and self._eyes.how == "events":
            self._eyes.begin()  # the system does not follow what was mounted anew
        pace.done(now, time.monotonic())

    def _show_what_is_done(self, now: float) -> None:
        if not self._show.is_due(now):
            return
        desk, session = self._desk, self._session
        waiting = session.waiting
        queue = Queue(
            pid=os.getpid(),
            since=self._since,
            folder=str(desk.inventory.root),
            how=self._eyes.how,
            building=tuple(job.asset for job in session.under_way),
            waiting=tuple(job.asset for job in waiting),
            waiting_count=len(waiting),
            arriving_count=len(desk.settling),
            incomplete={asset: one.missing for asset, one in desk.incomplete.items()},
            failed=dict(desk.failed),
            done_count=desk.done_count,
        )
        if queue != self._last:
            self._last = queue
            self._shown(queue)
            write(self._build.pipeline, queue)
        self._show.done(now, time.monotonic())
