"""One material with all maps, exported by every preset, in a folder and by a name that need care."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from assetforge.build import Build
from assetforge.execute.options import RunOptions
from assetforge.pipeline.presets import PRESETS
from assetforge.report import Report

NAME = "rust & 'dust' ü"
SIDE = 48
GRAY = ("roughness", "metalness", "height", "ambient_occlusion", "opacity", "anisotropy")
COLOR = ("base_color", "normal", "emission", "anisotropy_direction")
MAPS = (*COLOR, *GRAY)
_INPUTS = [f'  {one}: "{{name}}_{one}.png{"" if one == "base_color" else "?"}"' for one in MAPS]
PIPELINE = "\n".join(["version: 1", "sources: src", "inputs:", *_INPUTS, ""])


def pictures(seed: int = 0, side: int = SIDE) -> dict[str, np.ndarray]:
    """Make 8-bit pictures of all maps, (H, W) or (H, W, 3) in blue, green, red."""
    rng = np.random.default_rng(seed)
    made = {name: rng.integers(0, 256, (side, side), dtype=np.uint8) for name in GRAY}
    made |= {name: rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for name in COLOR}
    angle = rng.uniform(0, 2 * np.pi, (side, side))
    tilt = rng.uniform(0, 0.8, (side, side))
    normal = np.dstack([np.cos(tilt), np.sin(tilt) * np.sin(angle), np.sin(tilt) * np.cos(angle)])
    made["normal"] = np.rint((normal + 1) * 127.5).astype(np.uint8)
    made["anisotropy_direction"] = np.rint((np.dstack([0 * angle, np.sin(angle), np.cos(angle)]) + 1) * 127.5).astype(
        np.uint8
    )
    made["opacity"] = np.where(np.indices((side, side)).sum(0) % 8 < 3, 0, 255).astype(np.uint8)
    return made


def write(project: Path, maps: dict[str, np.ndarray], name: str = NAME) -> None:
    (project / "src").mkdir(parents=True, exist_ok=True)
    for word, picture in maps.items():
        assert cv2.imwrite(str(project / "src" / f"{name}_{word}.png"), picture)


def run(project: Path, outputs: str, more: str = "") -> Report:
    (project / "pipeline.yaml").write_text(f"{PIPELINE}{more}outputs: {outputs}\n")
    with Build(project / "pipeline.yaml") as build:
        return build.run(build.plan(), lambda _: None, RunOptions("cpu", workers=0))


def read(path: Path) -> np.ndarray:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None, path
    return found


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `build`, with a folder for each preset."""
    project = tmp_path_factory.mktemp("every preset")
    write(project, pictures())
    report = run(project, f"{{preset: [{', '.join(PRESETS)}], dir: 'build/{{preset}}'}}")
    assert report.exit_code == 0, report.text()
    return project / "build"
