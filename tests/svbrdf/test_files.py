"""Photographs in files, through the command line: what the user of a telephone meets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
from conftest import Forge
from svbrdf.conftest import files_of, shot

from assetforge.samples.photographs import FLASH, GUIDE, as_jpeg

SIZE = (96, 144)
PIPELINE = """\
version: 1
sources: photos
attempts: 1
inputs: {flash: "{name}_flash.*", guide: "{name}_guide.*"}
steps:
  - use: svbrdf
    with: {effort: 0.01, metal: "no", anisotropy: "no"}
outputs: {dir: build, maps: [base_color, normal]}
"""


@dataclass(frozen=True)
class Ran:
    """What became of an asset."""

    error: str
    log: str
    said: str


def run(project: Path, forge: Forge, pairs: Mapping[str, Mapping[str, bytes]]) -> dict[str, Ran]:
    """Run the pipeline on pairs of which no material can be made."""
    (project / "photos").mkdir()
    for name, files in pairs.items():
        for which, content in files.items():
            (project / "photos" / f"{name}_{which}.jpg").write_bytes(content)
    (project / "pipeline.yaml").write_text(PIPELINE)
    done = forge("run", "pipeline.yaml", "--report", "report.json")
    assert not (project / "build").exists()
    jobs = json.loads((project / "report.json").read_text())["jobs"]
    return {job["asset"]: Ran(job["error"], job["log"], done.stderr) for job in jobs}


def test_a_pair_that_does_not_belong_together_leaves_a_picture_of_where_it_is_apart(
    tmp_path: Path, forge: Forge
) -> None:
    pair = {**files_of(shot("brick", SIZE)), "guide": files_of(shot("metal", SIZE))["guide"]}
    ran = run(tmp_path, forge, {"wall": pair})["wall"]
    assert "pixels apart" in ran.error
    picture = Path(ran.log).with_suffix(".png")
    assert f"see {picture}" in ran.error
    assert ran.error in ran.said
    assert cv2.imread(str(picture)).shape == (*SIZE, 3)


def test_errors_name_the_file_that_is_to_blame(tmp_path: Path, forge: Forge) -> None:
    whole = shot("brick", SIZE)
    black = {**files_of(whole), "guide": as_jpeg(0 * whole.guide, GUIDE)}
    lying = {**files_of(whole), "flash": as_jpeg(whole.flash.flip(1, 2).contiguous(), FLASH)}
    ran = run(tmp_path, forge, {"black": black, "lying": lying})
    photos = tmp_path / "photos"
    assert ran["black"].error.startswith(f"{photos / 'black_guide.jpg'}: the guide photo is black; ")
    # The bricks lie on one another when they are turned, too: without a look at that, this would become a material.
    assert ran["lying"].error.startswith(f"{photos / 'lying_flash.jpg'}: the flash photo lies on the guide when it is ")
    assert "upside down" in ran["lying"].error
    assert Path(ran["lying"].log).with_suffix(".png").exists()
