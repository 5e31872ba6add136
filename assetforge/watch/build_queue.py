"""From changed files to jobs: assets that something happened to are planned, and what is out of date is submitted.

The queue starts nothing and waits for nothing: the event loop says when to plan, and the session does the jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from assetforge.build import Build
from assetforge.errors import Problem
from assetforge.events import Event, NothingToDo, Waiting
from assetforge.execute.scheduler import JobResult
from assetforge.execute.session import Session
from assetforge.plan.assets import Asset, Catalog
from assetforge.plan.jobs import Gone, Job, Plan
from assetforge.plan.plan import PlanOptions, source_prefix
from assetforge.report import ReportBuilder
from assetforge.watch.file_tracker import Clock, FileTracker

_MOST_HURRIED = 1000
"""Names that are remembered until their files have arrived: some may never come."""
REPORT_AFTER = 10.0
"""Seconds after which an incomplete asset says what it waits for."""
_MOST_NAMED = 3
"""Assets that are named of those for which nothing is to do."""


@dataclass
class Incomplete:
    """An asset that waits for a file."""

    job: Job
    missing: str
    since: float
    reported: bool = False


@dataclass
class Outcomes:
    """What has become of assets: those that wait for a file, and those that cannot be built."""

    reports: ReportBuilder
    emit: Callable[[Event], None]
    clock: Clock = time.monotonic
    incomplete: dict[str, Incomplete] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Assets that cannot be built, each with the reason that was reported."""
    unchanged: set[str] = field(default_factory=set)
    """Assets of which sources were changed so that nothing is to do, until that is reported."""

    def planned(self, job: Job) -> bool:
        """Note what keeps a planned job from being built, and report it once.

        Return whether it stays what it was: built, or refused for a reason that is known.
        """
        if job.state == "incomplete" and job.problem:
            self.incomplete.setdefault(job.asset, Incomplete(job, job.problem.where, self.clock()))
        else:
            self.incomplete.pop(job.asset, None)
        if job.state not in ("failed", "quarantined"):
            self.failed.pop(job.asset, None)
            if job.state == "up to date":
                self.reports.untouched(job, "up to date")
            return job.state == "up to date"
        if not self._is_news(job):
            return True
        self.failed[job.asset] = str(job.problem)
        self.reports.refuse(job)
        return False

    def _is_news(self, job: Job) -> bool:
        known = self.failed.get(job.asset)
        return known is None or (job.state == "failed" and known != str(job.problem))

    def built(self, asset: str, problem: Problem | None) -> None:
        """Note that a job has ended."""
        if problem is None:
            self.failed.pop(asset, None)
        else:
            self.failed[asset] = str(problem)

    def forget(self, asset: str) -> None:
        """Forget an asset that is gone."""
        self.incomplete.pop(asset, None)
        self.failed.pop(asset, None)
        self.unchanged.discard(asset)

    def report_unchanged(self) -> None:
        """Say in one event that changes were seen for which nothing is to do."""
        if self.unchanged:
            self.emit(NothingToDo(tuple(sorted(self.unchanged)[:_MOST_NAMED]), len(self.unchanged)))
            self.unchanged.clear()

    def report_incomplete(self) -> None:
        """Say what assets wait for that have waited for a while."""
        for asset, one in self.incomplete.items():
            if not one.reported and self.clock() - one.since >= REPORT_AFTER:
                one.reported = True
                self.emit(Waiting(asset, one.missing))

    def refuse_incomplete(self) -> None:
        """Note that what is not complete now will not be built."""
        for one in self.incomplete.values():
            self.reports.refuse(one.job)


@dataclass
class BuildQueue:
    """The assets that are to be planned again, and what is handed to the session."""

    build: Build
    session: Session
    tracker: FileTracker
    catalog: Catalog
    outcomes: Outcomes
    newest_first: bool = False
    needs_full_plan: bool = True
    """Whether everything is to be planned: only that tells what is gone, and which outputs collide."""
    _dirty: dict[str, bool] = field(default_factory=dict)
    """Assets that something has happened to; true where an event told of it, so that somebody is waiting."""
    _held: set[str] = field(default_factory=set)
    """Assets of which something is recorded and whose files are arriving: when they have settled, all is planned again,
    which tells what of them is gone."""
    _hurried: dict[str, None] = field(default_factory=dict)
    """Assets that are to be built before all others, and have not been submitted yet, the latest last."""

    # Files

    def add(self, name: str, *, live: bool) -> None:
        """Take in a file that has settled."""
        self._mark(self.catalog.add(name), live=live)

    def leave_out(self, name: str, *, live: bool) -> None:
        """Leave out a file that is there but cannot be used."""
        self._mark(self.catalog.remove(name), live=live)

    def remove(self, name: str, *, live: bool) -> None:
        """Take out a file that is gone."""
        self.leave_out(name, live=live)
        self.needs_full_plan = True

    def _mark(self, assets: Iterable[str], *, live: bool) -> None:
        for asset in assets:
            self._dirty[asset] = self._dirty.get(asset, False) or live
            self.needs_full_plan |= asset in self._held

    # Plans

    @property
    def ready(self) -> set[str]:
        """The assets that are to be planned and are at rest: none of their files arrives, and nobody builds them."""
        return self._dirty.keys() - self._busy(self._dirty)

    def plan_everything(self) -> None:
        """Plan all assets, submit what is out of date, and remove what is not made any more.

        An asset whose files are arriving may be missing from the plan: a daemon has just begun, and they were written
        while there was none, or right before. Nothing of it is removed or forgotten.
        """
        self.build.state.reload()  # others may have built something, too
        assets = self.catalog.assets()
        plan = self.build.plan_assets(assets, all_of_them=True)
        self.needs_full_plan = False
        self._dirty = {name: live for name, live in self._dirty.items() if name in self.catalog}
        self._submit(plan, assets)
        quarantined = self.build.state.journal.all_quarantined()
        recorded = {one.asset for one in plan.gone} | {one.asset for one in quarantined}
        held = {name for name in recorded if _is_named(name, self.tracker.unsettled_assets)}
        self._held = {base for name in held for base in (name, name.rpartition("[")[0])}
        if assets:  # where there is nothing at all, a disk is away rather than everything removed
            for gone in plan.gone:
                if gone.asset not in held:
                    self._remove_gone(gone)
            self.session.remove_stale(plan.needed)
            self.session.forget_others(plan.jobs, held)

    def plan_ready(self) -> None:
        """Plan the assets that are ready, and submit what is out of date; or find that everything must be planned."""
        ready = self.ready
        assets = self.catalog.assets(ready)
        plan = self.build.plan_assets(assets, all_of_them=False)
        if self._may_collide(plan):
            self.needs_full_plan = True
            return
        for name in ready - {asset.name for asset in assets}:
            del self._dirty[name]
            self.outcomes.forget(name)
        self._submit(plan, assets)

    def plan_reclaimed(self) -> None:
        """Let jobs be planned again that other runs were doing, once those have ended."""
        self._dirty = {job.base: False for job in self.session.reclaimable()} | self._dirty

    def _may_collide(self, plan: Plan) -> bool:
        """Tell whether jobs would write what others have written: only a plan of everything tells whether they may."""
        under_way = {name: job.asset for job in self._unfinished() for name in job.files}
        return any(
            (self.build.state.owner(name) or under_way.get(name) or job.asset) != job.asset
            for job in plan.in_state("out of date")
            for name in job.files
        )

    def _submit(self, plan: Plan, assets: Sequence[Asset]) -> None:
        """Submit what is out of date, by age; what somebody waits for first. What is not at rest stays dirty."""
        busy = self._busy({job.base for job in plan.jobs})
        jobs = [job for job in plan.jobs if job.base not in busy]
        told = {job.base for job in jobs if not self.outcomes.planned(job)}
        live = {job.base for job in jobs if self._dirty.get(job.base, False)}
        self.outcomes.unchanged |= live - told
        times = {asset.name: self._time(asset) for asset in assets}
        out_of_date = [job for job in jobs if job.state == "out of date"]
        out_of_date.sort(key=lambda job: times[job.base], reverse=self.newest_first)
        for urgent in (True, False):
            chosen = [job for job in out_of_date if self._dirty.get(job.base, False) == urgent]
            self.session.submit(chosen, urgent=urgent, first=self.newest_first)
        self.session.hurry([job for job in out_of_date if _is_named(job.asset, self._hurried)])
        planned = {job.base for job in plan.jobs}
        for name in {name for job in jobs for name in (job.asset, job.base)}:
            self._hurried.pop(name, None)
        for base in planned & busy:
            self._dirty.setdefault(base, False)
        for base in planned - busy:
            self._dirty.pop(base, None)

    def _time(self, asset: Asset) -> int:
        """Return when the last of an asset's files was changed."""
        return max(self.tracker.files[name][1] for name in asset.sources.values())

    def _remove_gone(self, gone: Gone) -> None:
        names = {name.removeprefix(source_prefix(self.build.pipeline)) for name in gone.sources}
        if not names & self.tracker.away:
            self.session.remove_gone(gone)
            self.outcomes.forget(gone.asset)
            self.outcomes.reports.forget(gone.asset)

    # What somebody asks for

    def retry(self, names: Collection[str]) -> list[str]:
        """Try again what has failed; all of it where no names are given. Return what that was."""
        journal = self.build.state.journal
        self.build.state.reload()  # others may have quarantined something, too
        failed = sorted({*(one.asset for one in journal.all_quarantined()), *self.outcomes.failed})
        chosen = [asset for asset in failed if not names or _is_named(asset, names)]
        journal.release(chosen)
        for asset in chosen:
            self.outcomes.forget(asset)
        self._mark(filter(None, map(self._base, chosen)), live=True)
        return chosen

    def rebuild(self, names: Collection[str]) -> list[str]:
        """Build assets anew, whatever the store has of them; return those that are not under way already."""
        bases = {base for name in names if (base := self._base(name))}
        assets = self.catalog.assets(bases - self._busy(bases))
        plan = self.build.plan_assets(assets, PlanOptions(force=True, retry=True), all_of_them=False)
        jobs = [job for job in plan.in_state("out of date") if _is_named(job.asset, names)]
        self.build.state.journal.release(job.asset for job in jobs)
        self.session.submit(jobs, urgent=True, anew=True)
        return [job.asset for job in jobs]

    def cancel(self, names: Collection[str], why: str) -> list[str]:
        """Take back or end jobs; they are left alone until something changes or they are retried."""
        chosen = [job for job in self._unfinished() if _is_named(job.asset, names)]
        for job in chosen:
            self.session.cancel(job, Problem("", why))
        return [job.asset for job in chosen]

    def hurry(self, names: Collection[str]) -> list[str]:
        """Let jobs be the next to begin, also those that are submitted soon; return the ones that wait already."""
        waiting = [job for job in self.session.waiting if _is_named(job.asset, names)]
        self.session.hurry(waiting)
        known = {name for job in waiting for name in (job.asset, job.base)}
        later = [name for name in names if name not in known]
        self._hurried = dict.fromkeys([*(name for name in self._hurried if name not in names), *later][-_MOST_HURRIED:])
        return [job.asset for job in waiting]

    def _base(self, name: str) -> str:
        """Return the asset of a job by its name, with or without a variant; nothing where there is none."""
        return next((base for base in (name, name.rpartition("[")[0]) if base in self.catalog), "")

    # The session

    def take_result(self, ending: JobResult) -> None:
        """Take note of a job that has ended; one whose sources have changed meanwhile is looked at again."""
        job = ending.attempt.job
        if ending.stale:
            self._dirty[job.base] = True
            prefix = source_prefix(self.build.pipeline)
            self.tracker.expect([name.removeprefix(prefix) for name in job.sources], live=True)
            return
        self.outcomes.built(job.asset, ending.problem)
        if ending.problem is None and self.build.state.stale():
            self.needs_full_plan = True  # only that tells whether nobody else makes what is stale

    def cancel_pending(self) -> None:
        """Take back what has not begun: the sources are away."""
        for job in self.session.cancel_pending():
            self._dirty.setdefault(job.base, False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be planned or built."""
        session = self.session
        is_done = not (session.waiting_assets or session.under_way or session.claimed_elsewhere)
        return is_done and not (self._dirty or self.needs_full_plan)

    def _unfinished(self) -> list[Job]:
        return [*self.session.under_way, *self.session.waiting, *self.session.claimed_elsewhere]

    def _busy(self, assets: Iterable[str]) -> set[str]:
        """Return those of some assets whose files are arriving, and those that wait or are being built."""
        begun = {job.base for job in (*self.session.under_way, *self.session.claimed_elsewhere)}
        arriving, waiting = self.tracker.unsettled_assets, self.session.waiting_assets
        return {one for one in assets if one in begun or one in waiting or one in arriving}


def _is_named(asset: str, names: Collection[str]) -> bool:
    """Tell whether a job is named, by its own name or without the variant."""
    return asset in names or asset.rpartition("[")[0] in names
