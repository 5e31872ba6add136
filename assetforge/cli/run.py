"""assetforge run."""

from __future__ import annotations

from pathlib import Path

import click

from assetforge.cli.options import definitions_option, only_option, open_build, pipeline_argument
from assetforge.cli.reporter import reporter
from assetforge.codecs.atomic import write_atomically


@click.command("run")
@pipeline_argument
@definitions_option
@only_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--force", is_flag=True, help="Build everything anew, whatever the store has.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write what happened as JSON.")
def command(
    pipeline: Path, definitions: tuple[str, ...], only: tuple[str, ...], device: str, force: bool, report: Path | None
) -> int:
    """Build what is out of date, and nothing else."""
    with open_build(pipeline, definitions) as build:
        plan = build.plan(only, force=force)
        with reporter() as show:
            result = build.run(plan, show, device=device, force=force)
        if report:
            write_atomically(report, result.json().encode())
        if not result.exit_code:
            click.echo(f"outputs are in {_shown(build.pipeline.outputs.root)}")
        return result.exit_code


def _shown(path: Path) -> str:
    resolved, here = path.resolve(), Path.cwd()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)
