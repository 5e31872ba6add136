"""The one facade that every door calls: plan, execute, publish, report."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import AssetForgeError, OutputError, PluginError, Problem
from assetforge.events import (
    AttemptFailed,
    Event,
    JobFinished,
    JobStarted,
    JobState,
    OutputRemoved,
    OutputWritten,
    RunFinished,
    RunStarted,
)
from assetforge.execute.crew import Crew
from assetforge.execute.devices import AUTO, check_device
from assetforge.execute.hire import Hiring, Inline, likely_device
from assetforge.execute.protocol import Setup
from assetforge.execute.publish import journals, recover
from assetforge.execute.schedule import Ending, Journal, Schedule
from assetforge.pipeline.load import load as load_pipeline
from assetforge.pipeline.load import special_variants
from assetforge.pipeline.pipeline import Pipeline, Variant
from assetforge.plan.jobs import Gone, Job, Plan
from assetforge.plan.plan import Wish, make_plan
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins
from assetforge.report import JobReport, Report
from assetforge.store import runs
from assetforge.store.results import Store
from assetforge.store.runs import Run
from assetforge.store.state import State

Listener = Callable[[Event], None]
_POLL = 0.1
"""Seconds between looks at what another run is doing."""


@dataclass(frozen=True)
class Manner:
    """How to run: where, and in how many processes. It never changes a result."""

    device: str = AUTO
    workers: int = 1
    """Processes that compute on each device; 0 does everything in the caller's own process."""
    force: bool = False
    """Compute everything anew, whatever the store has."""


class Build:
    """An opened pipeline. Use it as a context manager, so that its state is saved and closed."""

    def __init__(self, file: Path, definitions: Sequence[str] = (), profile: str = "") -> None:
        self.registry: Registry = load_plugins(file.absolute().parent)
        self.pipeline: Pipeline = load_pipeline(file, self.registry, definitions, profile)
        self.state = State(self.pipeline.state, self.pipeline.id)
        self.store = Store(*self._store_arguments()[:2], read_only=self._store_arguments()[2])
        self._recover()

    def _store_arguments(self) -> tuple[Path, Path | None, bool]:
        return self.pipeline.state / "results", self.pipeline.store, self.pipeline.store_mode == "read-only"

    def _recover(self) -> None:
        """Finish what runs had begun that died."""
        with runs.dead(self.pipeline.state) as dead:
            for run in dead:
                for journal in journals(run.folder):
                    with suppress(OutputError):  # what is locked now stays out of date, and is published again
                        recover(journal)
                self.state.unclaim_all(run.id)
                run.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.state.close()

    def plan(self, wish: Wish | None = None) -> Plan:
        """Plan the pipeline; nothing is run."""
        plan = make_plan(self.pipeline, self.state, self._special, wish)
        self.state.save()
        return plan

    def _special(self, files: Sequence[Path]) -> tuple[Variant, ...]:
        return special_variants(self.pipeline, self.registry, files)

    def run(self, plan: Plan, listener: Listener = lambda _: None, manner: Manner | None = None) -> Report:
        """Run what is out of date; one asset that fails does not stop the others.

        An interrupt (KeyboardInterrupt) ends the run in good order; the report says so.
        """
        manner = manner or Manner()
        check_device(manner.device)
        return _Running(self, plan, self._emitter(listener), manner).report()

    def _emitter(self, listener: Listener) -> Listener:
        def emit(event: Event) -> None:
            listener(event)
            try:
                self.registry.hooks.on_event(event=event)
            except Exception as error:
                raise PluginError("hook on_event", f"{type(error).__name__}: {error}", "repair its plugin") from error

        return emit

    def setup(self, run: Run) -> Setup:
        """Return what the workers of a run are told."""
        return Setup(
            name="",
            run=run.folder,
            project=self.pipeline.folder,
            store=self._store_arguments(),
            specs=self.pipeline.specs,
            green=self.pipeline.outputs.green,
            precision=self.pipeline.precision,
            device=None,
            plugins={use.plugin.name: use.plugin.code for variant in self.pipeline.variants for use in variant.steps},
        )


class _Running(Journal):
    """One run: the books that it keeps, and the report that it ends with."""

    def __init__(self, build: Build, plan: Plan, emit: Listener, manner: Manner) -> None:
        self.build, self.plan, self.emit, self.manner = build, plan, emit, manner
        self.state = build.state
        self.began = time.monotonic()
        self.reports: dict[str, JobReport] = {job.asset: _untouched(job) for job in plan.jobs}
        self.elsewhere: list[Job] = []
        """Jobs that another run is doing."""
        self.started: set[str] = set()
        self.removed: list[str] = []
        self.run: Run | None = None

    def report(self) -> Report:
        """Run, and tell what became of it."""
        stale = self.plan.in_state("out of date")
        self.emit(RunStarted(len(stale), len(self.plan.in_state("up to date"))))
        for job in self.plan.jobs:
            if job.problem is not None:
                self._finish(job, _SKIPPED[job.state], 0.0, str(job.problem))
        interrupted = False
        try:
            if stale:
                self._run(stale)
            for gone in self.plan.gone:
                self._remove(gone)
        except KeyboardInterrupt:
            interrupted = True
        seconds = time.monotonic() - self.began
        report = Report(
            self.plan.pipeline.name, tuple(self.reports.values()), seconds, interrupted, tuple(self.removed)
        )
        counts = report.counts
        self.emit(RunFinished(counts["done"], counts["failed"], counts["up to date"], counts["quarantined"], seconds))
        return report

    def _run(self, jobs: Sequence[Job]) -> None:
        with runs.begin(self.plan.pipeline.state) as run:
            self.run = run
            self.state.run_begins(run.id)
            hire = self._hire(run)
            crew = Crew(hire)
            try:
                while jobs:
                    schedule = self._schedule(crew, run, hire)
                    for ending in schedule.run(jobs):
                        self._ended(ending)
                    jobs = self._after_the_others()
            finally:
                crew.disband()
                self.state.unclaim_all(run.id)
                states = [report.state for report in self.reports.values()]
                code = Report("", tuple(self.reports.values()), 0.0, interrupted="not run" in states).exit_code
                self.state.run_ends(run.id, code, {state: states.count(state) for state in set(states)})

    def _hire(self, run: Run) -> Hiring | Inline:
        setup, device = self.build.setup(run), likely_device(self.manner.device)
        if self.manner.workers:
            return Hiring(setup, device, self.manner.workers)
        return Inline(setup, device, self.build.registry.hooks, self.emit)

    def _schedule(self, crew: Crew, run: Run, hire: Hiring | Inline) -> Schedule:
        return Schedule(
            crew=crew,
            store=self.build.store,
            scratch=run.scratch,
            journal=self,
            emit=self.emit,
            attempts=self.plan.pipeline.attempts,
            bounds=hire.bounds(),
            device=hire.device,
            force=self.manner.force,
        )

    # The journal

    def begin(self, job: Job) -> int | None:
        """Note that an attempt begins; leave to other runs what they are doing or have done."""
        run = self._id()
        holder = self.state.claim(job.asset, run)
        if holder != run:
            self.elsewhere.append(job)
            return None
        if self.state.built_meanwhile(job.asset, job.signature) and not self.manner.force:
            self.state.unclaim(job.asset, run)
            self.reports[job.asset] = replace(self.reports[job.asset], state="up to date", outputs=self._paths(job))
            return None
        if job.asset not in self.started:
            self.started.add(job.asset)
            self.emit(JobStarted(job.asset, tuple(map(str, job.reasons))))
        return self.state.attempt_begins(job.asset, job.signature, run)

    def failed(self, job: Job, problem: Problem, log: str) -> None:
        """Note that an attempt failed."""
        self.state.attempt_failed(job.asset, self._id(), str(problem), self._keep_log(job, log))
        self.emit(AttemptFailed(job.asset, str(problem)))

    def is_current(self, job: Job) -> bool:
        """Tell whether the job's sources are still those that it was planned with."""
        try:
            digests = [self.state.digest(name) for name in job.sources]
        except AssetForgeError:
            return False
        return digests == list(job.facts["sources"].values())

    def _keep_log(self, job: Job, log: str) -> str:
        """Keep what was printed beside the state; return where."""
        if not log.strip():
            return ""
        name = re.sub(r"[^\w.,=\[\]-]", "_", job.asset)[:120]
        path = self.plan.pipeline.state / "logs" / f"{name}-{job.signature[:8]}.log"
        try:
            write_atomically(path, log.encode())
        except OutputError:  # the failure itself is what matters
            return ""
        return str(path)

    def _id(self) -> str:
        return self.run.id if self.run else ""

    # The ends of jobs

    def _ended(self, ending: Ending) -> None:
        attempt, job = ending.attempt, ending.attempt.job
        seconds = time.monotonic() - attempt.began
        if ending.problem is None:
            self.state.remember(job.asset, job.signature, job.sources, job.facts, attempt.published)
            for one in attempt.published:
                self.emit(OutputWritten(job.asset, str(self.plan.pipeline.folder / one.name)))
            self._finish(job, "done", seconds)
        else:
            log, error = self._keep_log(job, ending.log), str(ending.problem)
            if ending.quarantine:
                self.state.quarantine(job.asset, job.signature, attempt.failures, error, log)
            self._finish(job, "failed", seconds, error, log, quarantined=ending.quarantine)
        self.state.unclaim(job.asset, self._id())

    def _finish(
        self, job: Job, state: JobState, seconds: float, error: str = "", log: str = "", *, quarantined: bool = False
    ) -> None:
        outputs = self._paths(job) if state == "done" else ()
        reasons = tuple(map(str, job.reasons))
        quarantined |= state == "quarantined"
        self.reports[job.asset] = JobReport(job.asset, state, reasons, outputs, seconds, error, log, quarantined)
        self.emit(JobFinished(job.asset, state, seconds, error, log))

    def _paths(self, job: Job) -> tuple[str, ...]:
        return tuple(os.path.join(self.plan.pipeline.folder, name) for name in job.files)  # noqa: PTH118

    def _after_the_others(self) -> list[Job]:
        """Wait until other runs have done what they had claimed; return what is still out of date then."""
        if not self.elsewhere:
            return []
        names = {job.asset for job in self.elsewhere}
        self.elsewhere.clear()
        while self._claimed_by_the_living() & names:
            time.sleep(_POLL)
        self.state.reload()
        plan = self.build.plan(Wish(only=tuple(map(_literally, sorted(names)))))
        self.plan = replace(self.plan, gone=())  # whoever finishes last clears up
        for job in plan.jobs:
            if job.problem is not None:
                self._finish(job, _SKIPPED[job.state], 0.0, str(job.problem))
            else:
                self.reports[job.asset] = _untouched(job, self._paths(job))
        return plan.in_state("out of date")

    def _claimed_by_the_living(self) -> set[str]:
        living = {run.id for run in runs.living(self.plan.pipeline.state)}
        claims = self.state.claims()
        for run in {run for _, run in claims} - living:
            self.state.unclaim_all(run)
        return {asset for asset, run in claims if run in living}

    def _remove(self, gone: Gone) -> None:
        """Remove outputs whose sources are gone, unless somebody has changed them since."""
        folder, root = self.plan.pipeline.folder, self.plan.pipeline.outputs.root
        for name in gone.files:
            path = folder / name
            if self.state.output(name) == "as written":
                with suppress(OSError):
                    path.unlink()
                    self.removed.append(str(path))
                    self.emit(OutputRemoved(gone.asset, str(path)))
                    _remove_empty(path.parent, root)
        self.state.forget(gone.asset)


_SKIPPED: Mapping[str, JobState] = {"failed": "failed", "quarantined": "quarantined"}


def _untouched(job: Job, outputs: tuple[str, ...] = ()) -> JobReport:
    """Return the report of a job to which nothing has happened yet."""
    state: JobState = "up to date" if job.state == "up to date" else "not run"
    return JobReport(job.asset, state, tuple(map(str, job.reasons)), outputs or job.files)


def _literally(name: str) -> str:
    """Return a wildcard that stands for this name alone."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove folders that have become empty, up to the output root."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def interrupt_on_termination() -> None:
    """Let SIGTERM end a run as an interrupt does: build servers send it."""
    import signal

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if sys.platform != "win32":
        signal.signal(signal.SIGTERM, interrupt)
