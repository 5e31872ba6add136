"""The one facade that every entry point calls: plan, execute, publish, report."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from assetforge.codecs.regular import is_folder
from assetforge.errors import AssetForgeError, blamed_on
from assetforge.execute.devices import check_device
from assetforge.execute.options import RunOptions
from assetforge.inventory import Inventory, Says, keep, plan_changes
from assetforge.pipeline.confinement import Confinement
from assetforge.pipeline.load import load_with_plugins, special_variants
from assetforge.pipeline.pipeline import Pipeline, Variant
from assetforge.plan.assets import Asset
from assetforge.plan.jobs import Plan
from assetforge.plan.plan import PlanOptions, make_plan, plan_assets
from assetforge.plugins import Registry
from assetforge.snapshot import Earlier, Occasion, runs_at_work
from assetforge.store.results import is_marked, mark, open_store
from assetforge.store.state import RUNS, State

if TYPE_CHECKING:
    from assetforge.events import Event
    from assetforge.execute.session import Session
    from assetforge.report import Report, ReportBuilder

    Listener = Callable[[Event], None]


class Build:
    """An opened pipeline. Use it as a context manager, so that its state is saved and closed."""

    def __init__(
        self,
        file: Path,
        definitions: Sequence[str] = (),
        profile: str = "",
        confinement: Confinement | None = None,
    ) -> None:
        self._inventory = Inventory(file)
        self.registry: Registry
        self.pipeline: Pipeline
        self.registry, self.pipeline = load_with_plugins(file, definitions, profile, confinement)
        self.state = State(self.pipeline.state, self.pipeline.id, self.pipeline.folder)
        self.warnings: tuple[str, ...] = self._missing_store()
        self.store = open_store(self.pipeline, shared=not self.warnings)

    def _missing_store(self) -> tuple[str, ...]:
        """Return why the shared store cannot be used, if it was seen before, or is only read, and is not there now."""
        folder, read_only = self.pipeline.store, self.pipeline.store_mode == "read-only"
        if folder is None or is_marked(folder) or (is_folder(folder) and read_only):
            return ()
        if not (read_only or self.state.knows_store(folder)):
            return ()
        return (f"store: {folder} is not there; if it lies on a drive, mount it: meanwhile, results are computed here",)

    def recover(self) -> list[str]:
        """Finish what runs had begun that died; return warnings. Commands that only look do not call this."""
        if not any((self.pipeline.state / RUNS).glob("*/")):
            return []
        from assetforge.execute.publish import recover_dead

        return recover_dead(self.state, self.pipeline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.state.close()

    def plan(self, options: PlanOptions | None = None, earlier: Earlier | None = None) -> Plan:
        """Plan the pipeline; nothing is run. What is known of an earlier run spares planning what has not changed."""
        plan = self._plan_changes(earlier) if earlier is not None and options in (None, PlanOptions()) else None
        plan = plan or make_plan(self.pipeline, self.state, self._special, options)
        self.state.save()
        return plan

    def _plan_changes(self, earlier: Earlier) -> Plan | None:
        """Plan what has changed; None where that is not all, or another run may have built something meanwhile."""
        top = f"{self.pipeline.folder}{os.sep}"
        names = {path.removeprefix(top) for path in earlier.changed}
        plan = plan_changes(self.pipeline, self.state, self.state.built(), names, earlier.snapshot)
        is_alone = Path(earlier.path).exists() and not runs_at_work(str(self.pipeline.state))
        return plan if is_alone and plan and len(plan.jobs) == earlier.snapshot.ending.jobs else None

    def plan_assets(self, assets: Iterable[Asset], options: PlanOptions | None = None, *, all_of_them: bool) -> Plan:
        """Plan assets as they come and go; what is wrong with one stops no other."""
        plan = plan_assets(self.pipeline, self.state, self._special, assets, options, all_of_them=all_of_them)
        self.state.save()
        return plan

    def session(self, reports: ReportBuilder, emit: Listener, options: RunOptions) -> Session:
        """Return what does jobs as they come; `emit` is told of all events."""
        from assetforge.execute.session import Session, SessionDeps  # only where there is something to do

        if self.pipeline.store is not None and self.store.folder == self.pipeline.store:
            mark(self.pipeline.store)
            self.state.saw_store(self.pipeline.store)
        return Session(SessionDeps(self.pipeline, self.registry, self.state, self.store, emit), reports, options)

    def check_overrides(self, files: Sequence[Path]) -> None:
        """Raise PipelineError where files that are to set values of an asset do not fit the pipeline."""
        special_variants(self.pipeline, self.registry, files)

    def _special(self, files: Sequence[Path]) -> tuple[Variant, ...]:
        self._inventory.will_read(files)
        return special_variants(self.pipeline, self.registry, files)

    def run(self, plan: Plan, listener: Listener = lambda _: None, options: RunOptions | None = None) -> Report:
        """Run what is out of date; one asset that fails does not stop the others.

        An interrupt (KeyboardInterrupt) ends the run in good order, and so does an error that is not an asset's; the
        report says so.
        """
        from assetforge.events import RunStarted  # which plans do without, as what is reported
        from assetforge.report import ReportBuilder

        options = options or RunOptions()
        check_device(options.device)
        began, since = time.monotonic(), time.time()
        emit = self.emitter(listener)
        emit(RunStarted(len(plan.in_state("out of date")), len(plan.in_state("up to date"))))
        reports = ReportBuilder(self.pipeline.name, emit)
        reports.note(plan)
        journal = self.state.journal
        journal.release(job.asset for job in plan.in_state("up to date") if journal.quarantined(job.asset))  # mended
        has_work = plan.in_state("out of date") or (not options.keep_stale and (plan.gone or plan.stale))
        if has_work:
            try:
                self._execute(reports, plan, emit, options)
            except AssetForgeError as error:
                reports.stopped_by = error
        report = reports.report(time.monotonic() - began)
        counts = {str(state): count for state, count in report.counts.items()}
        journal.run_ended(report.exit_code, counts)
        if not has_work:
            left = {state: count for state, count in counts.items() if count}
            self.state.history.found_nothing(since, report.exit_code, left)
        emit(report.finished())
        self.state.events.end()
        return report

    def keep_snapshot(self, plan: Plan, report: Report, says: Says, occasion: Occasion) -> None:
        """Let the next run that finds nothing to do know that at once; `says` is what it and others say then."""
        self.state.save()
        with suppress(AssetForgeError, OSError, ValueError, OverflowError):  # then the next run plans
            found = self._inventory.taken(self.registry, plan, self.state, report, says, occasion)
            if found is not None:
                keep(found, self.pipeline.state, occasion)

    def _execute(self, reports: ReportBuilder, plan: Plan, emit: Listener, options: RunOptions) -> None:
        from assetforge.execute.session import choose_workers, run_plan  # only where there is something to do

        options = choose_workers(options, len(plan.in_state("out of date")))
        run_plan(self.session(reports, emit, options), plan, reports, self._replan)

    def _replan(self, names: Sequence[str]) -> Plan:
        return self.plan(PlanOptions(only=tuple(names)))

    def emitter(self, listener: Listener) -> Listener:
        """Return what tells a listener, the state's log and all plugins of an event."""
        from assetforge.events import JobFinished

        def emit(event: Event) -> None:
            listener(event)
            if isinstance(event, JobFinished):  # those that the plan refuses as well
                self.state.history.job_ended(event.state)
            self.state.events.add(event)
            with blamed_on("a plugin", "its hook `on_event`"):
                self.registry.hooks.on_event(event=event)

        return emit


def interrupt_on_termination() -> None:
    """Let SIGTERM end a run as an interrupt does: build servers send it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if sys.platform != "win32":
        signal.signal(signal.SIGTERM, interrupt)


def ignore_interrupts() -> None:
    """Let nothing interrupt this process any more: what it came to is decided, and all that tells of it must agree."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
