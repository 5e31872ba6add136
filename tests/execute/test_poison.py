"""A step that kills its process, hangs, raises or returns garbage costs attempts of its own asset, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Forge
from execute.conftest import Run, executions, outputs, write_project

POISONS = {
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL; the system does that when memory runs out"),
    "of no name": ("os.kill(os.getpid(), 40)", "ended by signal 40"),
    "SIGSEGV": ("import ctypes; ctypes.string_at(0)", "ended by SIGSEGV"),
    "os._exit": ("os._exit(7)", "ended with exit code 7"),
    "exit": ("exit(7)", "SystemExit: 7"),
    "hangs": ("time.sleep(1000)", "took longer than its time limit of 2 s, and was stopped; see its log"),
    "hangs and ignores": (
        "signal.signal(15, signal.SIG_IGN); os.system('sleep 1000')",
        "took longer than its time limit",
    ),
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "no memory": ("raise MemoryError", "there is not enough memory"),
    "wrong shape": ("return material.replace(base_color=base.with_data(base.data[:1]))", "has 1 channels"),
    "NaN": ("return material.replace(base_color=base.with_data(base.data * float('nan')))", "not finite"),
    "no Material": ("return 5", "returned a int; return a Material"),
    "prints and dies": (
        "[print('x' * 10**6) for _ in range(100)]; print('last words', flush=True); os._exit(1)",
        "ended with exit code 1",
    ),
}


@pytest.mark.parametrize("name", POISONS)
def test_a_poisoned_asset_is_quarantined_and_no_innocent_is_blamed(name: str, tmp_path: Path, run: Run) -> None:
    always, error = POISONS[name]
    project = write_project(tmp_path, always, limit=2 if "hangs" in name else 60)
    ran = run(project, "--workers", "2")
    assert ran.states == {"done": 11, "failed": 1}, ran.err
    assert executions(project) == 15
    [bad] = [job for job in ran.report["jobs"] if job["state"] == "failed"]
    assert bad["asset"] == "a03"
    assert bad["quarantined"]
    assert error in bad["error"]
    assert len(outputs(project)) == 11
    assert (tmp_path / ".assetforge").stat().st_size < 10**6
    again = run(project, "--workers", "2")
    assert again.code == 4
    assert again.states == {"up to date": 11, "quarantined": 1}
    assert error in again.err
    assert executions(project) == 15


@pytest.mark.parametrize(
    ("always", "times"),
    [("rouhgness", 1), ("material['rouhgness']", 1), ("import no_such_module", 1), ("[].pop()", 3)],
)
def test_a_failure_names_the_line_of_the_plugin_and_what_is_the_same_each_time_is_tried_once(
    always: str, times: int, tmp_path: Path, run: Run
) -> None:
    project = write_project(tmp_path, always, assets=4)
    ran = run(project)
    [bad] = [job for job in ran.report["jobs"] if job["state"] == "failed"]
    source = (project / "plugins" / "work.py").read_text().splitlines()
    line = 1 + source.index(f"        {always}")
    assert bad["error"].endswith(f"(plugins/work.py line {line})")
    assert bad["quarantined"]
    assert executions(project) == 3 + times
    log = Path(bad["log"]).read_text()
    assert log.startswith(
        f'Traceback (most recent call last):\n  File "{project / "plugins" / "work.py"}", line {line}'
    )
    assert log.count("Traceback") == times


def test_the_log_of_a_failure_is_kept_but_not_all_of_100_megabytes(tmp_path: Path, run: Run) -> None:
    ran = run(write_project(tmp_path, POISONS["prints and dies"][0]))
    [bad] = [job for job in ran.report["jobs"] if job["state"] == "failed"]
    text = Path(bad["log"]).read_text()
    assert len(text) < 300_000
    assert text.startswith("xxx")
    assert "bytes are left out" in text
    assert "last words\nos._exit(1) was called:" in text
    assert "plugins/work.py" in text
    assert bad["log"] in ran.err


def test_printing_100_megabytes_is_no_failure(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, "[print('x' * 10**6) for _ in range(100)]")
    assert run(project, "--workers", "2").states == {"done": 12}
    assert executions(project) == 12


def test_a_quarantined_asset_is_tried_again_when_it_changes_or_on_request(
    tmp_path: Path, run: Run, forge: Forge
) -> None:
    project = write_project(tmp_path, "raise RuntimeError('no luck')", assets=6)
    assert run(project).code == 1
    listed = forge("status", "pipeline.yaml").stdout
    assert "a03: step 'work': RuntimeError: no luck" in listed
    assert "last run: exit code 1" in listed
    assert "a03: quarantined" in forge("why", "pipeline.yaml", "a03").stdout
    assert forge("plan", "pipeline.yaml").returncode == 4
    before = executions(project)
    assert run(project, "--retry").code == 1
    assert executions(project) == before + 3
    ran = run(project, "-D", "gain=0.25")  # another key: everything is built again
    assert ran.states == {"done": 5, "failed": 1}


def test_an_asset_that_recovers_leaves_quarantine(tmp_path: Path, run: Run, forge: Forge) -> None:
    project = write_project(tmp_path, "assert (HERE / 'well').exists(), 'not yet'", assets=6)
    assert run(project).code == 1
    (project / "well").touch()
    assert run(project).code == 4
    assert run(project, "--retry").code == 0
    assert "nothing is quarantined" in forge("status", "pipeline.yaml").stdout


@pytest.mark.parametrize("attempts", [1, 5])
def test_the_cap_can_be_set(attempts: int, tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, "os._exit(1)", assets=4)
    assert run(project, "-D", f"attempts={attempts}").states == {"done": 3, "failed": 1}
    assert executions(project) == 3 + attempts


def test_running_out_of_device_memory_makes_tiles_smaller_and_costs_no_attempt(tmp_path: Path, run: Run) -> None:
    trouble = "if context.tile_divisor < 4: raise torch.OutOfMemoryError('CUDA out of memory')"
    project = write_project(tmp_path, "pass", assets=2, pause=trouble)
    assert run(project).states == {"done": 2}
    assert executions(project) == 6
    hopeless = write_project(tmp_path / "other", "pass", assets=1, pause="raise torch.OutOfMemoryError('CUDA')")
    ran = run(hopeless)
    assert ran.states == {"failed": 1}
    assert executions(hopeless) == 4 * 3


def test_a_plugin_that_cannot_start_is_an_error_of_the_environment(tmp_path: Path, run: Run) -> None:
    project = write_project(tmp_path, assets=2)
    plugin = project / "plugins" / "work.py"
    source = plugin.read_text()
    ends = {
        "os.kill(os.getpid(), 9)": "cannot start: its process was ended by SIGKILL",
        "os._exit(9)": "cannot be loaded",
    }
    for end, expected in ends.items():
        suicide = f"import sys\nif 'torch' in sys.modules: {end}  # as in a worker\n\n\nclass Params"
        plugin.write_text(source.replace("class Params", suicide))
        ran = run(project)
        assert ran.code == 3
        assert expected in ran.err
    assert json.loads((project / "report.json").read_text())["problems"]
