"""What a report shows of a plan: each map in each file, sources and outputs alike."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import write_normal, write_texture

from assetforge.build import Build
from assetforge.plan.plan import PlanOptions
from assetforge.report import JobReport, Report
from assetforge.store.logs import Logs
from assetforge.viewer.collect import LONGEST_LOG, shown_assets
from assetforge.viewer.data import ShownAsset, face, worst
from assetforge.viewer.pictures import Picture

PIPELINE = """\
version: 1
sources: textures
inputs:
  base_color: "{name}_d.png"
  normal: {files: "{name}_n.png?", green: down}
  roughness: {files: "{name}_orm.png?", channel: g}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_texture(tmp_path / "textures" / "brick_d.png")
    write_texture(tmp_path / "textures" / "brick_orm.png", 1)
    write_normal(tmp_path / "textures" / "brick_n.png")
    return tmp_path


def shown(folder: Path, outputs: str, state: str = "done", **job: str) -> ShownAsset:
    """Return how the first asset is shown, with files in place of its outputs."""
    (folder / "pipeline.yaml").write_text(PIPELINE + outputs)
    with Build(folder / "pipeline.yaml") as build:
        plan = build.plan(PlanOptions(explain=True, retry=True))
        for name in filter(lambda name: name.endswith(".png"), plan.jobs[0].files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name), np.zeros((8, 8, 4), np.uint8))
        report = Report("pipeline", (JobReport(plan.jobs[0].asset, state, **job),), 0.0)  # type: ignore[arg-type]
        (one,) = shown_assets(report, plan, build.state.digest)
        return one


def told(pictures: tuple[Picture, ...]) -> dict[str, tuple[object, ...]]:
    return {one.spec.name: (one.file, one.reading.channel, one.reading.green, one.reading.invert) for one in pictures}


def test_sources_are_shown_as_they_are_read(folder: Path) -> None:
    one = shown(folder, "outputs: {dir: build}\n")
    assert told(one.sources) == {
        "base_color": ("textures/brick_d.png", None, "up", False),
        "normal": ("textures/brick_n.png", None, "down", False),
        "roughness": ("textures/brick_orm.png", "g", "up", False),
    }


def test_outputs_are_maps_of_their_own(folder: Path) -> None:
    one = shown(folder, "outputs: {dir: build, green: down}\n")
    assert told(one.outputs) == {
        "base_color": ("build/brick_base_color.png", None, "up", False),
        "normal": ("build/brick_normal.png", None, "down", False),
        "roughness": ("build/brick_roughness.png", None, "up", False),
    }
    first = one.outputs[0]
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()


def test_the_channels_of_a_packed_file_are_maps(folder: Path) -> None:
    one = shown(folder, "outputs: {dir: build, preset: unity_hdrp}\n")
    assert told(one.outputs)["roughness"] == ("build/brick_MaskMap.png", "a", "up", True)


def test_normals_of_a_preset_point_as_it_says(folder: Path) -> None:
    assert told(shown(folder, "outputs: {dir: build, preset: unreal}\n").outputs)["normal"][2] == "down"
    assert told(shown(folder, "outputs: {dir: build, preset: gltf}\n").outputs)["normal"][2] == "up"


def test_texts_are_no_pictures(folder: Path) -> None:
    files = {one.file for one in shown(folder, "outputs: {dir: build, preset: unreal}\n").outputs}
    assert files
    assert all(name.endswith(".png") for name in files)


@pytest.mark.parametrize("state", ["failed", "quarantined", "not run"])
def test_what_was_not_built_shows_no_old_outputs(folder: Path, state: str) -> None:
    one = shown(folder, "outputs: {dir: build}\n", state)
    assert one.sources
    assert not one.outputs


def test_an_output_that_is_gone_is_not_shown(folder: Path) -> None:
    shown(folder, "outputs: {dir: build}\n")
    (folder / "build" / "brick_normal.png").unlink()
    with Build(folder / "pipeline.yaml") as build:
        plan = build.plan(PlanOptions(explain=True))
        report = Report("pipeline", (JobReport("brick", "done"),), 0.0)
        (one,) = shown_assets(report, plan, build.state.digest)
    assert set(told(one.outputs)) == {"base_color", "roughness"}


def test_the_end_of_a_long_log_is_shown(folder: Path) -> None:
    (folder / "pipeline.yaml").write_text(PIPELINE + "outputs: {dir: build}\n")
    with Build(folder / "pipeline.yaml") as build:
        log = Logs.of(build.pipeline).keep("brick", "x" * LONGEST_LOG + "the end")
    one = shown(folder, "outputs: {dir: build}\n", "failed", log=log)
    assert one.log.endswith("the end")
    assert len(one.log) == LONGEST_LOG + 1


def test_a_picture_of_a_failure_is_shown(folder: Path) -> None:
    (folder / "pipeline.yaml").write_text(PIPELINE + "outputs: {dir: build}\n")
    with Build(folder / "pipeline.yaml") as build:
        Logs.of(build.pipeline).keep_picture("brick", b"PNG")
    assert shown(folder, "outputs: {dir: build}\n", "failed").drawn == b"PNG"
    assert shown(folder, "outputs: {dir: build}\n", "done").drawn == b""


def test_a_job_that_is_not_planned_any_more_is_shown_without_pictures(folder: Path) -> None:
    (folder / "pipeline.yaml").write_text(PIPELINE + "outputs: {dir: build}\n")
    with Build(folder / "pipeline.yaml") as build:
        plan = build.plan(PlanOptions(explain=True))
        (one,) = shown_assets(Report("p", (JobReport("gone", "failed"),), 0.0), plan, build.state.digest)
    assert (one.job.asset, one.sources, one.outputs) == ("gone", (), ())


def test_the_base_color_stands_for_an_asset(folder: Path) -> None:
    one = shown(folder, "outputs: {dir: build}\n")
    found = face(reversed(one.outputs))
    assert found is not None
    assert found.spec.name == "base_color"
    without = face(picture for picture in one.outputs if picture.spec.name != "base_color")
    assert without is not None
    assert without.spec.name == "roughness"  # the first one of the vocabulary
    assert face(()) is None


def test_the_worst_flag_counts() -> None:
    from assetforge.flags import Flag

    assert worst(()) == ""
    assert worst([Flag("a", "info"), Flag("b", "error"), Flag("c", "warning")]) == "error"
