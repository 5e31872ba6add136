"""The one facade that every door calls: plan, execute, publish, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import AssetForgeError, PluginError
from assetforge.events import Event, JobFinished, JobStarted, JobState, OutputWritten, RunFinished, RunStarted
from assetforge.pipeline.load import load as load_pipeline
from assetforge.plan.plan import Job, Past, Plan, Record, make_plan
from assetforge.plugins import load as load_plugins
from assetforge.store import JobRecord, State, Store

if TYPE_CHECKING:
    from assetforge.execute.job import Workplace

Listener = Callable[[Event], None]
OK, FAILED = 0, 1
STATES: tuple[JobState, ...] = ("done", "failed", "up to date")


@dataclass(frozen=True)
class JobReport:
    """What became of one job."""

    asset: str
    state: JobState
    reasons: tuple[str, ...]
    outputs: tuple[str, ...]
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Report:
    """What became of a run. It never disagrees with the exit code, which it computes."""

    pipeline: str
    jobs: tuple[JobReport, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 where all is up to date, 1 where an asset failed."""
        return FAILED if any(job.state == "failed" for job in self.jobs) else OK

    def count(self, state: JobState) -> int:
        """Count the jobs in a state: `done`, `failed` or `up to date`."""
        return sum(job.state == state for job in self.jobs)

    def json(self) -> str:
        """Return the report as JSON text."""
        counts = {state: self.count(state) for state in STATES}
        data = {**vars(self), "jobs": [vars(job) for job in self.jobs], "counts": counts, "exit_code": self.exit_code}
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


class Build:
    """An opened pipeline. Use it as a context manager, so that its state is saved and closed."""

    def __init__(self, file: Path, definitions: Sequence[str] = ()) -> None:
        self.registry = load_plugins(file.absolute().parent)
        self.pipeline = load_pipeline(file, self.registry, definitions)
        self.state = State(self.pipeline.store)
        self.store = Store(self.pipeline.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.state.close()

    def plan(self, only: Sequence[str] = (), *, force: bool = False) -> Plan:
        """Plan the pipeline; nothing is run."""
        past = Past(self.state.digest, self._record, self.state.output)
        plan = make_plan(self.pipeline, past, only, force=force)
        self.state.save()
        return plan

    def _record(self, asset: str) -> Record | None:
        found = self.state.record(self.pipeline.file.name, asset)
        return Record(found.facts, found.outputs) if found else None

    def run(
        self, plan: Plan, listener: Listener = lambda _: None, *, device: str = "auto", force: bool = False
    ) -> Report:
        """Run what is out of date; one asset that fails does not stop the others."""
        began = time.monotonic()
        emit = self._emitter(listener)
        stale = plan.in_state("out of date")
        emit(RunStarted(len(stale), len(plan.in_state("up to date"))))
        workplace = self._workplace(emit, device) if stale else None
        reports = [self._job(job, workplace, emit, force=force) for job in plan.jobs]
        report = Report(self.pipeline.name, tuple(reports), time.monotonic() - began)
        emit(RunFinished(report.count("done"), report.count("failed"), report.count("up to date"), report.seconds))
        return report

    def _emitter(self, listener: Listener) -> Listener:
        def emit(event: Event) -> None:
            listener(event)
            try:
                self.registry.hooks.on_event(event=event)
            except Exception as error:
                raise PluginError("hook on_event", f"{type(error).__name__}: {error}", "repair its plugin") from error

        return emit

    def _workplace(self, emit: Listener, device: str) -> Workplace:
        from assetforge.execute.devices import resolve_device  # torch: only where there is something to do
        from assetforge.execute.job import Workplace

        return Workplace(self.pipeline, self.store, self.registry.hooks, resolve_device(device), emit)

    def _job(self, job: Job, workplace: Workplace | None, emit: Listener, *, force: bool) -> JobReport:
        began = time.monotonic()
        reasons = tuple(map(str, job.reasons))
        outputs = tuple(str(output.path) for output in job.outputs)
        if job.state == "up to date":
            return JobReport(job.asset, "up to date", reasons, outputs)
        emit(JobStarted(job.asset, reasons))
        error = str(job.problem) if job.problem else self._attempt(job, workplace, emit, force=force)
        seconds = time.monotonic() - began
        state: JobState = "failed" if error else "done"
        emit(JobFinished(job.asset, state, seconds, error))
        return JobReport(job.asset, state, reasons, () if error else outputs, seconds, error)

    def _attempt(self, job: Job, workplace: Workplace | None, emit: Listener, *, force: bool) -> str:
        from assetforge.execute.job import run_job

        try:
            if workplace is not None:
                self._publish(job, run_job(job, workplace, force=force), emit)
        except AssetForgeError as error:
            return str(error)
        except MemoryError:
            return f"{job.asset}: there is not enough memory; make its sources smaller or free some memory"
        except Exception as error:  # noqa: BLE001  a library that stumbles over one file must not stop the others
            return f"{job.asset}: {type(error).__name__}: {error}"
        return ""

    def _publish(self, job: Job, results: Mapping[Path, Path], emit: Listener) -> None:
        """Put the job's outputs in place, each whole, and remember what they were made of."""
        for path, result in results.items():
            write_atomically(path, result.read_bytes())
            emit(OutputWritten(job.asset, str(path)))
        keys = {str(output.path): output.key for output in job.outputs}
        self.state.remember(self.pipeline.file.name, job.asset, JobRecord(job.facts, keys))
