"""assetforge validate."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assetforge.cli.options import Opened, build_options, check_report, only_option, warn_of_plugins, write_as_asked
from assetforge.cli.output import reserved_stdout, say
from assetforge.codecs.allowance import Limits, allowing
from assetforge.errors import UsageError, count_of, printable_name
from assetforge.pipeline.load import load_with_plugins, special_variants
from assetforge.plan.candidates import Candidate, of_folder, of_plan
from assetforge.plan.check import plan_unread
from assetforge.report import JobReport, Report

if TYPE_CHECKING:
    from assetforge.plan.validation import Validated
    from assetforge.validation.thresholds import FailOn

_COLORS = {"error": "red", "warning": "yellow", "info": None}


@click.command("validate")
@build_options
@only_option
@click.option("--fail-on", type=click.Choice(["error", "warning", "never"]), help="What fails a material.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JUnit XML.")
def command(
    opened: Opened,
    only: tuple[str, ...],
    fail_on: FailOn | None,
    as_json: bool,
    report: Path | None,
    junit: Path | None,
) -> int:
    """Check that the source files of a pipeline are sound, or those of a folder.

    PIPELINE: a pipeline, whose step `validate` says the thresholds, or a folder, where the names of files say what
    they are. Leaves with 1 where a material fails.
    """
    for option, path in (("--report", report), ("--junit", junit)):
        check_report(option, path)
    with reserved_stdout() as out:
        made = _report(opened, only, fail_on)
        if as_json:
            out.write(made.json())
    if not as_json:
        _print(made)
    for path, text in ((report, made.json), (junit, made.junit)):
        if path is not None:
            write_as_asked(path, text())
    return made.exit_code


def _report(opened: Opened, only: tuple[str, ...], fail_on: FailOn | None) -> Report:
    from assetforge.plan.validation import validate

    began = time.monotonic()
    candidates, limits = _candidates(opened)
    chosen = [one for one in candidates if _is_meant(one, only)]
    if not chosen:
        known = ", ".join(one.name for one in candidates[:8]) or "none at all"
        raise UsageError(str(opened.file), "holds no such material", f"the first ones are: {known}")
    with allowing(limits):
        jobs = tuple(_job(one, fail_on) for one in validate(chosen))
    return Report(opened.file.stem, jobs, time.monotonic() - began)


def _candidates(opened: Opened) -> tuple[list[Candidate], Limits]:
    if opened.file.is_dir():
        return list(of_folder(opened.file)), Limits()
    registry, pipeline = load_with_plugins(opened.file, opened.definitions, opened.profile, opened.confinement)
    warn_of_plugins(registry)
    return list(of_plan(plan_unread(pipeline, partial(special_variants, pipeline, registry)))), pipeline.limits


def _is_meant(one: Candidate, only: Iterable[str]) -> bool:
    globs = tuple(only)
    return not globs or any(one.name == glob or fnmatchcase(one.name, glob) for glob in globs)


def _job(one: Validated, fail_on: FailOn | None) -> JobReport:
    from assetforge.validation.material import failure, gated

    wrong = gated(one.flags, fail_on or one.candidate.fail_on)
    error = str(one.candidate.problem or "") or (failure(wrong) if wrong else "")
    return JobReport(one.candidate.name, "failed" if error else "done", error=error, flags=one.flags)


def _print(report: Report) -> None:
    for job in report.jobs:
        say(f"{job.state if job.state == 'failed' else 'passed':8} {printable_name(job.asset)}")
        if job.error and not job.flags:
            say(f"  error    {job.error}", color="red")
        for flag in job.flags:
            say(f"  {flag.severity:8} {flag.map:18} {flag.check:18} {flag.text}", color=_COLORS[flag.severity])
    counted = Counter(flag.severity for job in report.jobs for flag in job.flags)
    found = f"{count_of(counted['error'], 'error')}, {count_of(counted['warning'], 'warning')}, {counted['info']} info"
    say(f"{count_of(len(report.jobs), 'material')}, {report.count('failed')} failed: {found}")
