"""assetforge run."""

from __future__ import annotations

import os
from pathlib import Path

import click

from assetforge.build import Build, ignore_interrupts, interrupt_on_termination
from assetforge.cli.check import right
from assetforge.cli.options import (
    Opened,
    build_options,
    check_report,
    keep_stale_option,
    only_option,
    warn,
    write_as_asked,
)
from assetforge.cli.output import say, shown
from assetforge.cli.reporter import reporter, summary
from assetforge.errors import INTERRUPTED, AssetForgeError, UsageError
from assetforge.events import RunFinished
from assetforge.execute.devices import AUTO
from assetforge.execute.options import RunOptions
from assetforge.inventory import Says
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.plan import PlanOptions
from assetforge.report import Report
from assetforge.snapshot import Occasion


@click.command("run")
@build_options
@only_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    show_default="as many as suit the assets",
    help="Processes that compute on each device; 0 runs all in this process, for debuggers.",
)
@click.option("--force", is_flag=True, help="Build everything anew, whatever the store has.")
@click.option("--retry", is_flag=True, help="Try quarantined assets again.")
@keep_stale_option
@click.option("-v", "--verbose", is_flag=True, help="Show what steps print.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write what happened as JSON.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write what happened as JUnit XML.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FOLDER", help="Write a report to look at, with all pictures."
)
def command(  # noqa: PLR0913  as many options as users need
    opened: Opened,
    only: tuple[str, ...],
    device: str,
    workers: int | None,
    force: bool,
    retry: bool,
    keep_stale: bool,
    verbose: bool,
    report: Path | None,
    junit: Path | None,
    html: Path | None,
) -> int:
    """Build what is out of date, and nothing else."""
    interrupt_on_termination()
    # Others may do or say something even if nothing changes.
    is_plain = not any((only, force, retry, report, junit, html)) and device == AUTO
    occasion = click.get_current_context().find_object(Occasion) if is_plain else None
    for option, path in (("--report", report), ("--junit", junit)):
        check_report(option, path)
    page = _Page(html, only)
    result = Report(opened.file.stem, (), 0.0)
    try:
        with opened.build() as build:
            run_options = RunOptions(device, workers, force, keep_stale)
            page.check(build)
            result = _run(build, PlanOptions(only, force, retry), run_options, occasion, verbose=verbose)
            page.write_of(build, result)
    except AssetForgeError as error:
        result = Report.of_error(opened.file.stem, error)
        raise
    except KeyboardInterrupt:
        result = Report(opened.file.stem, (), 0.0, interrupted=True)
        raise
    except Exception as error:
        result = Report.of_crash(opened.file.stem, error)
        raise
    finally:
        ignore_interrupts()
        for path, write in ((report, result.json), (junit, result.junit)):
            if path:
                write_as_asked(path, write())
        page.write_plain(result)
    if result.exit_code == INTERRUPTED:
        raise click.Abort
    return result.exit_code


class _Page:
    """The report to look at: `--html`, if it is asked for."""

    def __init__(self, folder: Path | None, only: tuple[str, ...]) -> None:
        self._folder, self._only, self._is_written = folder, only, False
        if folder is not None:
            from assetforge.viewer.write import check_report_folder  # only where somebody wants it

            check_report_folder("--html", folder)

    def check(self, build: Build) -> None:
        """Raise UsageError where the report would be among the sources; then it is not written at all."""
        if self._folder is None or not _is_among_sources(self._folder, build.pipeline):
            return
        refused, self._folder = self._folder, None
        raise UsageError("--html", f"{refused} lies among the sources", "choose another folder")

    def write_of(self, build: Build, report: Report) -> None:
        """Write it, with all pictures unless the run was interrupted."""
        if self._folder is None:
            return
        self._is_written = True  # or not at all, if that fails
        from assetforge.viewer.collect import shown_assets
        from assetforge.viewer.previews import FOLDER, Previews
        from assetforge.viewer.write import INDEX, write_report

        plan = build.plan(PlanOptions(self._only, retry=True, explain=True))
        assets = shown_assets(report, plan, build.state.digest)
        with Previews(build.pipeline.state / FOLDER, processes=os.cpu_count() or 1) as previews:
            pictures = None if report.interrupted else previews
            write_report(self._folder, report, assets, pictures, build.pipeline.folder)
            previews.prune()
        say(f"report is in {_shown(self._folder / INDEX)}")

    def write_plain(self, report: Report) -> None:
        """Write it without pictures where the run did not come so far."""
        if self._folder is None or self._is_written:
            return
        from assetforge.viewer.data import ShownAsset
        from assetforge.viewer.write import write_report

        write_report(self._folder, report, [ShownAsset(job) for job in report.jobs], None, Path.cwd())


def _is_among_sources(folder: Path, pipeline: Pipeline) -> bool:
    """Tell whether a report lies in the folder of sources.

    Where that is the whole project, it may lie there unless its pictures would be taken for sources.
    """
    sources, report = pipeline.sources.resolve(), folder.resolve()
    if not report.is_relative_to(sources):
        return False
    if sources != pipeline.folder.resolve():
        return True
    from assetforge.viewer.write import PICTURES

    place = report.relative_to(sources).as_posix()
    patterns = [] if pipeline.conventions else [one.pattern for one in pipeline.inputs.values()]
    return any(pattern.match(f"{place}/{picture}") for pattern in patterns for picture in PICTURES)


def _run(
    build: Build, options: PlanOptions, run_options: RunOptions, occasion: Occasion | None, *, verbose: bool
) -> Report:
    warn(build.recover())
    plan = build.plan(options, occasion.earlier if occasion else None)
    warn(plan.remarks)
    if options.retry:
        build.state.journal.release(job.asset for job in plan.jobs if job.state == "out of date")
    with reporter(verbose=verbose) as show:
        result = build.run(plan, show, run_options)
    for problem in result.problems:
        say(problem, color="red", err=True)
    where = f"outputs are in {_shown(build.pipeline.outputs.root)}"
    if not result.exit_code:
        say(where)
    if occasion is not None:
        profiles = plan.pipeline.document.data.get("profiles")
        says = Says(_lines(summary(_nothing_done(result)), where), "" if profiles else _lines(right(plan)))
        build.keep_snapshot(plan, result, says, occasion)
    return result


def _lines(*texts: str) -> str:
    return "".join(f"{shown(text)}\n" for text in texts)


def _nothing_done(report: Report) -> RunFinished:
    """Return how the next run ends if it finds nothing to do."""
    return RunFinished(0, 0, report.count("done") + report.count("up to date"), 0, 0.0, report.flagged)


def _shown(path: Path) -> str:
    resolved, here = path.resolve(), Path.cwd()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)
