"""One run: claim jobs, let the crew do them, write down what became of each, and clear up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import AssetForgeError, OutputError, Problem
from assetforge.events import Event, JobStarted, OutputRemoved, OutputWritten
from assetforge.execute.crew import Crew
from assetforge.execute.hire import Hiring, Inline, likely_device
from assetforge.execute.manner import Manner
from assetforge.execute.protocol import Setup
from assetforge.execute.publish import journals, recover
from assetforge.execute.schedule import Books, Ending, Schedule
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Gone, Job, Plan
from assetforge.plugins import Registry
from assetforge.report import Ledger
from assetforge.store import runs
from assetforge.store.results import Store
from assetforge.store.runs import Run
from assetforge.store.state import State

_POLL = 0.1
"""Seconds between looks at what another run is doing."""


@dataclass(frozen=True)
class Office:
    """What a run works with."""

    pipeline: Pipeline
    registry: Registry
    state: State
    store: Store
    replan: Callable[[Sequence[str]], Plan]
    """Plans some jobs anew."""
    emit: Callable[[Event], None]


def execute(office: Office, plan: Plan, ledger: Ledger, manner: Manner) -> None:
    """Run what is out of date, and remove what is left of sources that are gone; the ledger tells what became of it."""
    try:
        if jobs := plan.in_state("out of date"):
            _run(office, jobs, ledger, manner)
        for gone in plan.gone:
            _remove(office, gone, ledger)
    except KeyboardInterrupt:
        ledger.interrupted = True


def recover_dead(state: State, folder: Path) -> None:
    """Finish what runs had begun that died."""
    with runs.dead(folder) as dead:
        for run in dead:
            for journal in journals(run.folder):
                with suppress(OutputError):  # what is locked now stays out of date, and is published again
                    recover(journal)
            state.journal.unclaim_all(run.id)
            run.remove()


def _run(office: Office, jobs: Sequence[Job], ledger: Ledger, manner: Manner) -> None:
    with runs.begin(office.pipeline.state) as run:
        hire = _hire(office, run, manner)
        books = _RunBooks(office, ledger, run.id, force=manner.force)
        crew = Crew(hire)
        try:
            while jobs:
                schedule = Schedule(
                    crew=crew,
                    store=office.store,
                    scratch=run.scratch,
                    books=books,
                    emit=office.emit,
                    attempts=office.pipeline.attempts,
                    bounds=hire.bounds(),
                    device=hire.device,
                    force=manner.force,
                )
                for ending in schedule.run(jobs):
                    books.ended(ending)
                jobs = books.left_by_others()
        finally:
            crew.disband()
            office.state.journal.unclaim_all(run.id)


def _hire(office: Office, run: Run, manner: Manner) -> Hiring | Inline:
    pipeline, device = office.pipeline, likely_device(manner.device)
    setup = Setup(
        name="",
        run=run.folder,
        project=pipeline.folder,
        store=office.store,
        specs=pipeline.specs,
        green=pipeline.outputs.green,
        precision=pipeline.precision,
        device=None,
        plugins={
            **pipeline.wrappers,
            **{use.plugin.name: use.plugin.code for variant in pipeline.variants for use in variant.steps},
        },
    )
    if manner.workers:
        return Hiring(setup, device, manner.workers)
    return Inline(setup, device, office.registry.hooks, office.emit)


@dataclass
class _RunBooks(Books):
    """What a run writes down: in the state, for later runs; in the ledger, for its report."""

    office: Office
    ledger: Ledger
    run: str
    force: bool
    elsewhere: list[str] = field(default_factory=list)
    """Jobs that another run is doing."""
    started: set[str] = field(default_factory=set)

    def begin(self, job: Job) -> int | None:
        """Note that an attempt begins; leave to other runs what they are doing or have done."""
        state, journal = self.office.state, self.office.state.journal
        if journal.claim(job.asset, self.run) != self.run:
            self.elsewhere.append(job.asset)
            return None
        if state.built_meanwhile(job.asset, job.signature) and not self.force:
            journal.unclaim(job.asset, self.run)
            self.ledger.untouched(job, "up to date")
            return None
        if job.asset not in self.started:
            self.started.add(job.asset)
            self.office.emit(JobStarted(job.asset, tuple(map(str, job.reasons))))
        return journal.attempt_begins(job.asset, job.signature, self.run)

    def failed(self, job: Job, problem: Problem, log: str) -> None:
        """Note that an attempt failed."""
        self.office.state.journal.attempt_failed(job.asset, self.run, str(problem), self._keep_log(job, log))

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
        seconds = time.monotonic() - attempt.began
        if ending.problem is None:
            state.remember(job.asset, job.signature, job.sources, job.facts, attempt.published)
            for one in attempt.published:
                self.office.emit(OutputWritten(job.asset, str(self.office.pipeline.folder / one.name)))
            self.ledger.finish(job, "done", seconds)
        else:
            log, error = self._keep_log(job, ending.log), str(ending.problem)
            if ending.quarantine:
                state.journal.quarantine(job.asset, job.signature, attempt.failures, error, log)
            self.ledger.finish(job, "failed", seconds, error, log, quarantined=ending.quarantine)
        state.journal.unclaim(job.asset, self.run)

    def left_by_others(self) -> list[Job]:
        """Wait until other runs have done what they had claimed; return what is still out of date then."""
        if not self.elsewhere:
            return []
        names = set(self.elsewhere)
        self.elsewhere.clear()
        while self._claimed_by_the_living() & names:
            time.sleep(_POLL)
        self.office.state.reload()
        plan = self.office.replan(sorted(names))
        self.ledger.note(plan)
        return plan.in_state("out of date")

    def _claimed_by_the_living(self) -> set[str]:
        state, folder = self.office.state, self.office.pipeline.state
        recover_dead(state, folder)  # before anybody builds what they had begun to publish
        living = {run.id for run in runs.living(folder)}
        claims = state.journal.claims()
        for run in {run for _, run in claims} - living:
            state.journal.unclaim_all(run)
        return {asset for asset, run in claims if run in living}

    def _keep_log(self, job: Job, log: str) -> str:
        """Keep what was printed beside the state; return where."""
        if not log.strip():
            return ""
        name = re.sub(r"[^\w.,=\[\]-]", "_", job.asset)[:120]
        path = self.office.pipeline.state / "logs" / f"{name}-{job.signature[:8]}.log"
        try:
            write_atomically(path, log.encode())
        except OutputError:  # the failure itself is what matters
            return ""
        return str(path)


def _remove(office: Office, gone: Gone, ledger: Ledger) -> None:
    """Remove outputs whose sources are gone, unless somebody has changed them since."""
    folder, root = office.pipeline.folder, office.pipeline.outputs.root
    for name in gone.files:
        path = folder / name
        if office.state.output(name) == "as written":
            with suppress(OSError):
                path.unlink()
                ledger.removed.append(str(path))
                office.emit(OutputRemoved(gone.asset, str(path)))
                _remove_empty(path.parent, root)
    office.state.forget(gone.asset)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove folders that have become empty, up to the output root."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
