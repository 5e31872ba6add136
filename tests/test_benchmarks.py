"""Benchmarks tell missed bars, in their exit code and on the page of figures, and no step is without one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.bench_steps import SIZES, Run, growth, left_out
from benchmarks.figures import BEGIN, END, shortfall
from benchmarks.step_inputs import INPUTS, Inputs
from conftest import ROOT

from assetforge.plugins import Registry

BENCHMARK = '''\
"""Two claims about numbers."""

import pytest


def test_slow(figures):
    figures.measured("a start", 1.5, most=1.0)
    figures.compared("a build", [1.0, 3.0, 2.0], "make 4", [4.0, 4.0, 4.0], most=0.4)
    figures.compared("a plan", 1.0, "ninja", 4.0)


def test_doubtful(figures, monkeypatch):
    monkeypatch.setattr("benchmarks.figures.core_share", lambda: 0.5)
    figures.measured("a page", 2.0, most=1.0, on_clock=True)


def test_fast(figures):
    figures.measured("an end", 0.5, most=1.0)


def test_absent(figures):
    pytest.skip("make is not installed")


def test_broken(figures):
    open("/nowhere/at/all")
'''


def bench(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run a file of benchmarks as `make bench` does; return the process and the page."""
    shutil.copy(ROOT / "tests" / "benchmarks" / "conftest.py", folder)
    (folder / "bench_numbers.py").write_text(BENCHMARK)
    page = folder / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nEnd.\n")
    command = [sys.executable, "-m", "pytest", ".", "-o", "python_files=bench_*.py", "-q", "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([*command, *options], cwd=folder, env=env, capture_output=True, text=True, check=False), page


def test_a_missed_bar_fails_the_run_and_the_page_says_by_how_much(tmp_path: Path) -> None:
    done, page = bench(tmp_path, "--figures", "page.md")
    text = page.read_text()
    assert done.returncode == 1
    assert "\na start: missed by 50 %\na build: missed by 25 %\n" in done.stdout
    assert "2 of 3 bars are missed:\n\n- a start: missed by 50 %\n- a build: missed by 25 %\n" in text
    assert "| a start | 1.50 s |  |  | ≤ 1 s | **missed by 50 %** |" in text
    assert "| a build | 2.00 s | make 4: 4.00 s | 0.50 (0.25, 0.75, 0.50) | ≤ 0.4 | **missed by 25 %** |" in text
    assert "| a plan | 1.00 s | ninja: 4.00 s | 0.25 |  |  |" in text
    assert "| a page | 2.00 s |  |  | ≤ 1 s | not judged: 50% of a core to be had |" in text
    assert "| an end | 0.500 s |  |  | ≤ 1 s | met |" in text
    assert "\n\n2 benchmarks have no result; each section says why.\n" in text
    assert "- `test_absent`: make is not installed\n- `test_broken`: failed (FileNotFoundError)\n" in text
    assert text.startswith("# Title\n\n") and text.endswith("\n\nEnd.\n") and "old" not in text
    assert socket.gethostname() not in text and str(tmp_path) not in text


def test_bars_that_are_met_pass_and_a_single_benchmark_leaves_the_page_alone(tmp_path: Path) -> None:
    done, page = bench(tmp_path, "-k", "fast")
    assert done.returncode == 0
    assert "old" in page.read_text()


def test_no_bar_is_missed_by_nothing() -> None:
    assert shortfall(1.0, 1.0) == ""
    assert shortfall(1.001, 1.0) == "missed by 1 %"


def test_growth_is_the_exponent_of_pixels() -> None:
    assert growth({side: float(side**2) for side in SIZES}) == pytest.approx(1)
    assert growth({512: 1.0, 1024: 8.0}) == pytest.approx(1.5)
    assert growth({512: 1.0}) is None


def test_sizes_that_would_take_too_long_are_left_out_and_said_to_be() -> None:
    assert left_out(1024, [Run(512, 10.0, 10.0, 2**20)]) == ""
    assert left_out(2048, [Run(512, 0.1, 0.1, 2**20), Run(1024, 10.0, 10.0, 2**22)]) == "left out: time"
    assert left_out(1024, [Run(512, 0.1, 0.1, 2**50)]) == "left out: memory"


def test_every_step_can_be_measured(registry: Registry, tmp_path: Path) -> None:
    for name, step in registry.steps.items():
        step.params.model_validate(INPUTS.get(name, Inputs()).params(tmp_path))
    assert INPUTS.keys() <= registry.steps.keys()
