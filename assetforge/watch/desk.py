"""One pipeline that is being watched: which files arrive, which assets are to be built, which are under way."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assetforge.build import Build
from assetforge.codecs.completeness import End, end_of, is_lfs_pointer
from assetforge.events import Event, Ignored, Waiting
from assetforge.execute.scheduler import JobResult
from assetforge.execute.session import Session
from assetforge.plan.assets import Asset, Catalog
from assetforge.plan.jobs import Gone, Job, Plan
from assetforge.plan.plan import source_prefix
from assetforge.report import ReportBuilder
from assetforge.store.state import Stat
from assetforge.watch.inventory import Inventory
from assetforge.watch.pace import Pace
from assetforge.watch.settle import Settling

TELL_AFTER = 10.0
"""Seconds after which an asset that is not complete says what it waits for."""


@dataclass
class Incomplete:
    """An asset that waits for a file."""

    job: Job
    missing: str
    since: float
    told: bool = False


@dataclass
class Desk:
    """What is known of the sources, and what is still to be done about it."""

    build: Build
    session: Session
    ledger: ReportBuilder
    emit: Callable[[Event], None]
    newest_first: bool = False
    settling: Settling = field(default_factory=Settling)
    incomplete: dict[str, Incomplete] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Assets that cannot be built, each with the reason that was told."""
    done_count: int = 0
    inventory: Inventory = field(init=False)
    _catalog: Catalog = field(init=False)
    _dirty: dict[str, bool] = field(default_factory=dict)
    """Assets that something has happened to; true where it happened just now, and somebody is waiting."""
    _all_dirty: bool = True
    _live: set[str] = field(default_factory=set)
    """Files that something has happened to just now."""
    _holds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Files that have not settled, each with the assets that wait for it."""
    _held: Counter[str] = field(default_factory=Counter)
    """How many files each asset waits for."""
    _settle_pace: Pace = field(default_factory=lambda: Pace(0.0, 0.3))
    _some_pace: Pace = field(default_factory=lambda: Pace(0.0, 0.3))
    _all_pace: Pace = field(default_factory=lambda: Pace(0.0, 0.1))
    _others_pace: Pace = field(default_factory=lambda: Pace(0.2, 0.1))

    def __post_init__(self) -> None:
        self.inventory = Inventory(self.build.pipeline)
        self._catalog = Catalog(self.build.pipeline)
        self._prefix = source_prefix(self.build.pipeline)

    # Files

    def expect(self, names: Iterable[str], now: float, *, closed: bool = False, live: bool = False) -> None:
        """Look at files until they have settled."""
        for name in names:
            if name not in self.settling:
                self._holds[name] = tuple(self._catalog.of(name))
                self._held.update(self._holds[name])
            if live:
                self._live.add(name)
            self.settling.expect([name], now, closed=closed)

    def look_at_sources(self, now: float) -> None:
        """Find out what no hint has told of sources. Raise SourceError where a folder cannot be listed."""
        changes = self.inventory.look()
        for name in changes.arrived:
            stat = self.inventory.stat(name)
            if name in self.settling:
                continue
            if stat and self.build.state.has_seen(self._prefix + name, stat):  # it had settled before
                self._take_in(name, stat)
            else:
                self.expect([name], now)
        self.expect([name for name in changes.gone if name not in self.settling], now)

    def look_at_everything(self, now: float) -> None:
        """Find out what no hint has told, of outputs and of other runs, too."""
        self.look_at_sources(now)
        self._all_dirty = True

    def settle(self, now: float) -> None:
        """Take in the files that have settled."""
        if not self.settling or not self._settle_pace.is_due(now):
            return
        look = self.settling.look(now, self.inventory.stat, self._end)
        for name, stat in look.settled.items():
            self._release(name)
            self._take_in(name, stat)
        for name in look.gone:
            self._release(name)
            self.inventory.take_out(name)
            self._mark(self._catalog.remove(name), name)
            self._all_dirty = True  # only a plan of everything tells what is gone
        self._live -= look.settled.keys() | set(look.gone)
        self._settle_pace.done(now, time.monotonic())

    def _release(self, name: str) -> None:
        for asset in self._holds.pop(name):
            self._held[asset] -= 1
            if not self._held[asset]:
                del self._held[asset]

    def _take_in(self, name: str, stat: Stat) -> None:
        self.inventory.take_in(name, stat)
        if is_lfs_pointer(Path(self.inventory.path(name))):
            self.emit(Ignored(self.inventory.path(name), "is a Git-LFS pointer and not the picture; `git lfs pull`"))
            self._mark(self._catalog.remove(name), name)
        else:
            self._mark(self._catalog.add(name), name)

    def _mark(self, assets: Iterable[str], file: str) -> None:
        for asset in assets:
            self._dirty[asset] = self._dirty.get(asset, False) or file in self._live

    def _end(self, name: str) -> End:
        try:
            return end_of(Path(self.inventory.path(name)))
        except OSError:  # whoever reads it will say why
            return "unknown"

    # Assets

    def plan(self, now: float) -> None:
        """Plan what is dirty and at rest, and hand it over."""
        if self.session.claimed_elsewhere and self._others_pace.is_due(now):
            self._dirty = {job.base: False for job in self.session.reclaimable()} | self._dirty
            self._others_pace.done(now, time.monotonic())
        if self._all_dirty:
            if self._all_pace.is_due(now):
                self._plan_all(now)
                self._all_pace.done(now, time.monotonic())
        elif self._some_pace.is_due(now) and (ready := self._dirty.keys() - self._not_at_rest()):
            self._plan_some(ready, now)
            self._some_pace.done(now, time.monotonic())

    def _plan_all(self, now: float) -> None:
        self._all_dirty = False
        self.build.state.reload()  # others may have built something, too
        assets = self._catalog.assets()
        plan = self.build.plan_assets(assets, all_of_them=True)
        self._dirty = {name: live for name, live in self._dirty.items() if name in self._catalog}
        self._hand_over(plan, assets, now)
        if assets:  # where there is nothing at all, a disk is away rather than everything removed
            for gone in plan.gone:
                self._remove(gone)
            self.session.remove_stale(plan.needed)
            self.session.forget_others(plan.jobs)

    def _plan_some(self, ready: set[str], now: float) -> None:
        assets = self._catalog.assets(ready)
        plan = self.build.plan_assets(assets, all_of_them=False)
        if self._may_collide(plan):
            self._all_dirty = True
            self._all_pace.hurry()
            return
        for name in ready - {asset.name for asset in assets}:
            del self._dirty[name]
            self._forget(name)
        self._hand_over(plan, assets, now)

    def _may_collide(self, plan: Plan) -> bool:
        """Tell whether jobs would write what others have written: only a plan of everything tells whether they may."""
        under_way = {name: job.asset for job in self._unfinished() for name in job.files}
        return any(
            (self.build.state.owner(name) or under_way.get(name) or job.asset) != job.asset
            for job in plan.in_state("out of date")
            for name in job.files
        )

    def _hand_over(self, plan: Plan, assets: Sequence[Asset], now: float) -> None:
        not_at_rest = self._not_at_rest()
        times = {asset.name: self._time(asset) for asset in assets}
        live: list[Job] = []
        others: list[Job] = []
        for job in plan.jobs:
            if job.base in not_at_rest:
                self._dirty.setdefault(job.base, False)
                continue
            if job.state == "out of date":
                (live if self._dirty.get(job.base) else others).append(job)
            self._note(job, now)
        for base in {job.base for job in plan.jobs} - not_at_rest:
            self._dirty.pop(base, None)
        for jobs, urgent in ((live, True), (others, False)):
            jobs.sort(key=lambda job: times[job.base], reverse=self.newest_first)
            self.session.submit(jobs, urgent=urgent, first=self.newest_first)

    def _note(self, job: Job, now: float) -> None:
        """Note what keeps a job from being built, and tell it once."""
        if job.state == "incomplete" and job.problem:
            self.incomplete.setdefault(job.asset, Incomplete(job, job.problem.where, now))
        else:
            self.incomplete.pop(job.asset, None)
        if job.state not in ("failed", "quarantined"):
            self.failed.pop(job.asset, None)
            if job.state == "up to date":
                self.ledger.untouched(job, "up to date")
        elif self._is_news(job):
            self.failed[job.asset] = str(job.problem)
            self.ledger.refuse(job)

    def _is_news(self, job: Job) -> bool:
        known = self.failed.get(job.asset)
        return known is None or (job.state == "failed" and known != str(job.problem))

    def _time(self, asset: Asset) -> int:
        """Return when the last of an asset's files was changed."""
        return max(self.inventory.files[name][1] for name in asset.sources.values())

    def _remove(self, gone: Gone) -> None:
        folder = self.build.pipeline.folder
        if not any(self.inventory.is_away(folder / name) for name in gone.sources):
            self.session.remove_gone(gone)
            self._forget(gone.asset)

    def _forget(self, asset: str) -> None:
        self.incomplete.pop(asset, None)
        self.failed.pop(asset, None)

    def _unfinished(self) -> list[Job]:
        return [*self.session.under_way, *self.session.waiting, *self.session.claimed_elsewhere]

    def _not_at_rest(self) -> set[str]:
        """Return the assets whose files are arriving, and those that are being built."""
        return self._held.keys() | {job.base for job in self._unfinished()}

    def ended(self, ending: JobResult, now: float) -> None:
        """Take note of a job that has ended; one whose sources have changed meanwhile is looked at again."""
        job = ending.attempt.job
        if ending.stale:
            self._dirty[job.base] = True
            sources = [name.removeprefix(self._prefix) for name in job.sources]
            self.expect(sources, now, live=True)
        elif ending.problem is None:
            self.failed.pop(job.asset, None)
            self.done_count += 1
            if self.build.state.stale():  # only a plan of everything tells whether nobody else makes it
                self._all_dirty = True
        else:
            self.failed[job.asset] = str(ending.problem)

    def withdraw(self) -> None:
        """Take back what has not begun: the sources are away."""
        for job in self.session.cancel_pending():
            self._dirty.setdefault(job.base, False)

    def tell_waiting(self, now: float) -> None:
        """Say what assets wait for that have waited for a while."""
        for asset, one in self.incomplete.items():
            if not one.told and now - one.since >= TELL_AFTER:
                one.told = True
                self.emit(Waiting(asset, one.missing))

    def give_up_waiting(self) -> None:
        """Note that what is not complete now will not be built."""
        for one in self.incomplete.values():
            self.ledger.refuse(one.job)

    @property
    def is_idle(self) -> bool:
        """Whether nothing arrives and nothing is to be done."""
        return not (self.settling or self._dirty or self._all_dirty or self._unfinished())

    @property
    def is_empty(self) -> bool:
        """Whether there is no source at all."""
        return not self.inventory.files

    def next_due(self, now: float, *, may_plan: bool) -> float:
        """Return the seconds until there is something to do, as far as is known now."""
        due = []
        if (look := self.settling.next_look(now)) is not None:
            due.append(max(look, self._settle_pace.due - now))
        if may_plan:
            due += self._plans_due(now)
        return max(0.0, min(due, default=math.inf))

    def _plans_due(self, now: float) -> Iterator[float]:
        if self._all_dirty:
            yield self._all_pace.due - now
        elif self._dirty.keys() - self._not_at_rest():
            yield self._some_pace.due - now
        if self.session.claimed_elsewhere:
            yield self._others_pace.due - now
