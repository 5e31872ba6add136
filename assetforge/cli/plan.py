"""assetforge plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from assetforge.cli.options import definitions_option, only_option, open_build, pipeline_argument
from assetforge.plan.plan import Job


@click.command("plan")
@pipeline_argument
@definitions_option
@only_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(pipeline: Path, definitions: tuple[str, ...], only: tuple[str, ...], as_json: bool) -> int:
    """Show what a run would do, and why."""
    with open_build(pipeline, definitions) as build:
        jobs = build.plan(only).jobs
    if as_json:
        click.echo(json.dumps({"jobs": [_data(job) for job in jobs]}, indent=2, ensure_ascii=False))
    else:
        _print(jobs)
    return 1 if any(job.state == "failed" for job in jobs) else 0


def _print(jobs: tuple[Job, ...]) -> None:
    for job in jobs:
        if job.problem:
            click.secho(f"cannot   {job.asset}: {job.problem}", fg="red")
        elif job.reasons:
            click.echo(f"build    {job.asset}: {'; '.join(map(str, job.reasons))}")
    counts = [sum(job.state == state for job in jobs) for state in ("out of date", "up to date", "failed")]
    click.echo(f"{counts[0]} to build, {counts[1]} up to date, {counts[2]} cannot be built")


def _data(job: Job) -> dict[str, Any]:
    return {
        "asset": job.asset,
        "state": job.state,
        "reasons": [{**vars(reason), "text": str(reason)} for reason in job.reasons],
        "outputs": [str(output.path) for output in job.outputs],
        "problem": str(job.problem) if job.problem else "",
    }
