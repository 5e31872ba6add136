"""The pipelines that we ship run, and the README says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from conftest import ROOT

from assetforge.cli.reference import update
from assetforge.pipeline.load import load
from assetforge.plugins import load as load_plugins

README = (ROOT / "README.md").read_text(encoding="utf-8")
PIPELINES = sorted((ROOT / "pipelines").glob("*.yaml"))


def forge(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "assetforge", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def redirected(tmp_path: Path, sources: Path) -> list[str]:
    """Definitions that keep a run's files in the test's folder."""
    return [f"-Dsources={sources}", f"-Doutputs.dir={tmp_path / 'build'}/{{name}}", f"-Dstate={tmp_path / 'state'}"]


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_a_shipped_pipeline_is_right(file: Path) -> None:
    assert load(file, load_plugins()).variants


def test_quickstart_runs_on_the_samples_and_then_does_nothing(tmp_path: Path) -> None:
    forge("samples", str(tmp_path / "samples"), "--size", "64")
    options = redirected(tmp_path, tmp_path / "samples")
    assert "5 done, 0 failed" in forge("run", "pipelines/quickstart.yaml", *options)
    normal = cv2.imread(str(tmp_path / "build" / "stone" / "stone_normal.png"), cv2.IMREAD_UNCHANGED)
    assert (normal.shape, normal.dtype) == ((128, 128, 3), np.uint16)
    assert "0 done, 0 failed, 5 up to date" in forge("run", "pipelines/quickstart.yaml", *options)


@pytest.mark.slow
def test_upscale_runs_on_real_materials(tmp_path: Path, data: Path) -> None:
    names = ("Bricks075B", "Metal012")
    only = [f"--only={name}" for name in names]
    forge("run", "pipelines/upscale.yaml", *redirected(tmp_path, data / "materials"), *only)
    for name in names:
        maps = {path.stem.removeprefix(f"{name}_"): path for path in (tmp_path / "build" / name).iterdir()}
        assert {"base_color", "normal", "roughness", "height"} <= maps.keys()
        with_size = cv2.imread(str(next((data / "materials" / name).glob("albedo.*"))))
        for path in maps.values():
            pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert pixels.shape[:2] == (2 * with_size.shape[0], 2 * with_size.shape[1])
        normal = cv2.imread(str(maps["normal"]), cv2.IMREAD_UNCHANGED)
        assert normal.dtype == np.uint16
        length = np.linalg.norm(normal.astype(np.float64) / 65535 * 2 - 1, axis=2)
        assert np.abs(length - 1).mean() < 0.002
    height = cv2.imread(str(tmp_path / "build" / "Bricks075B" / "Bricks075B_height.png"), cv2.IMREAD_UNCHANGED)
    assert height.dtype == np.uint16


@pytest.mark.parametrize("document", ["README.md", "docs/api.md"])
def test_the_generated_reference_is_that_of_the_code(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert update(text) == text, "run `make docs`"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_readme_s_pipelines_are_right(tmp_path: Path) -> None:
    found = blocks("yaml")
    assert found
    (tmp_path / "plugins").mkdir()
    for number, source in enumerate(blocks("python")):
        (tmp_path / "plugins" / f"readme{number}.py").write_text(source)
    registry = load_plugins(tmp_path)
    assert registry.broken == ()
    (tmp_path / "look.png").touch()
    for number, text in enumerate(found):
        assert yaml.safe_load(text)["version"] == 1
        (tmp_path / f"{number}.yaml").write_text(text)
        assert load(tmp_path / f"{number}.yaml", registry).variants


def test_the_readme_s_examples_for_build_servers_call_what_there_is() -> None:
    [actions], [jenkins] = blocks("yml"), blocks("groovy")
    runs = [step["run"] for step in yaml.safe_load(actions)["jobs"]["textures"]["steps"] if "run" in step]
    calls = re.findall(r"assetforge run [^'\n]*", "\n".join(runs) + jenkins)
    assert len(calls) == 2
    help_text = forge("run", "--help")
    for call in calls:
        for option in re.findall(r"--?[A-Za-z]+", call):
            assert option in help_text


def test_nothing_of_this_machine_is_in_the_readme() -> None:
    assert not re.search(r"/(home|root|work|tmp)/", README)
