"""Outputs appear together or not at all, and what stands in the way is named."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import shared
from conftest import write_normal, write_texture
from execute.conftest import Run, outputs, start

from assetforge.codecs.atomic import temporary_path
from assetforge.errors import OutputError
from assetforge.execute.publish import Move, RefusedError, publish, recover
from assetforge.store.results import DamagedError, Entry, Store

PIPELINE = """\
version: 1
sources: textures
inputs: {base_color: "{name}_d.png", normal: "{name}_n.png"}
steps: [{use: upscale, with: {method: lanczos}}]
outputs: {dir: "out/{name}", format: tiff}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four assets of two maps each, whose outputs are about 100 KB an asset."""
    for index in range(4):
        write_texture(tmp_path / "textures" / f"a{index}_d.png", index, (64, 64))
        write_normal(tmp_path / "textures" / f"a{index}_n.png", (64, 64))
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return tmp_path


@pytest.fixture
def small_disk(project: Path) -> Iterator[Path]:
    """A folder `out` on a disk of its own that cannot hold all outputs; skipped where mounting is not permitted."""
    folder = project / "out"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1200k", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def published(folder: Path) -> dict[str, list[str]]:
    """Return the shown files of each asset's folder."""
    return {
        one.name: sorted(path.name for path in one.iterdir() if path.name[0] != ".")
        for one in sorted(folder.iterdir())
        if one.is_dir() and any(one.iterdir())
    }


def test_a_full_disk_is_told_nothing_is_torn_and_the_next_run_finishes(
    project: Path, small_disk: Path, run: Run
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(60_000))
    ran = run(project)
    assert ran.code == 1
    assert ran.states["failed"] > 0
    errors = [job["error"] for job in ran.report["jobs"] if job["state"] == "failed"]
    assert all("No space left on device" in error and "free some disk space" in error for error in errors), errors
    assert not any(job["quarantined"] for job in ran.report["jobs"])
    for files in published(small_disk).values():
        assert len(files) == 2
    assert not list(small_disk.glob("*/.*"))
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    again = run(project)
    assert again.code == 0
    assert all(len(files) == 2 for files in published(small_disk).values())
    assert len(published(small_disk)) == 4


def test_a_disk_that_fills_up_while_writing_is_cleared_up_after(project: Path, small_disk: Path, run: Run) -> None:
    """The store on the full disk: what does not fit is no result, and the files of earlier ones are whole."""
    ran = run(project, "-D", "outputs.dir=build/{name}", "-D", "store=out/store")
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - 12_000))
    ran = run(project, "-D", "outputs.dir=build/{name}", "-D", "store=out/store", "-D", "scale=4")
    assert ran.code == 1
    assert "No space left on device" in ran.err
    assert len(outputs(project)) == 8
    (small_disk / "ballast").unlink()
    assert run(project, "-D", "outputs.dir=build/{name}", "-D", "scale=4").code == 0


def test_maps_that_no_disk_takes_keep_nothing_from_the_next_run(project: Path, run: Run) -> None:
    """A limit of the process stands for a full disk: files of the size of outputs are taken, decoded maps are not."""
    for path in (project / "textures").iterdir():
        cv2.imwrite(str(path), np.full((512, 512, 3), 128, np.uint8))
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, 2**21)); "
    command = [sys.executable, "-c", f"{limited}from assetforge.cli import main; main()", "run", "pipeline.yaml"]
    options = ["-D", "scale=1", "--report", "report.json"]
    ran = subprocess.run([*command, *options], cwd=project, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 1, ran.stderr
    jobs = json.loads((project / "report.json").read_text())["jobs"]
    assert all(f"cannot be written ({os.strerror(errno.EFBIG)})" in job["error"] for job in jobs), jobs
    assert run(project, "-D", "scale=1").states == {"done": 4}  # none is quarantined


def test_a_full_disk_under_the_state_is_an_error_of_the_environment(project: Path, small_disk: Path, run: Run) -> None:
    subprocess.run(["cp", "-r", project / "textures", project / "pipeline.yaml", small_disk], check=True)
    (small_disk / "ballast").write_bytes(bytes(940_000))
    process = start(small_disk)
    _, err = process.communicate(timeout=120)
    assert process.returncode in (1, 3)
    assert "Traceback" not in err
    assert "disk" in err
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    assert run(small_disk).code == 0


def test_a_run_that_a_full_disk_has_ended_is_not_taken_for_one_that_was_killed(
    project: Path, small_disk: Path, run: Run
) -> None:
    """Decoded maps fill the disk, so that the state cannot be written until they are gone."""
    for path in (project / "textures").iterdir():
        cv2.imwrite(str(path), np.full((512, 512, 3), 128, np.uint8))
    subprocess.run(["cp", "-r", project / "textures", project / "pipeline.yaml", small_disk], check=True)
    code = run(small_disk, "-D", "scale=1").code
    assert code in (1, 3)
    [noted] = json.loads(shared().run(small_disk, "status", "pipeline.yaml", "--json").out)["runs"]
    assert (noted["state"], noted["exit_code"]) == ("ended", code)


def test_read_only_outputs_are_named_and_left_alone(project: Path, run: Run) -> None:
    assert run(project).code == 0
    locked = project / "out" / "a1" / "a1_normal.tiff"
    locked.chmod(0o444)
    before = {path: path.read_bytes() for path in (project / "out").glob("*/*")}
    ran = run(project, "-D", "scale=4")
    assert ran.code == 1
    assert ran.states == {"done": 3, "failed": 1}
    [bad] = [job for job in ran.report["jobs"] if job["state"] == "failed"]
    assert bad["error"].startswith(f"{locked}: cannot be written (is read-only); make it writable, check it out of")
    for path in locked.parent.iterdir():
        assert path.read_bytes() == before[path], "half of a material was published"
    locked.chmod(0o644)
    assert run(project, "-D", "scale=4").states == {"done": 1, "up to date": 3}


def test_a_folder_in_the_place_of_an_output_is_named(project: Path, run: Run) -> None:
    (project / "out" / "a2" / "a2_normal.tiff").mkdir(parents=True)
    ran = run(project)
    assert ran.states == {"done": 3, "failed": 1}
    assert "a folder is in its place; move it away" in ran.err
    assert not (project / "out" / "a2" / "a2_base_color.tiff").exists()


def stamp(path: Path) -> tuple[int, int]:
    return path.stat().st_mtime_ns, path.stat().st_ino


def test_an_output_that_would_stay_the_same_is_not_touched(project: Path, run: Run) -> None:
    assert run(project).code == 0
    kept, changed = (project / "out" / "a0" / f"a0_{name}.tiff" for name in ("base_color", "normal"))
    before = stamp(kept), stamp(changed)
    write_normal(project / "textures" / "a0_n.png", (64, 72))
    assert run(project).states == {"done": 1, "up to date": 3}
    assert stamp(kept) == before[0]
    assert stamp(changed) != before[1]
    assert run(project, "--force").states == {"done": 4}
    assert stamp(kept) == before[0]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def entry(folder: Path, name: str, content: bytes) -> Entry:
    store = Store(folder / "results")
    return store.put(name, ".bin", lambda path: path.write_bytes(content) and None, lambda _: None)


def test_a_reader_never_meets_a_torn_file(tmp_path: Path) -> None:
    places = [tmp_path / "out" / f"{index}.bin" for index in range(4)]
    versions = [[entry(tmp_path, f"{v}{i}", bytes([v]) * 50_000) for i in range(4)] for v in range(2)]
    publish([Move(one, place) for one, place in zip(versions[0], places, strict=True)], tmp_path / "journal", tmp_path)
    torn: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for place in places:
                content = place.read_bytes()
                if len(content) != 50_000 or len(set(content)) != 1:
                    torn.append(len(content))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for turn in range(20):
        moves = [Move(one, place) for one, place in zip(versions[(turn + 1) % 2], places, strict=True)]
        publish(moves, tmp_path / "journal", tmp_path)
    stop.set()
    watcher.join()
    assert not torn
    assert not (tmp_path / "journal").exists()


def test_a_publication_that_fails_leaves_the_old_files(tmp_path: Path) -> None:
    places = [tmp_path / "out" / f"{index}.bin" for index in range(3)]
    old = [entry(tmp_path, f"0{i}", b"old") for i in range(3)]
    publish([Move(one, place) for one, place in zip(old, places, strict=True)], tmp_path / "journal", tmp_path)
    new = [entry(tmp_path, f"1{i}", b"new!") for i in range(3)]
    new[2].path.write_bytes(b"bad!")
    with pytest.raises(DamagedError):
        publish([Move(one, place) for one, place in zip(new, places, strict=True)], tmp_path / "journal", tmp_path)
    assert [place.read_bytes() for place in places] == [b"old"] * 3
    assert names(tmp_path / "out") == ["0.bin", "1.bin", "2.bin"]
    assert not (tmp_path / "journal").exists()


def test_too_little_space_is_told_before_anything_is_written(tmp_path: Path) -> None:
    huge = Entry(tmp_path / "result", 10**15, "0" * 64)
    with pytest.raises(OutputError, match="No space left on device: 1000000000000000 bytes are needed"):
        publish([Move(huge, tmp_path / "out" / "x.bin")], tmp_path / "journal", tmp_path)
    assert names(tmp_path / "out") == []


def test_a_journal_of_files_that_were_being_copied_is_undone(tmp_path: Path) -> None:
    temporary = temporary_path(tmp_path / "x")
    temporary.write_bytes(b"half")
    (tmp_path / "x").write_bytes(b"old")
    journal = tmp_path / "journal"
    journal.write_text(json.dumps({"renaming": False, "pairs": [[temporary.name, "x"]]}))
    recover(journal, tmp_path)
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


@pytest.mark.limited
@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "[" * 100_000,
        '{"renaming": 1e999, "pairs": []}',
        '{"renaming": true, "pairs": [["a"]]}',
        '{"renaming": true, "pairs": [[".x.01234567.tmp", "../x"]]}',
        '{"renaming": true, "pairs": [["../.x.01234567.tmp", "../x"]]}',
        '{"renaming": true, "pairs": [["out/.x.01234567.tmp", "x"]]}',
        '{"renaming": false, "pairs": [["secret", "x"]]}',
        '{"renaming": false, "pairs": [["out/link/.x.01234567.tmp", "out/link/x"]]}',
        '{"renaming": true, "pairs": [["OUTSIDE/.x.01234567.tmp", "OUTSIDE/x"]]}',
        '{"renaming": true, "pairs": [["\\u0000", "\\u0000"]]}',
        '{"renaming": true, "pairs": [["", ""]]}',
    ],
)
def test_a_forged_journal_is_refused_and_touches_nothing(text: str, tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (root / "out").mkdir(parents=True)
    outside.mkdir()
    (root / "out" / "link").symlink_to(outside)
    kept = [outside / "x", outside / ".x.01234567.tmp", root / "secret", root / ".x.01234567.tmp", tmp_path / "x"]
    for path in kept:
        path.write_text(path.name)
    journal = tmp_path / "journal"
    journal.write_text(text.replace("OUTSIDE", outside.as_posix()))
    with pytest.raises(RefusedError):
        recover(journal, root)
    assert [path.read_text() for path in kept] == [path.name for path in kept]
