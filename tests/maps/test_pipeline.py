"""The steps in pipelines: each is in the documentation, and one pipeline runs."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from conftest import ROOT

from assetforge.build import Build
from assetforge.execute.options import RunOptions
from assetforge.samples import write_sample

EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "maps.md").read_text(encoding="utf-8"), re.DOTALL)
OWN = {
    "resize", "crop", "make_tileable", "delight", "height_from_normal", "normal_from_height", "ao_from_height",
    "curvature", "levels", "combine_normals", "convert", "pack", "unpack", "trim_sheet",
}  # fmt: skip


def test_every_step_has_an_example() -> None:
    assert {name for text in EXAMPLES for name in re.findall(r"use: (\w+)", text)} >= OWN


STEPS = """\
version: 1
sources: brick
inputs: {base_color: "{name}_base_color.png", normal: "{name}_normal.png", roughness: "{name}_roughness.png"}
steps:
  - {use: crop, with: {size: [56, 48]}}
  - {use: make_tileable, with: {force: true}}
  - {use: resize, with: {size: [64, 64]}}
  - {use: delight}
  - {use: height_from_normal}
  - {use: ao_from_height}
  - {use: normal_from_height, with: {depth: 0.1}}
  - {use: curvature}
  - {use: convert, with: {to: glossiness}}
  - {use: levels, with: {maps: {glossiness: {invert: true}}}}
outputs: {dir: build, format: {default: png, height: png16}}
"""


def test_they_work_one_after_the_other(tmp_path: Path) -> None:
    write_sample("brick", tmp_path, 96)
    (tmp_path / "pipeline.yaml").write_text(STEPS)
    with Build(tmp_path / "pipeline.yaml") as build:
        [job] = build.run(build.plan(), options=RunOptions("cpu", workers=0)).jobs
    assert job.state == "done", job.error
    maps = {path.stem.removeprefix("brick_"): cv2.imread(str(path), -1) for path in (tmp_path / "build").iterdir()}
    assert maps.keys() == {
        "base_color", "normal", "roughness", "height", "ambient_occlusion", "curvature", "glossiness"
    }  # fmt: skip
    assert all(pixels.shape[:2] == (64, 64) for pixels in maps.values())
    assert maps["height"].dtype == np.uint16
    assert np.array_equal(maps["glossiness"], maps["roughness"])


def test_step_that_loses_mip_maps_is_told(tmp_path: Path) -> None:
    write_sample("brick", tmp_path, 32)
    steps = "steps: [{use: mips}, {use: levels, with: {maps: {roughness: {high: 0.5}}}}]"
    inputs = 'inputs: {roughness: "{name}_roughness.png", height: "{name}_height.png"}'
    text = f"version: 1\nsources: brick\n{inputs}\n{steps}\noutputs: {{format: dds}}\n"
    (tmp_path / "pipeline.yaml").write_text(text)
    with Build(tmp_path / "pipeline.yaml") as build:
        [job] = build.run(build.plan(), options=RunOptions("cpu", workers=0)).jobs
    assert job.state == "done", job.error
    assert [str(flag) for flag in job.flags] == [
        "levels: roughness: its mip maps are gone, as the step changed its pixels; put `mips` after it"
    ]
