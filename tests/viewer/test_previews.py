"""Previews are made once, in processes of their own."""

from __future__ import annotations

import os
import signal
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from looks import flat, gray, picture
from PIL import Image

from assetforge.codecs.reading import Reading
from assetforge.material.map_spec import MAPS
from assetforge.viewer.pictures import Picture
from assetforge.viewer.previews import KEPT_DAYS, Previews, _Worker, preview_name


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Previews]:
    with Previews(tmp_path_factory.mktemp("previews")) as made:
        yield made


@pytest.fixture
def red(tmp_path: Path) -> Picture:
    return picture(tmp_path, "red", "base_color", flat(200, 30, 30))


def test_a_preview_is_a_webp_file_and_tells_of_the_file(previews: Previews, red: Picture) -> None:
    (made,) = previews.make([(red, 32)])
    assert (made.size, made.depth, made.encoding, made.problem) == ((128, 128), "8", "plain", "")
    with Image.open(made.path) as shown:
        assert (shown.format, shown.size) == ("WEBP", (32, 32))


def test_a_preview_is_made_once(previews: Previews, red: Picture) -> None:
    (first,) = previews.make([(red, 48)])
    red.path.unlink()  # it cannot be made again
    (second,) = previews.make([(red, 48)])
    assert second == first
    assert previews.find(red, 48) == first


def test_a_file_that_has_changed_is_read_again(previews: Previews, tmp_path: Path) -> None:
    for color in ((200, 0, 0), (0, 0, 200)):
        changed = picture(tmp_path, "changed", "base_color", flat(*color))
        (made,) = previews.make([(changed, 32)])
        with Image.open(made.path) as shown:
            assert np.abs(np.asarray(shown).astype(int) - color).max() < 12


def test_modules_in_the_project_are_not_taken_for_others(
    red: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with Previews(tmp_path / "previews") as some:
        (made,) = some.make([(red, 16)])
    assert not made.problem


def test_what_was_not_made_is_not_found(previews: Previews, red: Picture) -> None:
    assert previews.find(red, 33) is None


def test_previews_come_in_the_order_they_are_asked_for(previews: Previews, tmp_path: Path) -> None:
    asked = [(picture(tmp_path, f"p{n}", "roughness", gray(40 * n)), side) for n in range(5) for side in (16, 24)]
    assert [(made.picture, made.side) for made in previews.make(asked)] == asked


def test_a_name_tells_all_that_a_preview_depends_on(red: Picture) -> None:
    others = [
        (replace(red, sha256="0" * 64), 32),
        (replace(red, spec=MAPS["normal"]), 32),
        (replace(red, reading=Reading(channel="r")), 32),
        (replace(red, reading=Reading(invert=True)), 32),
        (replace(red, reading=Reading(layer="a")), 32),
        (red, 64),
    ]
    names = {preview_name(*one) for one in [(red, 32), *others]}
    assert len(names) == 7


def test_a_name_does_not_tell_where_the_file_is(red: Picture) -> None:
    assert preview_name(red, 32) == preview_name(replace(red, file="elsewhere.png", path=Path("/x")), 32)


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "is empty"), (b"<svg onload='alert(1)'/>", "is not a PNG"), (b"\x89PNG\r\n\x1a\n" + bytes(20), "")],
)
def test_what_is_no_picture_is_a_problem_and_stops_no_other(
    previews: Previews, tmp_path: Path, red: Picture, content: bytes, what: str
) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    bad = Picture("textures/bad.png", tmp_path / "bad.png", f"{len(content):064}", MAPS["base_color"])
    first, second = previews.make([(bad, 32), (red, 32)])
    assert first.problem.startswith("textures/bad.png: ")
    assert what in first.problem
    assert not second.problem


def test_a_picture_of_too_many_pixels_is_refused_before_room_is_made(previews: Previews, tmp_path: Path) -> None:
    header = struct.pack(">II5B", 30000, 30000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + bytes(64))
    (made,) = previews.make([(Picture("huge.png", tmp_path / "huge.png", "1" * 64, MAPS["base_color"]), 32)])
    assert "30000×30000" in made.problem


def test_a_file_that_is_gone_is_a_problem(previews: Previews, red: Picture) -> None:
    red.path.unlink()
    (made,) = previews.make([(replace(red, sha256="2" * 64), 32)])
    assert "cannot be read" in made.problem


def test_a_worker_that_takes_too_long_is_replaced(tmp_path: Path, red: Picture) -> None:
    with Previews(tmp_path / "previews", seconds=0.001) as hurried:  # less than a process needs to start
        (made,) = hurried.make([(red, 32)])
        assert "too much memory or time" in made.problem
        hurried._seconds = 60
        (made,) = hurried.make([(red, 32)])
        assert not made.problem


def test_a_worker_that_another_thread_stops_while_it_is_asked_has_no_answer() -> None:
    """As when the server ends: the thread that asks has its process still, whose files are closed."""
    worker = _Worker()
    process = worker._started()
    with ThreadPoolExecutor(1) as other:
        other.submit(worker.stop).result()
    worker._process = process
    assert "problem" in worker.ask({}, 60.0)
    worker.stop()


def test_previews_that_nobody_asked_for_in_a_long_time_are_removed(previews: Previews, red: Picture) -> None:
    old, new = previews.make([(red, 16), (red, 24)])
    long_ago = time.time() - (KEPT_DAYS + 1) * 86400
    os.utime(old.path, (long_ago, long_ago))
    previews.prune()
    assert not old.path.exists()
    assert not old.path.with_suffix(".json").exists()
    assert previews.find(red, 24) == new


def test_a_preview_whose_facts_are_damaged_is_made_anew(previews: Previews, red: Picture) -> None:
    (made,) = previews.make([(red, 40)])
    made.path.with_suffix(".json").write_text("{")
    assert previews.find(red, 40) is None
    assert list(previews.make([(red, 40)])) == [made]


def test_a_preview_that_is_being_made_is_begun_once(previews: Previews, red: Picture) -> None:
    first = previews.begin(red, 40)
    assert first is not None
    assert previews.begin(red, 40) in (first, None) or first.done()
    made = first.result(60)
    again = previews.begin(red, 40)
    assert again is not None
    assert again.done()
    assert again.result() == made == previews.find(red, 40)


def test_why_a_preview_cannot_be_made_is_kept_until_it_is_told(previews: Previews, tmp_path: Path) -> None:
    bad = picture(tmp_path, "bad", "roughness", gray(1))
    content = bad.path.read_bytes()
    bad.path.unlink()
    first = previews.begin(bad, 32)
    assert first is not None
    assert "cannot be read" in first.result(60).problem
    bad.path.write_bytes(content)
    assert previews.begin(bad, 32) is first
    previews.told(bad, 32)
    second = previews.begin(bad, 32)
    assert second is not None
    assert not second.result(60).problem


def test_no_more_previews_wait_than_somebody_looks_at(
    tmp_path: Path, red: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assetforge.viewer.previews._MOST_BEGUN", 2)
    with Previews(tmp_path / "previews") as some:
        first = some.begin(red, 16)
        assert first is not None
        first.result(60)
        os.kill(worker_of(some), signal.SIGSTOP)
        begun = [some.begin(red, side) for side in (17, 18, 19)]
        assert [one is None for one in begun] == [False, False, True]
        assert some.begin(red, 16) is not None  # which is there
        os.kill(worker_of(some), signal.SIGCONT)
        assert [one.result(60).side for one in begun if one] == [17, 18]
        assert some.begin(red, 19) is not None


def worker_of(previews: Previews) -> int:
    process = previews._workers[0]._process
    assert process is not None
    return process.pid
