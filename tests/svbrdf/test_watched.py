"""Pairs of photographs that are dropped into a watched folder, either file first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
from conftest import Forge
from svbrdf.conftest import files_of, shot
from watch.conftest import Watcher

SIZE = (64, 96)
PIPELINE = """\
version: 1
sources: photos
inputs: {flash: "{name}_flash.*", guide: "{name}_guide.*"}
steps:
  - use: svbrdf
    with: {tileable: true, effort: 0.01, metal: "no", anisotropy: "no"}
outputs: {dir: build, maps: [base_color, normal, roughness, height]}
"""


Watch = Callable[..., Watcher]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Start a daemon that watches for pairs."""
    watchers: list[Watcher] = []

    def begin(pipeline: str) -> Watcher:
        (tmp_path / "photos").mkdir()
        (tmp_path / "pipeline.yaml").write_text(pipeline)
        watchers.append(Watcher(tmp_path))
        return watchers[0]

    yield begin
    for watcher in watchers:
        watcher.kill()


def drop(watcher: Watcher, name: str, which: str) -> None:
    """Copy one of two photographs into the folder. Both assets have the same, so that the second costs nothing."""
    (watcher.project / "photos" / f"{name}_{which}.jpg").write_bytes(files_of(shot("brick", SIZE))[which])


def incomplete(watcher: Watcher) -> dict[str, str]:
    """Return what each asset waits for, as the daemon shows it."""
    files = list((watcher.project / ".assetforge").glob("daemon-*.json"))
    return dict(json.loads(files[0].read_bytes())["incomplete"]) if files else {}


def ends_of(watcher: Watcher, asset: str) -> list[tuple[str, bool]]:
    """Return how an asset's jobs ended, and whether what they made is said to be made of one photograph."""
    finished = [event for event in watcher.events("JobFinished") if event["asset"] == asset]
    return [(one["state"], any("alone" in flag["text"] for flag in one["flags"])) for one in finished]


def check_pairs(watcher: Watcher, forge: Forge) -> None:
    """What is there in the end is what both files give: one material of each pair, its maps of one size."""
    assert watcher.stop() == 0
    done = forge("run", "pipeline.yaml")
    assert "0 done, 0 failed, 2 up to date" in done.stdout
    assert "flagged" not in done.stdout
    written = sorted((watcher.project / "build").iterdir())
    assert len(written) == 8
    for name in ("wall", "floor"):
        sizes = {cv2.imread(str(path)).shape for path in written if path.name.startswith(name)}
        assert len(sizes) == 1


def test_a_pair_waits_for_its_second_file_and_is_built_once(watch: Watch, forge: Forge) -> None:
    watcher = watch(PIPELINE)
    drop(watcher, "wall", "flash")
    drop(watcher, "floor", "guide")
    watcher.wait_for(lambda: incomplete(watcher).keys() == {"wall", "floor"})
    assert incomplete(watcher)["wall"].endswith("wall_guide.*")
    assert watcher.started() == {}
    drop(watcher, "wall", "guide")
    drop(watcher, "floor", "flash")
    watcher.wait_for(lambda: watcher.states().total() == 2)
    assert ends_of(watcher, "wall") == ends_of(watcher, "floor") == [("done", False)]
    assert watcher.started() == {"wall": 1, "floor": 1}
    check_pairs(watcher, forge)


@pytest.mark.slow
def test_where_the_guide_is_optional_the_pair_takes_the_place_of_the_doubtful_material(
    watch: Watch, forge: Forge
) -> None:
    watcher = watch(PIPELINE.replace("_guide.*", "_guide.*?"))
    drop(watcher, "wall", "flash")
    watcher.wait_for(lambda: watcher.started()["wall"])
    drop(watcher, "wall", "guide")  # while a material is being made of the flash photo alone
    watcher.wait_for(lambda: ends_of(watcher, "wall")[-1:] == [("done", False)])
    drop(watcher, "floor", "flash")
    watcher.wait_for(lambda: ends_of(watcher, "floor") == [("done", True)])
    drop(watcher, "floor", "guide")
    watcher.wait_for(lambda: ends_of(watcher, "floor") == [("done", True), ("done", False)])
    assert watcher.states().keys() == {"done"}
    check_pairs(watcher, forge)
