"""Photographs in files, through the command line: what the user of a telephone meets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
from conftest import Forge
from svbrdf.conftest import files_of, shot

SIZE = (128, 192)
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
    """What became of the only asset."""

    error: str
    log: str
    flags: list[str]
    said: str
    outputs: list[str]


def run(project: Path, forge: Forge, flash: bytes, guide: bytes) -> Ran:
    """Run the pipeline on two files."""
    (project / "photos").mkdir()
    (project / "photos" / "wall_flash.jpg").write_bytes(flash)
    (project / "photos" / "wall_guide.jpg").write_bytes(guide)
    (project / "pipeline.yaml").write_text(PIPELINE)
    done = forge("run", "pipeline.yaml", "--report", "report.json")
    [job] = json.loads((project / "report.json").read_text())["jobs"]
    written = sorted(path.name for path in (project / "build").glob("*"))
    return Ran(job["error"], job["log"], job["flags"], done.stderr, written)


def test_a_pair_that_does_not_belong_together_leaves_a_picture_of_where_it_is_apart(
    tmp_path: Path, forge: Forge
) -> None:
    ran = run(tmp_path, forge, files_of(shot("brick"))["flash"], files_of(shot("metal"))["guide"])
    assert "pixels apart" in ran.error
    picture = Path(ran.log).with_suffix(".png")
    assert f"see {picture}" in ran.error
    assert ran.error in ran.said
    assert cv2.imread(str(picture)).shape == (*SIZE, 3)
    assert ran.outputs == []
