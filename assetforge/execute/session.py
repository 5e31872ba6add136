"""A session: workers and a log of attempts that stay while jobs come, for one run or for weeks of watching.

`run_plan` is the run loop of `assetforge run`; `watch` has its own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterable, KeysView, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assetforge import weights
from assetforge.codecs.allowance import MAX_BYTES
from assetforge.errors import FAILED, INTERRUPTED, OK, AssetForgeError, Problem, StoreError
from assetforge.events import AttemptFailed, Event, JobStarted, OutputRemoved, OutputWritten, Trouble
from assetforge.execute.devices import CPU, likely_device
from assetforge.execute.memory import memory
from assetforge.execute.messages import Roots, Setup, Wake
from assetforge.execute.options import RunOptions
from assetforge.execute.publish import recover_dead, remove_gone, remove_stale
from assetforge.execute.scheduler import Attempt, AttemptLog, JobResult, Scheduler
from assetforge.execute.worker_pool import (
    InlineWorkerFactory,
    ProcessWorkerFactory,
    WorkerPool,
    choose_processes,
    cores,
)
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan import keys
from assetforge.plan.jobs import NOT_MADE, Gone, Job, Plan, sources_of
from assetforge.plugins import Registry
from assetforge.report import ReportBuilder
from assetforge.store import notes, runs
from assetforge.store.logs import Logs
from assetforge.store.results import Store
from assetforge.store.runs import Run
from assetforge.store.state import State

_PATIENCE = 1.0
"""Seconds to wait for a reply before looking up."""
_POLL = 0.1
"""Seconds between looks at what another run is doing."""

Replan = Callable[[Sequence[str]], Plan]
"""Plans some jobs anew."""


@dataclass(frozen=True)
class SessionDeps:
    """What a session works with."""

    pipeline: Pipeline
    registry: Registry
    state: State
    store: Store
    emit: Callable[[Event], None]


class Session:
    """Does jobs as they come. Use it as a context manager: at the end, what is being published is finished."""

    def __init__(self, deps: SessionDeps, reports: ReportBuilder, options: RunOptions) -> None:
        self._deps, self._reports, self._options = deps, reports, options
        self._canceled: list[JobResult] = []
        """How jobs ended that were canceled since the last poll."""
        self.is_stopped = False
        """Whether somebody has ended it who did not wait until all is done."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def _open(self, stack: ExitStack) -> None:
        deps, options = self._deps, self._options
        run = stack.enter_context(runs.begin(deps.pipeline.state))
        deps.state.events.begin(run.id)
        deps.state.history.begin(run.id, "watch" if options.caller_replans else "run")
        stack.push(self._note_end)
        stack.callback(deps.state.journal.unclaim_all, run.id)
        stack.callback(shutil.rmtree, run.scratch, ignore_errors=True)  # a full disk takes no note of the end
        factory = _worker_factory(deps, run, options)
        self._pool = WorkerPool(factory)
        stack.callback(self._pool.shutdown)
        self._log = _StateAttemptLog(deps, self._reports, run.id, options, Logs.of(deps.pipeline))
        self._scheduler = Scheduler(
            pool=self._pool,
            store=deps.store,
            scratch=run.scratch,
            log=self._log,
            emit=deps.emit,
            attempts=deps.pipeline.attempts,
            limits=factory.limits(),
            device=factory.device,
            force=options.force,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)  # its callbacks see how it ends, and suppress nothing

    def _note_end(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """Write down how the run ends, while it still shows that it lives."""
        code: int | None = OK if self._options.daemon else self._reports.report(0.0).exit_code
        if self.is_stopped:
            code = None
        if isinstance(error, AssetForgeError):
            code = error.exit_code
        elif error is not None:
            code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        with suppress(StoreError):  # what was done is done
            self._deps.state.history.end(code)

    def submit(self, jobs: Sequence[Job], *, urgent: bool = False, first: bool = False, anew: bool = False) -> None:
        """Do jobs: all that are urgent come before all others; `first` puts them before their like, not after.

        With `anew`, nothing is taken from the store.
        """
        if anew:
            self._scheduler.anew.update(job.asset for job in jobs)
        self._scheduler.waiting.add(jobs, urgent=urgent, first=first)

    def hurry(self, jobs: Collection[Job]) -> None:
        """Let jobs that have not begun be the next, in the order in which they wait."""
        self._scheduler.waiting.hurry({job.asset for job in jobs})

    def poll(self, patience: float, *, idle: bool = False) -> list[JobResult]:
        """Go on until something has happened, but no longer than so many seconds; return the jobs that ended.

        Where nothing is under way, it waits only if it is told to be `idle`.
        """
        patience = min(patience, self._write_due())
        results, self._canceled = [*self._canceled, *self._scheduler.dispatch()], []
        if not results and (idle or self._scheduler.active):
            results = list(self._scheduler.listen(patience))
        for result in results:
            self._log.ended(result)
        return results

    def _write_due(self) -> float:
        """Write down what has waited long enough; return in how many seconds the rest should be written.

        Counts come first: who is told of an event and asks for them then finds what it has ended counted.
        """
        state = self._deps.state
        if state.events.due <= 0:
            state.history.write()
            state.events.write()
        return state.events.due

    def warm_up(self) -> None:
        """Start the workers that the first job will need."""
        for pool in ("io", "device"):
            self._pool.spawn(pool)

    def cancel_pending(self) -> list[Job]:
        """Take back all jobs that have not begun."""
        return self._scheduler.waiting.clear()

    def cancel(self, job: Job, why: Problem) -> None:
        """Take a job back that has not begun, or end it; it is left alone then until something changes.

        What is being published is finished.
        """
        if self._scheduler.waiting.remove(job.asset):
            self._canceled.append(JobResult(Attempt(job, Path()), why, quarantine=True))
        else:
            self._canceled += self._scheduler.cancel(job.asset, why)

    @property
    def paused(self) -> bool:
        """Whether no job is begun; those under way go on."""
        return self._scheduler.paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._scheduler.paused = paused

    def wake(self) -> None:
        """Let `poll` return at once. Any thread may call this."""
        self._pool.inbox.put(Wake())

    @property
    def busy(self) -> bool:
        """Whether jobs wait or are under way."""
        return bool(self._scheduler.waiting or self._scheduler.active)

    @property
    def waiting(self) -> list[Job]:
        """The jobs that have not begun, in order."""
        return list(self._scheduler.waiting)

    @property
    def waiting_assets(self) -> KeysView[str]:
        """The assets of which a job has not begun."""
        return self._scheduler.waiting.assets

    @property
    def under_way(self) -> list[Job]:
        """The jobs that have begun."""
        return [attempt.job for attempt in self._scheduler.active.values()]

    @property
    def claimed_elsewhere(self) -> Sequence[Job]:
        """The jobs that were to be done here, but that other runs are doing."""
        return self._log.claimed_elsewhere

    def reclaimable(self) -> list[Job]:
        """Return the jobs that other runs were doing, once all of them have ended; they are to be planned anew."""
        jobs = self._log.claimed_elsewhere
        if not jobs or self._claimed_by_the_living() & {job.asset for job in jobs}:
            return []
        self._log.claimed_elsewhere = []
        self._deps.state.reload()
        return jobs

    def remove_gone(self, gone: Gone) -> None:
        """Remove the outputs of an asset that is not planned any more, unless the run is to keep such."""
        if not self._options.keep_stale:
            self._removed(remove_gone(gone, self._deps.pipeline, self._deps.state), gone.asset, gone.why)

    def remove_stale(self, needed: Collection[str]) -> None:
        """Remove outputs that nothing makes any more, unless the run is to keep such; `needed`: names that stay."""
        if not self._options.keep_stale:
            self._removed(remove_stale(needed, self._deps.pipeline, self._deps.state), "", NOT_MADE)

    def _removed(self, paths: Iterable[Path], asset: str, why: str) -> None:
        for path in paths:
            self._reports.removed.append(str(path))
            self._deps.emit(OutputRemoved(asset, str(path), why))

    def forget_others(self, jobs: Iterable[Job], held: Collection[str] = ()) -> None:
        """Forget what failed of assets that are up to date again or gone, of all jobs, and what the latter printed.

        held: jobs beside them that may not be gone.
        """
        states = {job.asset: job.state for job in jobs}
        failed = {name for name, state in states.items() if state != "up to date"}
        self._deps.state.journal.forget_others(failed.union(held))
        self._log.logs.prune({*states, *held})

    def _claimed_by_the_living(self) -> set[str]:
        state, folder = self._deps.state, self._deps.pipeline.state
        for refused in recover_dead(state, self._deps.pipeline):  # before anybody builds what they had begun
            self._deps.emit(Trouble(refused))
        living = {run.id for run in runs.living(folder)}
        claims = state.journal.claims()
        for run in {run for _, run in claims} - living:
            state.journal.unclaim_all(run)
        return {asset for asset, run in claims if run in living}


def run_plan(session: Session, plan: Plan, reports: ReportBuilder, replan: Replan) -> None:
    """Run what is out of date, and remove what is not made any more; the report builder is told what became of it."""
    try:
        with session:
            session.submit(plan.in_state("out of date"))
            while session.busy or session.claimed_elsewhere:
                session.poll(_PATIENCE)
                if not session.busy:
                    _reclaim(session, reports, replan)
            if plan.is_whole:
                for gone in plan.gone:
                    session.remove_gone(gone)
                session.remove_stale(plan.needed)
                session.forget_others(plan.jobs)
    except KeyboardInterrupt:
        reports.interrupted = True


def _reclaim(session: Session, reports: ReportBuilder, replan: Replan) -> None:
    """Take over what other runs had claimed and have left out of date."""
    if jobs := session.reclaimable():
        plan = replan([job.asset for job in jobs])
        reports.note(plan)
        session.submit(plan.in_state("out of date"))
    elif session.claimed_elsewhere:
        time.sleep(_POLL)


def _failure(job: Job, problem: Problem) -> dict[str, Any]:
    """Return what a job that has failed is made of, and its flags, as `Reader.failure` takes them."""
    return {
        "sources": job.sources,
        "digests": list(job.facts.get("sources", {}).values()),
        "holds": job.facts.get("holds", {}).get("sources", []),
        "flags": [asdict(flag) for flag in problem.flags],
    }


def _note_keys(job: Job) -> dict[str, str]:
    """Return the keys of all that may have notes of its own, by the names that reports call them."""
    sources = {origin.path.name: origin.key for origin in sources_of(job)}
    return {**sources, **{task.name: task.key for task in job.tasks}}


def choose_workers(options: RunOptions, jobs: int) -> RunOptions:
    """Choose the number of workers for so many jobs, where it is left open; a GPU is kept busy by one."""
    if options.workers is not None:
        return options
    on_cpu = likely_device(options.device) == CPU
    return options._replace(workers=choose_processes(jobs, cores(), memory()) if on_cpu else 1)


def _worker_factory(deps: SessionDeps, run: Run, options: RunOptions) -> ProcessWorkerFactory | InlineWorkerFactory:
    setup, device = worker_setup(deps, run), likely_device(options.device)
    if options.workers != 0:
        return ProcessWorkerFactory(setup, device, options.workers or 1)
    return InlineWorkerFactory(setup, device, deps.registry.hooks, deps.emit)


def worker_setup(deps: SessionDeps, run: Run) -> Setup:
    """Return what all workers of a run on this machine are told, but for their names and devices."""
    pipeline = deps.pipeline
    return Setup(
        name="",
        run=run.folder,
        pipeline=pipeline.id,
        outputs=pipeline.outputs.root,
        project=pipeline.folder if pipeline.runs_plugins else None,
        store=deps.store,
        roots=_roots(deps, run),
        specs=pipeline.specs,
        green=pipeline.outputs.green,
        limits=pipeline.limits,
        device=None,
        threads=1,
        steps=tuple(dict.fromkeys(use.step.name for variant in pipeline.variants for use in variant.steps)),
        plugins={
            **pipeline.wrappers,
            **pipeline.coders,
            **{use.plugin.name: use.plugin.code for variant in pipeline.variants for use in variant.steps},
        },
        host_code=keys.host_code_digest(),
    )


def _roots(deps: SessionDeps, run: Run) -> Roots:
    """Return the folders that paths in the stages of a run start from."""
    pipeline = deps.pipeline
    plugins = {f"plugin {plugin.name}": plugin.folder for plugin in deps.registry.plugins.values()}
    return plugins | {
        "project": pipeline.folder,
        "sources": pipeline.sources,
        "outputs": pipeline.outputs.root,
        "state": pipeline.state,
        "run": run.folder,
        "store": deps.store.folder,
        "weights": weights.SHIPPED,
        "user's weights": weights.user_folder(),
    }


@dataclass
class _StateAttemptLog(AttemptLog):
    """What a session notes: in the state, for later runs; in the report builder, for its report."""

    deps: SessionDeps
    reports: ReportBuilder
    run: str
    options: RunOptions
    logs: Logs
    claimed_elsewhere: list[Job] = field(default_factory=list)
    """Jobs that another run is doing."""
    started: set[str] = field(default_factory=set)

    def begin(self, job: Job) -> int | None:
        """Note that an attempt begins; leave to other runs what they are doing or have done."""
        state, journal = self.deps.state, self.deps.state.journal
        if journal.claim(job.asset, self.run) != self.run:
            self.claimed_elsewhere.append(job)
            return None
        if state.built_meanwhile(job.asset, job.signature) and not self.options.force:
            journal.unclaim(job.asset, self.run)
            self.reports.untouched(job._replace(flags=state.flags(job.asset, anew=True)), "up to date")
            return None
        if journal.quarantined_meanwhile(job.asset, job.signature):
            journal.unclaim(job.asset, self.run)
            self.claimed_elsewhere.append(job)  # to be planned anew, which says why it is left alone
            return None
        if job.asset not in self.started:
            self.started.add(job.asset)
            self.deps.emit(JobStarted(job.asset, tuple(map(str, job.reasons))))
        return journal.attempt_begins(job.asset, job.signature, self.run)

    def failed(self, job: Job, problem: Problem) -> None:
        """Note that an attempt failed."""
        self.deps.state.journal.attempt_failed(job.asset, self.run, str(problem))

    def is_current(self, job: Job) -> bool:
        """Tell whether the job's sources are still those that it was planned with."""
        try:
            return all(self.deps.state.digest(name, MAX_BYTES) == sha256 for name, sha256 in job.digests.items())
        except AssetForgeError:
            return False

    def ended(self, result: JobResult) -> None:
        """Note how a job ended."""
        attempt, job, state = result.attempt, result.attempt.job, self.deps.state
        problem, log = self._kept(result)
        self.logs.keep_failure(job.asset, _failure(job, problem) if problem is not None else None)
        self.started.discard(job.asset)
        if problem is None:
            noted = notes.gather(self.deps.store, _note_keys(job), (output.key for output in job.outputs))
            state.remember(job.asset, job.signature, job.sources, job.facts, attempt.published, noted.flags)
            for one in attempt.published:
                self.deps.emit(OutputWritten(job.asset, str(self.deps.pipeline.folder / one.name)))
            self.reports.done(job, attempt.seconds, noted, log)
        elif result.stale and self.options.caller_replans:
            self.deps.emit(AttemptFailed(job.asset, str(problem)))
            self.reports.untouched(job, "not run")
        else:
            error = str(problem)
            if result.quarantine:
                state.journal.quarantine(job.asset, job.signature, attempt.failures, error, log)
            self.reports.finish(
                job, "failed", attempt.seconds, error, log, quarantined=result.quarantine, flags=problem.flags
            )
        state.journal.unclaim(job.asset, self.run)

    def _kept(self, result: JobResult) -> tuple[Problem | None, str]:
        """Keep what a job printed and drew; return its problem, which tells of the picture, and where its log is."""
        asset, printed, problem = result.attempt.job.asset, result.attempt.log, result.problem
        picture = self.logs.keep_picture(asset, result.picture)
        if problem is not None and picture:
            problem = problem.shown_by(picture)
            printed += f"{problem}\n"  # so that each of the two leads to the other
        return problem, self.logs.keep(asset, printed)
