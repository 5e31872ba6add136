"""Projects whose steps misbehave, and what a run leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from commands import Started, shared

from assetforge.build import Build
from assetforge.plan.jobs import Job
from assetforge.store.runs import is_held

PLUGIN = """\
from __future__ import annotations
import os, signal, sys, time
from pathlib import Path
import assetforge as af

HERE = Path(__file__).parents[1]


class Params(af.Params):
    gain: float = 0.5
    bad: str = ""


@af.step("work", Params, reads={"base_color"}, writes={"base_color"}, resources=af.Resources(time_limit=LIMIT))
def work(material: af.Material, params: Params, context: af.Context) -> af.Material:
    import torch
    base = material["base_color"]
    name = str(int(round(float(base.data[0, 0, 0]) ** (1 / 2.2) * 10)))  # textures are told by their first pixel
    with (HERE / "executions").open("a") as log:
        log.write(name + "\\n")
    good = material.replace(base_color=base.with_data(base.data * params.gain))
    PAUSE
    if name == "3":
        ALWAYS
    if name == "5" and not (HERE / "once").exists():
        (HERE / "once").touch()
        ALWAYS
    return good


@af.hookimpl
def register_steps(register: af.Register) -> None:
    register(work)
"""

PIPELINE = """\
version: 1
sources: textures
inputs: {base_color: "{name}_d.png"}
steps: [{use: work}]
outputs: {dir: "build/{name}"}
"""


@dataclass(frozen=True)
class Ran:
    """A process that has ended, and the reports that it wrote."""

    code: int
    out: str
    err: str
    report: dict[str, Any]
    junit: ET.Element

    @property
    def states(self) -> Counter[str]:
        return Counter(job["state"] for job in self.report["jobs"])


Run = Callable[..., Ran]
PATIENCE = 120.0
Process = subprocess.Popen[str] | Started
REPORTS = ("--report", "report.json", "--junit", "junit.xml")


def write_project(
    folder: Path, always: str = "pass", *, assets: int = 12, pause: str = "pass", limit: float = 60
) -> Path:
    """Write a project with one step; asset 3 always does `always` in it, asset 5 once. The first pixel tells which."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(7)
    (folder / "textures").mkdir(parents=True)
    for index in range(assets):
        pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        pixels[0, 0] = round(25.5 * min(index, 10)) if index < 10 else 255
        assert cv2.imwrite(str(folder / "textures" / f"a{index:02}_d.png"), pixels)
    (folder / "plugins").mkdir()
    text = PLUGIN.replace("LIMIT", str(limit)).replace("PAUSE", pause).replace("ALWAYS", always)
    (folder / "plugins" / "work.py").write_text(text)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return folder


def executions(folder: Path) -> int:
    """Count how often the step was begun."""
    log = folder / "executions"
    return len(log.read_text().split()) if log.exists() else 0


def wait_until_begun(folder: Path, process: Process, count: int = 1) -> None:
    """Wait until the step was begun so often; fail where the run ends before, or it never is."""
    until = time.monotonic() + PATIENCE
    while executions(folder) < count:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)


def wait_until_let_go(folder: Path) -> None:
    """Wait until no process works on a project any more: a worker whose host was killed finishes what it publishes."""
    until = time.monotonic() + PATIENCE
    while any(is_held(lock) for lock in (folder / ".assetforge" / "runs").glob("*/*.lock")):
        assert time.monotonic() < until
        time.sleep(0.01)


def outputs(folder: Path) -> dict[str, bytes]:
    """Read all published files."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("build/**/*") if path.is_file()}


def start(folder: Path, *arguments: str) -> Started:
    """Start `assetforge run` in a group of its own."""
    return shared().start(folder, "run", "pipeline.yaml", *arguments)


def start_anew(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `assetforge run` from nothing in a group of its own, and its workers so, too."""
    command = [sys.executable, "-m", "assetforge", "run", "pipeline.yaml", *arguments]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=env, start_new_session=True, stdout=pipe, stderr=pipe, text=True)


def descendants(process: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    command = ["ps", "-o", "pid=", "--ppid", str(process)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return [pid for child in map(int, found) for pid in (child, *descendants(child))]


def kill_group(process: Process) -> None:
    """Kill the host and all in its group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def finish(process: Process, folder: Path) -> Ran:
    """Wait for a run that was asked for report.json and junit.xml."""
    out, err = process.communicate(timeout=300)
    return read_reports(process.wait(), out, err, folder)


def read_reports(code: int, out: str, err: str, folder: Path) -> Ran:
    """Read the reports of a run, and check them against each other and the exit code."""
    report = json.loads((folder / "report.json").read_text())
    ran = Ran(code, out, err, report, ET.parse(folder / "junit.xml").getroot())
    check_agreement(ran)
    return ran


def check_agreement(ran: Ran) -> None:
    """The console, the JSON, the JUnit file and the exit code say the same."""
    counts = ran.report["counts"]
    suite = ran.junit.find("testsuite")
    assert suite is not None
    assert ran.report["exit_code"] == ran.code
    assert ran.states == Counter({state: count for state, count in counts.items() if count})
    errors = int(suite.get("errors", ""))
    assert int(suite.get("failures", "")) == counts["failed"] == len(suite.findall("testcase/failure"))
    assert int(suite.get("skipped", "")) == counts["quarantined"] + counts["not run"]
    assert int(suite.get("tests", "")) == len(ran.report["jobs"]) + errors
    if ran.report["jobs"] and not ran.report["problems"]:  # without jobs, it was interrupted before it had a plan
        summary = f"{counts['done']} done, {counts['failed']} failed"
        assert summary in ran.out
    expected = 1 if counts["failed"] else 4 if counts["quarantined"] else 0
    if ran.report["problems"]:
        assert errors == len(ran.report["problems"])
        assert ran.code in (1, 2, 3)
    elif ran.report["interrupted"]:
        assert ran.code == 130
        assert errors == 1
    else:
        assert ran.code == expected
    for job in ran.report["jobs"]:
        assert bool(job["error"]) == (job["state"] in ("failed", "quarantined"))


@pytest.fixture
def run() -> Run:
    """Run a project to its end; the reports are checked against each other and the exit code every time."""

    def run(folder: Path, *arguments: str) -> Ran:
        return finish(start(folder, *REPORTS, *arguments), folder)

    return run


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job of three steps, of which the second is kept off the GPU."""
    project = write_project(tmp_path, assets=1)
    text = (project / "pipeline.yaml").read_text()
    lanczos = "{use: upscale, with: {method: lanczos}}"
    steps = f"[{{use: work}}, {{use: work, with: {{gain: 2}}, resources: {{device: cpu}}}}, {lanczos}]"
    (project / "pipeline.yaml").write_text(text.replace("[{use: work}]", steps))
    with Build(project / "pipeline.yaml") as build:
        return build.plan().jobs[0]
