"""The event loop over one opened pipeline: when each thing is done. What is done is the business of its parts.

Events and scans go to the file tracker, settled files to the build queue, its jobs to the session, and results to
whoever is to be notified.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from assetforge.build import Build
from assetforge.errors import SourceError
from assetforge.events import Event, Ignored, Trouble
from assetforge.execute.session import Session
from assetforge.plan.assets import Catalog, nothing_matches
from assetforge.plan.plan import source_prefix
from assetforge.report import ReportBuilder
from assetforge.store.daemon_status import DaemonStatus, StatusListener, write_status
from assetforge.store.state import Stat
from assetforge.watch.build_queue import BuildQueue, Outcomes
from assetforge.watch.file_tracker import Clock, FileChanges, FileTracker
from assetforge.watch.folder_watcher import EventBuffer, FolderScanner, FolderWatcher
from assetforge.watch.notify import Notifier
from assetforge.watch.references import References
from assetforge.watch.requests import RequestHandler


class Throttle:
    """Lets something be done again and again, but not too often, and for no more than a share of the time."""

    def __init__(self, period: float, share: float, clock: Clock = time.monotonic) -> None:
        """`period`: seconds from one end to the next beginning, at least; `share`: part of the time, at most."""
        self.due = -math.inf
        self._period, self._share, self._clock = period, share, clock

    @property
    def is_due(self) -> bool:
        """Whether it may be done now."""
        return self._clock() >= self.due

    def run(self, action: Callable[[], object]) -> bool:
        """Do it, if it is due; return whether it was."""
        began = self._clock()
        if began < self.due:
            return False
        action()
        ended = self._clock()
        self.due = ended + max(self._period, (ended - began) * (1 / self._share - 1))
        return True

    def make_due(self) -> None:
        """Make it due at once."""
        self.due = -math.inf


@dataclass
class DaemonHistory:
    """What is true of a daemon, whatever it opens anew."""

    since: float
    """When it began, in seconds since 1970."""
    done_count: int = 0
    """Jobs done since then."""


class EventLoop:
    """Watches one opened pipeline, for a daemon. Use it as a context manager."""

    def __init__(
        self,
        build: Build,
        session: Session,
        reports: ReportBuilder,
        emit: Callable[[Event], None],
        listener: StatusListener,
        history: DaemonHistory,
    ) -> None:
        watch, catalog = build.pipeline.watch, Catalog(build.pipeline)
        self._build, self._session, self._reports, self._emit, self._listener = build, session, reports, emit, listener
        self._scanner = FolderScanner(build.pipeline)
        self._buffer = EventBuffer(session.wake)
        self._watcher = FolderWatcher(self._scanner.root, self._buffer, emit, polling=watch.polling == "always")
        self._tracker = FileTracker(self._scanner.stat, self._scanner.is_complete, catalog.of)
        self._queue = BuildQueue(
            build, session, self._tracker, catalog, Outcomes(reports, emit), newest_first=watch.order == "newest"
        )
        self._requests = RequestHandler(build, session, self._queue)
        self._may_pause = True
        self._references = References(build)
        self._changing: Path | None = None
        self._changed: Path | None = None
        self._notifier: Notifier | None = None
        self._prefix = source_prefix(build.pipeline)
        self._history = history
        self._status: DaemonStatus | None = None
        self._chores, self._version_check, self._show = Throttle(1.0, 0.1), Throttle(5.0, 0.05), Throttle(0.5, 0.1)
        self._ask = Throttle(0.2, 0.1)
        self._full_scan = Throttle(60.0, 0.05)  # some events get lost
        self._poll_scan = Throttle(1.0, 0.2)
        self._settle = Throttle(0.0, 0.3)
        self._full_plan, self._plan, self._reclaim = Throttle(0.0, 0.1), Throttle(0.0, 0.3), Throttle(0.2, 0.1)

    def __enter__(self) -> Self:
        on_done = self._build.pipeline.watch.on_done
        with ExitStack() as stack:
            stack.callback(self._watcher.close)
            if on_done.run or on_done.post:
                self._notifier = Notifier(on_done, self._build.pipeline.folder)
                stack.callback(self._notifier.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, is_stopped: Callable[[], bool], *, once: bool = False) -> Path | None:
        """Watch until stopped, or with `once` until all that is there has been built.

        Return early where a file that the pipeline is made of was changed, and which; then it may be run on.
        """
        self._may_pause = not once
        while not is_stopped():
            self._step()
            if self._changed:
                changed, self._changed = self._changed, None
                return changed
            if once and self._is_idle:
                self._give_up_waiting()
                return None
        return None

    def _step(self) -> None:
        """Do what is due, then wait until something has happened."""
        self._chores.run(self._do_chores)
        self._take_events()
        if not self._full_scan.run(self._scan_and_plan_everything) and self._watcher.mode == "polling":
            self._poll_scan.run(self._scan)
        if self._tracker.pending_count:
            self._settle.run(lambda: self._take_files(self._tracker.poll()))
        if self._watcher.mode != "away":
            self._submit_jobs()
            if not (self._tracker.pending_count or self._queue.ready):  # a burst is over
                self._queue.outcomes.report_unchanged()
            if not self._queue.needs_full_plan:  # before that, nobody knows what there is
                self._ask.run(lambda: self._requests.handle(may_pause=self._may_pause))
        self._show.run(self._show_status)
        timeout = max(0.0, min(self._next_due()) - time.monotonic())
        for ending in self._session.poll(timeout, idle=True):
            self._queue.take_result(ending)
            self._history.done_count += not ending.stale and ending.problem is None
            if self._notifier and not ending.stale:
                report = self._reports.of(ending.attempt.job.asset)
                self._notifier.notify({"pipeline": self._build.pipeline.name, **report.data})

    # Files

    def _take_events(self) -> None:
        """Expect the files that events told of."""
        batch = self._buffer.take()
        for path, closed in batch.files.items():
            if name := self._scanner.name_of(path):
                self._tracker.expect([name], closed=closed, live=True)
        self._tracker.expect(self._scanner.names_below(batch.folders, self._tracker.files), live=True)
        if batch.lost:
            self._emit(Trouble(f"the system has lost track of changes ({batch.lost}); looking at everything"))
            self._full_scan.make_due()

    def _scan_and_plan_everything(self) -> None:
        """Find out what no event has told, of outputs and of other runs, too."""
        if self._scan():
            self._queue.needs_full_plan = True

    def _scan(self) -> bool:
        """Find out what no event has told of sources; return whether all folders could be listed."""
        try:
            scan = self._scanner.scan()
        except SourceError as error:
            self._emit(Trouble(str(error)))
            return False
        self._take_files(self._tracker.take_scan(scan.files, scan.lost_folders, self._has_settled_before))
        if scan.lost_folders and self._watcher.mode == "events":
            self._watcher.start()  # the system does not follow what was mounted anew
        return True

    def _has_settled_before(self, name: str, stat: Stat) -> bool:
        return self._build.state.has_seen(self._prefix + name, stat)

    def _take_files(self, changes: FileChanges) -> None:
        """Hand files that have settled to the queue."""
        for name, live in changes.settled.items():
            if self._scanner.is_lfs_pointer(name):
                why = "is a Git-LFS pointer and not the picture; `git lfs pull`"
                self._emit(Ignored(self._scanner.path(name), why))
                self._queue.leave_out(name, live=live)
            else:
                self._queue.add(name, live=live)
        for name, live in changes.removed.items():
            self._queue.remove(name, live=live)

    # Jobs

    def _submit_jobs(self) -> None:
        """Let the queue plan what it has to, and submit what is out of date."""
        queue = self._queue
        if self._session.claimed_elsewhere:
            self._reclaim.run(queue.plan_reclaimed)
        if queue.needs_full_plan:
            self._full_plan.run(queue.plan_everything)
        elif self._plan.is_due and queue.ready:
            self._plan.run(queue.plan_ready)
            if queue.needs_full_plan:
                self._full_plan.make_due()  # somebody is waiting

    def _next_due(self) -> Iterator[float]:
        """Yield the times at which there will be something to do, as far as is known now."""
        yield self._chores.due
        if (poll := self._tracker.next_poll()) is not None:
            yield max(poll, self._settle.due)
        if self._watcher.mode == "away":
            return
        yield self._ask.due
        if self._session.claimed_elsewhere:
            yield self._reclaim.due
        if self._queue.needs_full_plan:
            yield self._full_plan.due
        elif self._queue.ready:
            yield self._plan.due

    @property
    def _is_idle(self) -> bool:
        """Whether all that is there has been built."""
        nothing_arrives = not (self._tracker.pending_count or self._buffer)
        return self._watcher.mode == "away" or (nothing_arrives and self._queue.is_empty)

    def _give_up_waiting(self) -> None:
        """Note that what is not complete now will not be built. Raise PipelineError where there is no source at all."""
        if not self._tracker.files:
            raise nothing_matches(self._build.pipeline)
        self._queue.outcomes.refuse_incomplete()

    # Chores

    def _do_chores(self) -> None:
        if self._watcher.check():
            self._full_scan.make_due()
            if self._watcher.mode == "away":
                self._queue.cancel_pending()
        # What was changed is taken up when it has stayed the same until the next time.
        changing = self._references.changed()
        if self._changing and not changing:
            self._changed = self._changing
        self._changing = changing
        self._queue.outcomes.report_incomplete()
        self._version_check.run(self._check_version)
        for trouble in self._notifier.troubles() if self._notifier else ():
            self._emit(Trouble(trouble))

    def _check_version(self) -> None:
        if upgraded := self._references.upgrade():
            self._emit(Trouble(f"AssetForge was upgraded to {upgraded}; start this daemon again"))

    def _show_status(self) -> None:
        waiting, outcomes = self._session.waiting, self._queue.outcomes
        status = DaemonStatus(
            pid=os.getpid(),
            since=self._history.since,
            folder=str(self._scanner.root),
            how=self._watcher.mode,
            building=tuple(job.asset for job in self._session.under_way),
            waiting=tuple(job.asset for job in waiting),
            waiting_count=len(waiting),
            arriving_count=self._tracker.pending_count,
            incomplete={asset: one.missing for asset, one in outcomes.incomplete.items()},
            failed=dict(outcomes.failed),
            done_count=self._history.done_count,
            paused=self._session.paused,
        )
        if status != self._status:
            self._status = status
            self._listener(status)
            write_status(self._build.pipeline, status)
