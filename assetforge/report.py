"""What became of a run, as a value: the console, the JSON file, the JUnit file and the exit code all show this."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from assetforge.errors import FAILED, INTERRUPTED, OK, QUARANTINED, AssetForgeError, PipelineError
from assetforge.events import Event, JobFinished, JobState, RunFinished
from assetforge.flags import Flag, doubtful
from assetforge.plan.jobs import Job, Plan

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

    from assetforge.store.notes import Notes

NO_NOTES: Mapping[str, Any] = {}
STATES: tuple[JobState, ...] = get_args(JobState)


class JobReport(NamedTuple):  # and no dataclass: there may be very many, and frozen ones are slow to make
    """What became of one job."""

    asset: str
    state: JobState
    reasons: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    """The files, relative to the pipeline's folder."""
    seconds: float = 0.0
    """How long reading, computing and writing took, all attempts together; not how long it waited for its turn."""
    error: str = ""
    log: str = ""
    """The file that holds what was printed meanwhile, if anything was."""
    quarantined: bool = False
    """Whether later runs leave it alone until what it depends on changes."""
    notes: Mapping[str, Any] = NO_NOTES
    """What each step that was part of it noted of its result."""
    flags: tuple[Flag, ...] = ()
    """Why its outputs, though whole, are doubtful; of a job that failed, what the step had flagged that failed."""

    @property
    def data(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {**self._asdict(), "flags": [flag.data() for flag in self.flags]}


@dataclass(frozen=True)
class Report:
    """What became of a run. It never disagrees with the exit code, which it computes."""

    pipeline: str
    jobs: tuple[JobReport, ...]
    seconds: float
    interrupted: bool = False
    removed: tuple[str, ...] = ()
    """Outputs that were removed because their sources are gone."""
    problems: tuple[str, ...] = ()
    """What kept the run from taking place at all."""
    problem_code: int = OK

    @classmethod
    def of_error(cls, pipeline: str, error: AssetForgeError) -> Report:
        """Return the report of a run that could not take place, or could not go on."""
        problems = error.problems if isinstance(error, PipelineError) else [error.problem]
        return cls(pipeline, (), 0.0, problems=tuple(map(str, problems)), problem_code=error.exit_code)

    @classmethod
    def of_crash(cls, pipeline: str, error: Exception) -> Report:
        """Return the report of a run that a defect of AssetForge has ended."""
        return cls(pipeline, (), 0.0, problems=(f"{type(error).__name__}: {error}",), problem_code=FAILED)

    def stopped_by(self, error: AssetForgeError) -> Report:
        """Return this report of a run that an error has cut short."""
        return replace(self, problems=(str(error),), problem_code=error.exit_code)

    @property
    def exit_code(self) -> int:
        """0 all is up to date, 1 an asset failed, 4 only quarantined assets were skipped, 130 interrupted."""
        if self.problem_code:
            return self.problem_code
        if self.interrupted:
            return INTERRUPTED
        if self.count("failed"):
            return FAILED
        return QUARANTINED if self.count("quarantined") else OK

    @property
    def counts(self) -> Mapping[JobState, int]:
        """How many jobs are in each state."""
        counted = Counter(job.state for job in self.jobs)
        return {state: counted[state] for state in STATES}

    def count(self, state: JobState) -> int:
        """Count the jobs in a state."""
        return self.counts[state]

    @property
    def flagged(self) -> int:
        """How many jobs are done or up to date, but doubtful. That fails nothing."""
        return sum(job.state in ("done", "up to date") and doubtful(job.flags) for job in self.jobs)

    def finished(self) -> RunFinished:
        """Return the event that ends the run."""
        of = self.counts
        counted = of["done"], of["failed"], of["up to date"], of["quarantined"]
        return RunFinished(*counted, self.seconds, self.flagged)

    def json(self) -> str:
        """Return the report as JSON text."""
        data: dict[str, Any] = {
            "pipeline": self.pipeline,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
            "problems": list(self.problems),
            "counts": self.counts,
            "flagged": self.flagged,
            "removed": list(self.removed),
            "jobs": [job.data for job in self.jobs],
        }
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"

    def junit(self) -> str:
        """Return the report as JUnit XML: a test case for each job, and one for the run itself if it did not go on."""
        from xml.etree import ElementTree as ET  # only where somebody wants it

        cases = [_case(self.pipeline, job) for job in self.jobs]
        for text in [*self.problems, *(["interrupted"] if self.interrupted else [])]:
            case = ET.Element("testcase", classname=self.pipeline, name="run", time="0.000")
            ET.SubElement(case, "error", message=_plain(text), type="run").text = _plain(text)
            cases.append(case)
        counted = Counter(child.tag for case in cases for child in case)
        suite = ET.Element(
            "testsuite",
            name=self.pipeline,
            tests=str(len(cases)),
            failures=str(counted["failure"]),
            errors=str(counted["error"]),
            skipped=str(counted["skipped"]),
            time=f"{self.seconds:.3f}",
        )
        suite.extend(cases)
        root = ET.Element("testsuites")
        root.append(suite)
        ET.indent(root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


class ReportBuilder:
    """Builds the report of a run while its jobs end; every end is an event, too."""

    def __init__(self, pipeline: str, emit: Callable[[Event], None]) -> None:
        self._pipeline, self._emit = pipeline, emit
        self._jobs: dict[str, JobReport] = {}
        self.interrupted = False
        self.stopped_by: AssetForgeError | None = None
        self.removed: list[str] = []

    def note(self, plan: Plan) -> None:
        """Note the jobs of a plan: those that cannot be built or are quarantined have ended already."""
        for job in plan.jobs:
            if job.problem is not None:
                self.refuse(job)
            else:
                self.untouched(job, "up to date" if job.state == "up to date" else "not run")

    def refuse(self, job: Job) -> None:
        """Note a job that its plan says cannot be done."""
        state: JobState = "quarantined" if job.state == "quarantined" else "failed"
        self.finish(job, state, 0.0, str(job.problem or ""), quarantined=state == "quarantined")

    def untouched(self, job: Job, state: JobState) -> None:
        """Note a job to which nothing is done."""
        self._jobs[job.asset] = JobReport(job.asset, state, tuple(map(str, job.reasons)), job.files, flags=job.flags)

    def finish(
        self,
        job: Job,
        state: JobState,
        seconds: float,
        error: str = "",
        log: str = "",
        *,
        quarantined: bool = False,
        flags: tuple[Flag, ...] = (),
    ) -> None:
        """Note how a job ended that is not done."""
        reasons = tuple(map(str, job.reasons))
        self._jobs[job.asset] = JobReport(job.asset, state, reasons, (), seconds, error, log, quarantined, flags=flags)
        self._emit(JobFinished(job.asset, state, seconds, error, log, flags))

    def done(self, job: Job, seconds: float, noted: Notes, log: str = "") -> None:
        """Note that a job is done, with what its steps noted, and the file that holds what they printed."""
        reasons = tuple(map(str, job.reasons))
        self._jobs[job.asset] = JobReport(
            job.asset, "done", reasons, job.files, seconds, log=log, notes=noted.values, flags=noted.flags
        )
        self._emit(JobFinished(job.asset, "done", seconds, log=log, flags=noted.flags))

    def forget(self, asset: str) -> None:
        """Forget a job that is gone: a daemon would know more and more of them."""
        self._jobs.pop(asset, None)

    def of(self, asset: str) -> JobReport:
        """Return what has become of a job."""
        return self._jobs[asset]

    def report(self, seconds: float) -> Report:
        """Return the report as it stands."""
        jobs, removed = tuple(self._jobs.values()), tuple(self.removed)
        report = Report(self._pipeline, jobs, seconds, self.interrupted, removed)
        return report.stopped_by(self.stopped_by) if self.stopped_by else report


def _case(pipeline: str, job: JobReport) -> ET.Element:
    from xml.etree import ElementTree as ET

    case = ET.Element("testcase", classname=pipeline, name=_plain(job.asset), time=f"{job.seconds:.3f}")
    if job.state == "failed":
        detail = "\n".join(filter(None, [job.error, f"log: {job.log}" if job.log else ""]))
        ET.SubElement(case, "failure", message=_plain(job.error), type="failed").text = _plain(detail)
    elif job.state in ("quarantined", "not run"):
        ET.SubElement(case, "skipped", message=_plain(job.error or job.state))
    if job.notes or job.flags:
        ET.SubElement(case, "system-out").text = _plain("\n".join(_remarks(job)))
    return case


def _remarks(job: JobReport) -> Iterator[str]:
    yield from (f"{flag.severity}: {flag}" for flag in job.flags)
    for step, noted in job.notes.items():
        yield from (f"{step}: {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in noted.items())


def _plain(text: str) -> str:
    """Leave out what XML cannot hold: control characters, and half characters of broken file names."""
    return "".join(c if c in "\t\n" or (c.isprintable() and ord(c) < 0x110000) else "�" for c in text)
