"""assetforge check."""

from __future__ import annotations

from functools import partial

import click

from assetforge.cli.options import Opened, build_options, warn, warn_of_plugins
from assetforge.cli.output import say
from assetforge.errors import FAILED, OK, PipelineError, count_of
from assetforge.pipeline.load import load as load_pipeline
from assetforge.pipeline.load import plugins_of, read_document, special_variants, with_plugins
from assetforge.pipeline.marked_yaml import Document
from assetforge.plan.check import plan_unread
from assetforge.plan.jobs import Plan
from assetforge.plugins import Registry

_SHOWN = 20


@click.command("check")
@build_options
def command(opened: Opened) -> int:
    """Check a pipeline file and list every mistake in it.

    Finds all that would keep an asset from being built, in every profile, as far as it is known without reading the
    sources' pixels: files that are missing or match twice, outputs that collide, steps that lack a map.
    """
    document = read_document(opened.file)
    registry = plugins_of(document, opened.definitions, opened.confinement)
    try:
        registry, plans = with_plugins(registry, document, opened.confinement, partial(_plans, opened, document))
    except PipelineError as error:
        warn_of_plugins(registry, told=error.problems)
        raise
    warn_of_plugins(registry)
    warn(plans[0].remarks)
    problems = list(dict.fromkeys(job.problem for plan in plans for job in plan.jobs if job.problem))
    for problem in problems[:_SHOWN]:
        say(str(problem), err=True)
    if len(problems) > _SHOWN:
        say(f"and {len(problems) - _SHOWN} more", err=True)
    if problems:
        return FAILED
    say(right(plans[0]))
    return OK


def right(plan: Plan) -> str:
    """Say of a plan that its pipeline file is right, and what it makes."""
    assets, variants = len({job.base for job in plan.jobs}), len(plan.pipeline.variants)
    return f"{plan.pipeline.file}: right; {count_of(assets, 'asset')}, {count_of(variants, 'variant')} of each"


def _plans(opened: Opened, document: Document, registry: Registry) -> list[Plan]:
    first = _plan(opened, document, registry, opened.profile)
    return [first, *(_plan(opened, document, registry, profile) for profile in document.data.get("profiles") or {})]


def _plan(opened: Opened, document: Document, registry: Registry, profile: str) -> Plan:
    pipeline = load_pipeline(document, registry, opened.definitions, profile, opened.confinement)
    return plan_unread(pipeline, partial(special_variants, pipeline, registry))
