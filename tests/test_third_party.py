"""A plugin that somebody else writes, installs and tests, by the public API alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import Done, shared

from assetforge.samples import write_sample
from assetforge.testing import check_imports

ROOT = Path(__file__).parents[1]
SITE = Path(__file__).parent / "third_party"
"""What `pip install` would put into site-packages: the package, and a .dist-info folder with its entry point."""
PACKAGE = SITE / "assetforge_thirdparty"
PATH = os.pathsep.join([str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])])

PIPELINE = """\
version: 1
sources: textures
inputs: {base_color: "{name}_base_color.png", height: "{name}_height.png"}
steps:
  - use: rain
    with: {level: 0.5}
  - use: upscale
    with: {method: lanczos}
outputs: {dir: build}
"""


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATH, **environment}
    return subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False)


def call(folder: Path, *arguments: str) -> Done:
    """Run `assetforge` where the plugin is installed."""
    return shared().run(folder, *arguments, environment={"PYTHONPATH": PATH})


def forge(folder: Path, *arguments: str) -> str:
    done = call(folder, *arguments)
    assert done.code == 0, done.err
    return done.out + done.err


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_sample("brick", tmp_path, 64)
    (tmp_path / "brick").rename(tmp_path / "textures")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return tmp_path


def test_it_uses_the_public_api_alone() -> None:
    check_imports(PACKAGE)


def test_it_is_typed_strictly(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nplugins = pydantic.mypy\n")
    command = ("-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache"))  # which the project's own check has filled
    done = run(*command, str(PACKAGE), str(SITE / "thirdparty_checks.py"), folder=tmp_path, MYPYPATH=str(ROOT))
    assert done.stdout.startswith("Success: no issues found in 5 source files"), done.stdout + done.stderr


def test_it_tests_itself_without_a_test_runner(tmp_path: Path) -> None:
    code = "import runpy, sys\nsys.modules['pytest'] = None\nrunpy.run_module('thirdparty_checks', run_name='__main__')"
    done = run("-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_it_is_found_by_its_entry_point(tmp_path: Path) -> None:
    assert "thirdparty 1.2 (assetforge_thirdparty): rain" in run("-m", "assetforge", "plugins", folder=tmp_path).stdout
    assert "level: number from 0 to 1 = 0.4" in forge(tmp_path, "steps", "rain")


def test_its_format_is_read_and_written_in_a_run(project: Path) -> None:
    """By workers, which load the plugin themselves, and from a source that no other codec reads."""
    text = PIPELINE.replace("outputs: {dir: build}", "outputs: {dir: build, format: pfm, maps: [base_color]}")
    (project / "pipeline.yaml").write_text(text)
    forge(project, "run", "pipeline.yaml")
    written = project / "build" / "brick_base_color.pfm"
    light = cv2.imread(str(written), -1)
    assert light.shape == (128, 128, 3) and light.dtype == np.float32
    second = text.replace("sources: textures", "sources: build").replace(', height: "{name}_height.png"', "")
    second = second.replace("{name}_base_color.png", "{name}_base_color.pfm").replace("dir: build", "dir: again")
    (project / "second.yaml").write_text(re.sub("steps:.*?outputs", "steps: []\noutputs", second, flags=re.DOTALL))
    forge(project, "run", "second.yaml")
    assert (project / "again" / "brick_base_color.pfm").read_bytes() == written.read_bytes()
    assert "up to date" in forge(project, "run", "second.yaml")
    written.write_bytes(written.read_bytes()[:-1])
    done = call(project, "run", "second.yaml")
    assert done.code == 1
    assert "brick_base_color.pfm: is cut off" in done.err


def test_its_step_runs_in_a_pipeline(project: Path) -> None:
    forge(project, "run", "pipeline.yaml", "--report", "report.json")
    wet, dry = (cv2.imread(str(project / "build" / f"brick_{name}.png"), -1) for name in ("wetness", "base_color"))
    assert wet.shape == (128, 128)
    assert dry.shape == (128, 128, 3)
    assert 0 < np.count_nonzero(wet == 255) < wet.size
    assert "wet_share" in json.dumps(json.loads((project / "report.json").read_text()))
    assert "up to date" in forge(project, "run", "pipeline.yaml")
