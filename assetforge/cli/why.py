"""assetforge why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from assetforge.build import Build
from assetforge.cli.options import Opened, build_options
from assetforge.cli.output import say
from assetforge.cli.plan import exit_code
from assetforge.plan.jobs import Job, Task, WrittenMap
from assetforge.plan.plan import PlanOptions
from assetforge.store.results import MAPS_SUFFIX

_SHOWN = 12
"""Digits of a key that are shown."""


@click.command("why")
@build_options
@click.argument("asset")
def command(opened: Opened, asset: str) -> int:
    """Explain one asset: what it is made of, what is up to date, and why not.

    ASSET is a name or a wildcard. The exit code is that of `assetforge plan --only ASSET`.
    """
    with opened.build() as build:
        plan = build.plan(PlanOptions(only=(asset,), explain=True))
        for job in plan.jobs:
            for line in explain(job, build):
                say(line)
    return exit_code(plan)


def explain(job: Job, build: Build) -> Iterator[str]:
    """Yield what is known of a job, line by line."""
    yield f"{job.asset}: {job.state}{f': {job.problem}' if job.problem else ''}"
    yield from (f"  because: {reason}" for reason in job.reasons)
    digests = list(job.facts.get("sources", {}).items())
    for path, (name, sha256) in zip(job.sources, digests, strict=False):
        yield f"  source   {name}: {path}, sha256 {sha256[:_SHOWN]}"
    for task in _tasks(job):
        kept = build.store.find(task.key, MAPS_SUFFIX) is not None
        yield f"  step     {_use(task)}, key {task.key[:_SHOWN]}{', in the store' if kept else ''}"
    for output in job.outputs:
        stored = "in the store" if build.store.find(output.key, output.suffix) else "not in the store"
        yield f"  output   {output.name}: {build.state.output(output.name)}, key {output.key[:_SHOWN]}, {stored}"


def _tasks(job: Job) -> list[Task]:
    """Return the tasks of a job, in order."""
    found: dict[str, Task] = {}

    def visit(origin: Any) -> None:
        if isinstance(origin, WrittenMap) and origin.task.key not in found:
            for read in origin.task.reads.values():
                visit(read)
            found[origin.task.key] = origin.task

    for output in job.outputs:
        for origin in output.maps.values():
            visit(origin)
    return list(found.values())


def _use(task: Task) -> str:
    params = ", ".join(f"{name}={value}" for name, value in task.use.params.model_dump(mode="json").items())
    return f"{task.use.step.name}({params})"
