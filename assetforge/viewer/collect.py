"""Gathers what a report shows of each asset: pictures of its maps, its log, what was drawn of its failure."""

from __future__ import annotations

from pathlib import Path

from assetforge.plan.jobs import Job, Plan
from assetforge.report import JobReport, Report
from assetforge.store.logs import Logs
from assetforge.viewer.data import ShownAsset
from assetforge.viewer.pictures import Digest, output_pictures, source_pictures

LONGEST_LOG = 100_000
"""Bytes of a log that are shown: its end, which says what went wrong."""


def shown_assets(report: Report, plan: Plan, digest: Digest) -> list[ShownAsset]:
    """Return what is shown of each job of a report, by name.

    plan: the same jobs, planned with `explain` and `retry`, so that it says what all of their files hold.
    """
    planned = {job.asset: job for job in plan.jobs}
    logs = Logs.of(plan.pipeline)
    return [
        _shown(job, planned.get(job.asset), plan, logs, digest)
        for job in sorted(report.jobs, key=lambda job: job.asset)
    ]


def _shown(job: JobReport, planned: Job | None, plan: Plan, logs: Logs, digest: Digest) -> ShownAsset:
    is_built = job.state in ("done", "up to date")
    return ShownAsset(
        job,
        planned.base if planned else "",
        source_pictures(plan.pipeline, planned) if planned else (),
        output_pictures(plan.pipeline, planned, digest) if planned and is_built else (),
        _end_of(Path(job.log) if job.log else logs.path(job.asset)),
        b"" if is_built else _bytes(logs.picture(job.asset)),
    )


def _end_of(path: Path) -> str:
    text = _bytes(path)
    cut = len(text) > LONGEST_LOG
    return ("…" if cut else "") + text[-LONGEST_LOG:].decode(errors="replace")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
