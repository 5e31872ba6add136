"""Workers and books that stay while jobs come: one run's worth of them, or weeks of watching."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from assetforge.errors import AssetForgeError, Problem
from assetforge.events import AttemptFailed, Event, JobStarted, OutputRemoved, OutputWritten, Trouble
from assetforge.execute.clearing import recover_dead, remove_gone, remove_stale
from assetforge.execute.crew import Crew
from assetforge.execute.hire import Hiring, Inline, likely_device
from assetforge.execute.logs import Logs
from assetforge.execute.manner import Manner
from assetforge.execute.protocol import Setup
from assetforge.execute.schedule import Books, Ending, Schedule
from assetforge.execute.stages import Woken
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan import keys
from assetforge.plan.jobs import NOT_MADE, Gone, Job, sources_of
from assetforge.plugins import Registry
from assetforge.report import ReportBuilder
from assetforge.store import notes, runs
from assetforge.store.results import Store
from assetforge.store.runs import Run
from assetforge.store.state import State


@dataclass(frozen=True)
class Office:
    """What a session works with."""

    pipeline: Pipeline
    registry: Registry
    state: State
    store: Store
    emit: Callable[[Event], None]


class Session:
    """Does jobs as they come. Use it as a context manager: at the end, what is being published is finished."""

    def __init__(self, office: Office, reports: ReportBuilder, manner: Manner) -> None:
        self._office, self._reports, self._manner = office, reports, manner

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def _open(self, stack: ExitStack) -> None:
        office, manner = self._office, self._manner
        run = stack.enter_context(runs.begin(office.pipeline.state))
        stack.callback(office.state.journal.unclaim_all, run.id)
        hire = _hire(office, run, manner)
        self._crew = Crew(hire)
        stack.callback(self._crew.disband)
        self._books = _SessionBooks(office, self._reports, run.id, manner, Logs.of(office.pipeline))
        self._schedule = Schedule(
            crew=self._crew,
            store=office.store,
            scratch=run.scratch,
            books=self._books,
            emit=office.emit,
            attempts=office.pipeline.attempts,
            bounds=hire.bounds(),
            device=hire.device,
            force=manner.force,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def submit(self, jobs: Sequence[Job], *, urgent: bool = False, first: bool = False) -> None:
        """Do jobs: all that are urgent come before all others; `first` puts them before their like, not after."""
        queue = self._schedule.urgent if urgent else self._schedule.waiting
        if first:
            queue.extendleft(reversed(jobs))
        else:
            queue.extend(jobs)

    def advance(self, patience: float, *, idle: bool = False) -> list[Ending]:
        """Go on until something has happened, but no longer than so many seconds; return the jobs that ended.

        Where nothing is under way, it waits only if it is told to be `idle`.
        """
        endings = list(self._schedule.dispatch())
        if not endings and (idle or self._schedule.active):
            endings = list(self._schedule.listen(patience))
        for ending in endings:
            self._books.ended(ending)
        return endings

    def warm_up(self) -> None:
        """Start the workers that the first job will need."""
        for pool in ("codec", "device"):
            self._crew.grow(pool)

    def withdraw(self) -> list[Job]:
        """Take back all jobs that have not begun."""
        jobs = self.waiting
        self._schedule.urgent.clear()
        self._schedule.waiting.clear()
        return jobs

    def wake(self) -> None:
        """Let `advance` return at once. Any thread may call this."""
        self._crew.inbox.put((None, Woken()))

    @property
    def busy(self) -> bool:
        """Whether jobs wait or are under way."""
        return bool(self._schedule.urgent or self._schedule.waiting or self._schedule.active)

    @property
    def waiting(self) -> list[Job]:
        """The jobs that have not begun, in order."""
        return [*self._schedule.urgent, *self._schedule.waiting]

    @property
    def under_way(self) -> list[Job]:
        """The jobs that have begun."""
        return [attempt.job for attempt in self._schedule.active.values()]

    @property
    def elsewhere(self) -> Sequence[Job]:
        """The jobs that were to be done here, but that other runs are doing."""
        return self._books.elsewhere

    def released(self) -> list[Job]:
        """Return the jobs that other runs were doing, once all of them have ended; they are to be planned anew."""
        jobs = self._books.elsewhere
        if not jobs or self._claimed_by_the_living() & {job.asset for job in jobs}:
            return []
        self._books.elsewhere = []
        self._office.state.reload()
        return jobs

    def remove_gone(self, gone: Gone) -> None:
        """Remove the outputs of an asset that is not planned any more, unless the run is to keep such."""
        if not self._manner.keep_stale:
            self._removed(remove_gone(gone, self._office.pipeline, self._office.state), gone.asset, gone.why)

    def remove_stale(self, needed: Collection[str]) -> None:
        """Remove outputs that nothing makes any more, unless the run is to keep such; `needed`: names that stay."""
        if not self._manner.keep_stale:
            self._removed(remove_stale(needed, self._office.pipeline, self._office.state), "", NOT_MADE)

    def _removed(self, paths: Iterable[Path], asset: str, why: str) -> None:
        for path in paths:
            self._reports.removed.append(str(path))
            self._office.emit(OutputRemoved(asset, str(path), why))

    def forget_others(self, jobs: Iterable[Job]) -> None:
        """Forget what failed and what was printed of assets that are not among all jobs that there are."""
        assets = {job.asset for job in jobs}
        self._office.state.journal.forget_others(assets)
        self._books.logs.prune(assets)

    def _claimed_by_the_living(self) -> set[str]:
        state, folder = self._office.state, self._office.pipeline.state
        for refused in recover_dead(state, self._office.pipeline):  # before anybody builds what they had begun
            self._office.emit(Trouble(refused))
        living = {run.id for run in runs.living(folder)}
        claims = state.journal.claims()
        for run in {run for _, run in claims} - living:
            state.journal.unclaim_all(run)
        return {asset for asset, run in claims if run in living}


def _noted_by(job: Job) -> dict[str, str]:
    """Return the keys of all that may have notes of its own, by the names that reports call them."""
    sources = {origin.path.name: origin.key for origin in sources_of(job)}
    return {**sources, **{task.name: task.key for task in job.tasks}}


def _hire(office: Office, run: Run, manner: Manner) -> Hiring | Inline:
    pipeline, device = office.pipeline, likely_device(manner.device)
    setup = Setup(
        name="",
        run=run.folder,
        pipeline=pipeline.id,
        outputs=pipeline.outputs.root,
        project=pipeline.folder if pipeline.runs_plugins else None,
        store=office.store,
        specs=pipeline.specs,
        green=pipeline.outputs.green,
        precision=pipeline.precision,
        limits=pipeline.limits,
        device=None,
        plugins={
            **pipeline.wrappers,
            **{use.plugin.name: use.plugin.code for variant in pipeline.variants for use in variant.steps},
        },
        house=keys.host_code_digest(),
    )
    if manner.workers:
        return Hiring(setup, device, manner.workers)
    return Inline(setup, device, office.registry.hooks, office.emit)


@dataclass
class _SessionBooks(Books):
    """What a session writes down: in the state, for later runs; in the reports, for its report."""

    office: Office
    reports: ReportBuilder
    run: str
    manner: Manner
    logs: Logs
    elsewhere: list[Job] = field(default_factory=list)
    """Jobs that another run is doing."""
    started: set[str] = field(default_factory=set)

    def begin(self, job: Job) -> int | None:
        """Note that an attempt begins; leave to other runs what they are doing or have done."""
        state, journal = self.office.state, self.office.state.journal
        if journal.claim(job.asset, self.run) != self.run:
            self.elsewhere.append(job)
            return None
        if state.built_meanwhile(job.asset, job.signature) and not self.manner.force:
            journal.unclaim(job.asset, self.run)
            self.reports.untouched(job._replace(flags=state.flags(job.asset, anew=True)), "up to date")
            return None
        if journal.quarantined_meanwhile(job.asset, job.signature):
            journal.unclaim(job.asset, self.run)
            self.elsewhere.append(job)  # to be planned anew, which says why it is left alone
            return None
        if job.asset not in self.started:
            self.started.add(job.asset)
            self.office.emit(JobStarted(job.asset, tuple(map(str, job.reasons))))
        return journal.attempt_begins(job.asset, job.signature, self.run)

    def failed(self, job: Job, problem: Problem) -> None:
        """Note that an attempt failed."""
        self.office.state.journal.attempt_failed(job.asset, self.run, str(problem))

    def is_current(self, job: Job) -> bool:
        """Tell whether the job's sources are still those that it was planned with."""
        try:
            digests = [self.office.state.digest(name) for name in job.sources]
        except AssetForgeError:
            return False
        return digests == list(job.facts["sources"].values())

    def ended(self, ending: Ending) -> None:
        """Note how a job ended."""
        attempt, job, state = ending.attempt, ending.attempt.job, self.office.state
        problem, log = self._kept(ending)
        self.started.discard(job.asset)
        if problem is None:
            noted = notes.gather(self.office.store, _noted_by(job), (output.key for output in job.outputs))
            state.remember(job.asset, job.signature, job.sources, job.facts, attempt.published, noted.flags)
            for one in attempt.published:
                self.office.emit(OutputWritten(job.asset, str(self.office.pipeline.folder / one.name)))
            self.reports.done(job, attempt.seconds, noted, log)
        elif ending.stale and self.manner.keep_up:
            self.office.emit(AttemptFailed(job.asset, str(problem)))
            self.reports.untouched(job, "not run")
        else:
            error = str(problem)
            if ending.quarantine:
                state.journal.quarantine(job.asset, job.signature, attempt.failures, error, log)
            self.reports.finish(job, "failed", attempt.seconds, error, log, quarantined=ending.quarantine)
        state.journal.unclaim(job.asset, self.run)

    def _kept(self, ending: Ending) -> tuple[Problem | None, str]:
        """Keep what a job printed and drew; return its problem, which tells of the picture, and where its log is."""
        asset, printed, problem = ending.attempt.job.asset, ending.attempt.log, ending.problem
        picture = self.logs.keep_picture(asset, ending.picture)
        if problem is not None and picture:
            problem = problem.shown_by(picture)
            printed += f"{problem}\n"  # so that whoever finds either finds the other
        return problem, self.logs.keep(asset, printed)
