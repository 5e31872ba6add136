"""assetforge plan."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from assetforge.cli.options import Opened, build_options, only_option, warn
from assetforge.cli.output import reserved_stdout, say, write_json
from assetforge.errors import FAILED, OK, QUARANTINED, printable_name
from assetforge.plan.jobs import NOT_MADE, Job, Plan
from assetforge.plan.plan import PlanOptions
from assetforge.snapshot import Occasion


@click.command("plan")
@build_options
@only_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(opened: Opened, only: tuple[str, ...], as_json: bool) -> int:
    """Show what a run would do, and why."""
    with reserved_stdout() as out:
        with opened.build() as build:
            occasion = click.get_current_context().find_object(Occasion)
            plan = build.plan(PlanOptions(only), occasion.earlier if occasion else None)
        warn(plan.remarks)
        if as_json:
            data = {
                "jobs": [_data(job) for job in plan.jobs],
                "gone": [gone._asdict() for gone in plan.gone],
                "stale": plan.stale,
                "remarks": plan.remarks,
            }
            write_json(data, out)
    if not as_json:
        _print(plan)
    return exit_code(plan)


def exit_code(plan: Plan) -> int:
    """Return what a run would leave with, if all that it builds goes well."""
    if plan.in_state("failed") or plan.in_state("incomplete"):
        return FAILED
    return QUARANTINED if plan.in_state("quarantined") else OK


def _print(plan: Plan) -> None:
    for job in plan.jobs:
        if job.state in ("failed", "incomplete"):
            say(f"cannot   {job.asset}: {job.problem}", color="red")
        elif job.state == "quarantined":
            say(f"skip     {job.asset}: {job.problem}", color="yellow")
        elif job.reasons:
            say(f"build    {job.asset}: {'; '.join(map(str, job.reasons))}")
    for gone in plan.gone:
        say(f"remove   {gone.asset}: {gone.why}")
    for name in plan.stale:
        say(f"remove   {printable_name(name)}: {NOT_MADE}")
    counts = Counter(job.state for job in plan.jobs)
    cannot = counts["failed"] + counts["incomplete"]
    quarantined = f", {counts['quarantined']} quarantined" if counts["quarantined"] else ""
    say(f"{counts['out of date']} to build, {counts['up to date']} up to date, {cannot} cannot be built{quarantined}")


def _data(job: Job) -> dict[str, Any]:
    return {
        "asset": job.asset,
        "state": job.state,
        "reasons": [{**reason._asdict(), "text": str(reason)} for reason in job.reasons],
        "outputs": list(job.files),
        "problem": str(job.problem) if job.problem else "",
    }
