"""The pipelines that we ship run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import shared
from conftest import ROOT

from assetforge.pipeline.load import load, read_document
from assetforge.plugins import load as load_plugins

PIPELINES = sorted((ROOT / "pipelines").glob("*.yaml"))


def forge(*arguments: str) -> str:
    done = shared().run(ROOT, *arguments)
    assert done.code == 0, done.err
    return done.out


def redirected(tmp_path: Path, sources: Path, below: str = "{name}") -> list[str]:
    """Definitions that keep a run's files in the test's folder."""
    return [f"-Dsources={sources}", f"-Doutputs.dir={tmp_path / 'build'}/{below}", f"-Dstate={tmp_path / 'state'}"]


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_a_shipped_pipeline_is_right(file: Path) -> None:
    assert load(read_document(file), load_plugins()).variants


def test_quickstart_runs_on_the_samples_and_then_does_nothing(tmp_path: Path) -> None:
    forge("samples", str(tmp_path / "samples"), "--size", "64")
    options = redirected(tmp_path, tmp_path / "samples")
    assert "5 done, 0 failed" in forge("run", "pipelines/quickstart.yaml", *options)
    normal = cv2.imread(str(tmp_path / "build" / "stone" / "stone_normal.png"), cv2.IMREAD_UNCHANGED)
    assert (normal.shape, normal.dtype) == ((128, 128, 3), np.uint16)
    assert "0 done, 0 failed, 5 up to date" in forge("run", "pipelines/quickstart.yaml", *options)


def test_engines_makes_files_of_five_libraries_materials_for_three_engines(tmp_path: Path) -> None:
    forge("samples", str(tmp_path / "samples"), "--size", "64", "--only", "downloads")
    options = [f"-Dsources={tmp_path / 'samples'}", f"-Dstate={tmp_path / 'state'}"]
    options.append(f"-Doutputs.dir={tmp_path / 'build'}/{{preset}}/{{name}}")
    assert "5 done, 0 failed" in forge("run", "pipelines/engines.yaml", *options)
    names = ("Brick01", "woven_fabric", "Plates", "Cobbles", "Planks")
    for name in names:
        made = {file.relative_to(tmp_path / "build").as_posix() for file in (tmp_path / "build").rglob(f"{name}/*")}
        assert {
            f"unreal/{name}/T_{name}_BC.png",
            f"unreal/{name}/T_{name}_N.png",
            f"unreal/{name}/T_{name}_ORM.png",
            f"unreal/{name}/import_{name}.py",
            f"unity_hdrp/{name}/{name}_MaskMap.png.meta",
            f"unity_hdrp/{name}/{name}.mat",
            f"godot/{name}/{name}.tres",
        } <= made
        orm = cv2.imread(str(tmp_path / "build" / "unreal" / name / f"T_{name}_ORM.png"), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(tmp_path / "build" / "unity_hdrp" / name / f"{name}_MaskMap.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(255 - orm[:, :, 1], mask[:, :, 3])
    plates = cv2.imread(str(tmp_path / "build" / "unreal" / "Plates" / "T_Plates_N.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(plates, cv2.imread(str(tmp_path / "samples" / "downloads" / "metal" / "T_Plates_N.png")))
    metal = cv2.imread(str(tmp_path / "build" / "godot" / "Cobbles" / "Cobbles_orm.png"))[:, :, 0]
    assert metal.max() == 0  # stone is no metal, in the specular workflow neither


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
