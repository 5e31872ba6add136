"""Two runs of one project neither disturb each other nor do a job twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from execute.conftest import (
    PATIENCE,
    REPORTS,
    Run,
    check_agreement,
    executions,
    finish,
    kill_group,
    outputs,
    start,
    wait_until_begun,
    write_project,
)

from assetforge.build import Build
from assetforge.report import QUARANTINED


def test_two_runs_share_the_work(tmp_path: Path, run: Run) -> None:
    alone = write_project(tmp_path / "alone", pause="time.sleep(0.1)")
    assert run(alone).code == 0
    project = write_project(tmp_path / "shared", pause="time.sleep(0.1)")
    others = [start(project, "--report", f"{n}.json", "--junit", f"{n}.xml") for n in range(3)]
    ran = finish(start(project, *REPORTS), project)
    check_agreement(ran)
    for other in others:
        _, err = other.communicate(timeout=PATIENCE)
        assert other.returncode == 0, err
    assert ran.code == 0
    assert executions(project) == 12
    assert outputs(project) == outputs(alone)
    assert ran.states["done"] + ran.states["up to date"] == 12


def test_a_failure_elsewhere_is_reported_here_too(tmp_path: Path) -> None:
    project = write_project(tmp_path, "time.sleep(0.3); raise RuntimeError('no luck')", assets=5)
    first = start(project)
    wait_until_begun(project, first)
    ran = finish(start(project, *REPORTS), project)
    first.communicate()
    check_agreement(ran)
    assert sorted((first.returncode, ran.code)) == [1, 4]
    assert executions(project) == 4 + 3


def test_what_another_run_quarantined_after_this_one_planned_is_left_alone(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, "raise RuntimeError('no luck')", assets=5)
    with Build(project / "pipeline.yaml") as build:
        plan = build.plan()
        assert run(project).code == 1
        before = executions(project)
        report = build.run(plan)
    assert executions(project) == before == 4 + 3
    assert report.exit_code == QUARANTINED
    assert "no luck" in next(job.error for job in report.jobs if job.state == "quarantined")


@pytest.mark.parametrize("delay", [1, 5])
def test_a_run_takes_over_what_a_killed_one_had_claimed(delay: int, tmp_path: Path) -> None:
    project = write_project(tmp_path, assets=6, pause="time.sleep(0.5)")
    first = start(project)
    wait_until_begun(project, first, delay)
    second = start(project, *REPORTS)
    kill_group(first)
    ran = finish(second, project)
    check_agreement(ran)
    assert ran.code == 0
    assert len(outputs(project)) == 6
    assert executions(project) <= 6 + 5
