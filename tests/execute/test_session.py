"""A session of real processes: steps get the resources that they ask for, and what they print is kept."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from execute.conftest import PLUGIN, Run, executions, outputs, write_project

from assetforge.build import Build
from assetforge.cli.status import status
from assetforge.events import Event, StillWorking
from assetforge.execute import scheduler
from assetforge.execute.options import RunOptions
from assetforge.plan.plan import PlanOptions

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
def test_every_number_of_workers_gives_the_same_bytes(workers: str, tmp_path: Path, run: Run) -> None:
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


def test_the_seconds_of_a_job_are_those_that_it_was_worked_on(tmp_path: Path, run: Run) -> None:
    project, began = write_project(tmp_path, assets=8, pause="time.sleep(0.5)"), time.monotonic()
    ran = run(project)
    took = time.monotonic() - began
    seconds = sorted(job["seconds"] for job in ran.report["jobs"])
    assert seconds[0] >= 0.5
    assert 4 < sum(seconds) < 2 * took  # one at a time; with what they waited for each other, it would be four times
    times = sorted(float(case.get("time", "")) for case in ran.junit.iter("testcase"))
    assert times == [pytest.approx(one, abs=0.01) for one in seconds]


def test_a_long_stage_shows_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "REPORT_INTERVAL", 0.3)
    project, told = write_project(tmp_path, assets=1, pause="time.sleep(2.5)", limit=77), list[StillWorking]()

    def listen(event: Event) -> None:
        if isinstance(event, StillWorking):
            told.append(event)

    with Build(project / "pipeline.yaml") as build:
        assert build.run(build.plan(), listen).exit_code == 0
    [first, *_] = [event for event in told if event.step == "work"]
    assert (first.asset, first.time_limit) == ("a00", 77)
    assert first.seconds >= 0.3


def test_what_steps_print_is_kept_and_shown_where_it_is_asked_for(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=2, pause="print('hello from', name)")
    quiet = run(project)
    assert "hello" not in quiet.out + quiet.err
    [first, second] = [job["log"] for job in quiet.report["jobs"]]
    assert Path(first).read_text() == "hello from 0\n"
    assert Path(second).read_text() == "hello from 1\n"
    assert "         | hello from 1\n" in run(project, "--force", "-v").err


def test_workers_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    say = "import os, torch; print(torch.get_num_threads(), os.environ['OMP_NUM_THREADS'])"
    project = write_project(tmp_path, assets=8, pause=say)
    for workers, threads in ((1, 4), (None, 2)):  # None: four jobs or more for each
        with Build(project / "pipeline.yaml") as build:
            plan = build.plan(PlanOptions(force=True))
            assert build.run(plan, options=RunOptions(workers=workers, force=True)).exit_code == 0
        said = {log.read_text() for log in (project / ".assetforge" / "logs").rglob("*.log")}
        assert said == {f"{threads} {threads}\n"}


def test_logs_are_those_of_the_last_build_and_go_with_their_assets(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, "raise RuntimeError('no luck')", assets=4, pause="print('hello')")
    run(project)
    logs = project / ".assetforge" / "logs"
    assert len(list(logs.rglob("*.log"))) == 4
    plugin = project / "plugins" / "work.py"
    plugin.write_text(
        plugin.read_text().replace("print('hello')", "pass").replace("raise RuntimeError", "RuntimeError")
    )
    assert run(project).states == {"done": 4}
    assert not list(logs.rglob("*.log"))
    plugin.write_text(plugin.read_text().replace("RuntimeError('no luck')", "raise RuntimeError('no luck')"))
    assert run(project).states == {"done": 3, "failed": 1}
    [log] = logs.rglob("*.log")
    assert "no luck" in log.read_text()
    (project / "textures" / "a03_d.png").unlink()
    assert run(project).code == 0
    assert not log.exists()
    with Build(project / "pipeline.yaml") as build:
        assert status(build)["quarantined"] == []


def test_a_mistake_that_is_undone_is_forgotten(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=2)
    assert run(project).code == 0
    plugin = project / "plugins" / "work.py"
    right = plugin.read_text()
    plugin.write_text(right.replace("def work(", "def work(*_, **__): raise RuntimeError('no luck')\ndef unused("))
    assert run(project, "-D", "attempts=1").states == {"failed": 2}
    plugin.write_text(right)
    assert run(project).states == {"up to date": 2}
    with Build(project / "pipeline.yaml") as build:
        assert status(build)["quarantined"] == []


@pytest.mark.parametrize(
    ("always", "expected"),
    [
        ("import ctypes; ctypes.string_at(0)", "Fatal Python error: Segmentation fault"),
        ("time.sleep(60)", "work.py"),
        ("os._exit(0)", "os._exit(0) was called:"),
    ],
)
def test_the_log_shows_where_a_step_was_when_its_process_ended(
    always: str, expected: str, tmp_path: Path, run: Run
) -> None:
    ran = run(write_project(tmp_path, always, assets=4, limit=2), "-D", "attempts=1")
    [bad] = [job for job in ran.report["jobs"] if job["state"] == "failed"]
    text = Path(bad["log"]).read_text()
    assert expected in text
    line = next(number for number, one in enumerate(PLUGIN.splitlines(), 1) if "ALWAYS" in one)
    assert f'work.py", line {line}' in text
