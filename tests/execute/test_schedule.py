"""Steps get the resources that they ask for, and stages of different jobs overlap."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from execute.conftest import Run, executions, outputs, write_project

LOGGED = """
    with (HERE / "times").open("a") as times:
        times.write(f"begin {time.monotonic()}\\n")
    time.sleep(0.2)
    with (HERE / "times").open("a") as times:
        times.write(f"end {time.monotonic()}\\n")
"""


def most_at_once(project: Path) -> int:
    events = sorted(line.split()[::-1] for line in (project / "times").read_text().splitlines())
    running = most = 0
    for _, kind in sorted(events, key=lambda event: float(event[0])):
        running += 1 if kind == "begin" else -1
        most = max(most, running)
    return most


def half_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def test_steps_that_would_not_fit_together_wait_for_each_other(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path / "free", assets=6, pause=LOGGED)
    assert run(project, "--workers", "2").code == 0
    assert most_at_once(project) == 2
    project = write_project(tmp_path / "large", assets=6, pause=LOGGED)
    text = (project / "pipeline.yaml").read_text()
    resources = f"{{use: work, resources: {{memory: {half_of_memory()} B}}}}"
    (project / "pipeline.yaml").write_text(text.replace("{use: work}", resources))
    assert run(project, "--workers", "2").code == 0
    assert most_at_once(project) == 1


def test_resources_are_not_in_the_key(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=2)
    assert run(project).code == 0
    text = (project / "pipeline.yaml").read_text()
    resources = "{use: work, resources: {device: cpu, memory: 1 GiB, time_limit: 5}}"
    (project / "pipeline.yaml").write_text(text.replace("{use: work}", resources))
    assert run(project).states == {"up to date": 2}


def test_the_pipeline_sets_another_time_limit(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, "time.sleep(60)", assets=4, limit=3600)
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace("{use: work}", "{use: work, resources: {time_limit: 1}}"))
    ran = run(project, "-D", "attempts=1")
    assert ran.states == {"done": 3, "failed": 1}
    assert "took longer than its time limit" in ran.err


@pytest.mark.parametrize("workers", ["0", "1", "3"])
def test_every_manner_of_running_gives_the_same_bytes(workers: str, tmp_path: Path, run: Run) -> None:
    project, other = (write_project(tmp_path / name, assets=5) for name in ("one", "other"))
    assert run(project, "--workers", workers, "--device", "cpu").code == 0
    assert run(other).code == 0
    assert outputs(project) == outputs(other)


def test_without_workers_all_happens_in_the_own_process(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, "raise RuntimeError('no luck')", assets=4, pause="print('pid', os.getpid())")
    ran = run(project, "--workers", "0")
    assert ran.states == {"done": 3, "failed": 1}
    assert len({line for line in ran.out.splitlines() if line.startswith("pid ")}) == 1
    assert executions(project) == 3 + 3


def test_a_working_folder_full_of_modules_does_not_confuse_workers(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=2)
    for name in ("random", "torch", "queue"):
        (project / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    import subprocess
    import sys

    command = [str(Path(sys.executable).with_name("assetforge")), "run", "pipeline.yaml"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(outputs(project)) == 2


def test_disk_space_between_stages_is_given_back(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=30)
    assert run(project).code == 0
    assert not list((project / ".assetforge" / "runs").glob("*/*"))
    assert not list((project / ".assetforge" / "results").glob("*/*.safetensors"))  # the last results are kept as files
