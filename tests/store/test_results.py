"""Results appear whole or not at all, and are known to be damaged when they are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import shared
from conftest import Forge

from assetforge.errors import StepError
from assetforge.store.results import NOTE, Entry, Store, is_marked

KEY = "ab" * 32


def put(store: Store, key: str, content: bytes) -> Entry:
    return store.put(key, ".png", lambda path: path.write_bytes(content) and None, lambda _: None)


def test_what_is_put_is_found_and_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = put(store, KEY, b"pixels")
    assert store.find(KEY, ".png") == entry
    assert entry.path.read_bytes() == b"pixels"
    assert entry.is_whole()
    assert store.find(KEY, ".exr") is None


def test_what_is_not_right_is_not_kept(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        assert path.read_bytes() == b"pixels"
        raise StepError("step", "wrote nonsense")

    store = Store(tmp_path)
    with pytest.raises(StepError):
        store.put(KEY, ".png", lambda path: path.write_bytes(b"pixels") and None, refuse)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_store_that_the_system_refuses_to_look_for_is_not_there(tmp_path: Path) -> None:
    """A name that is too long stands for a drive that answers with an error."""
    assert not is_marked(tmp_path / ("x" * 300))


@pytest.mark.parametrize("damage", ["cut", "gone", "note gone", "note torn"])
def test_a_result_that_is_not_whole_is_not_there(damage: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = put(store, KEY, b"pixels")
    match damage:
        case "cut":
            entry.path.write_bytes(b"pix")
        case "gone":
            entry.path.unlink()
        case "note gone":
            entry.note.unlink()
        case "note torn":
            entry.note.write_bytes(entry.note.read_bytes()[:10])
    assert store.find(KEY, ".png") is None


def test_a_flipped_bit_is_seen_by_whoever_reads(tmp_path: Path) -> None:
    entry = put(Store(tmp_path), KEY, b"pixels")
    entry.path.write_bytes(b"pixelz")
    assert not entry.is_whole()


def test_a_read_only_store_is_looked_into_and_never_written(tmp_path: Path) -> None:
    shared = put(Store(tmp_path / "shared"), KEY, b"theirs")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shared").rglob("*")}
    client = Store(tmp_path / "own", tmp_path / "shared", read_only=True)
    assert client.find(KEY, ".png") == shared
    put(client, "cd" * 32, b"mine")
    assert (tmp_path / "own" / "cd").is_dir()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "shared").rglob("*")} == before
    writer = Store(tmp_path / "own", tmp_path / "shared")
    put(writer, "ef" * 32, b"ours")
    assert client.find("ef" * 32, ".png") is not None


def test_the_own_result_goes_before_the_shared_one(tmp_path: Path) -> None:
    """So that a damaged result in a store that may not be written is replaced by one's own."""
    put(Store(tmp_path / "shared"), KEY, b"theirs")
    client = Store(tmp_path / "own", tmp_path / "shared", read_only=True)
    mine = put(client, KEY, b"mine!!")
    assert client.find(KEY, ".png") == mine


def test_machines_share_results(project: Path, forge: Forge) -> None:
    """Two checkouts with one store: the second computes nothing; a client does not write what others read."""
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text + "store: shared_store\nstore_mode: read-only\n")
    assert forge("run", "pipeline.yaml", "-D", "store_mode=read-write").returncode == 0
    written = sorted((project / "shared_store").rglob("*.png"))
    assert len(written) == 4
    assert not list((project / ".assetforge").rglob("*.png"))
    for folder in (".assetforge", "build"):
        (project / folder).rename(project / f"away_{folder}")
    explained = forge("why", "pipeline.yaml", "moss").stdout
    assert "build/moss_base_color.png: missing" in explained
    assert "in the store" in explained
    assert "3 done" in forge("run", "pipeline.yaml").stdout
    assert not list((project / ".assetforge").rglob("*.png"))
    assert "3 done" in forge("run", "pipeline.yaml", "-D", "scale=4").stdout
    assert sorted((project / "shared_store").rglob("*.png")) == written
    assert len(list((project / ".assetforge").rglob("*.png"))) == 4


def test_a_store_whose_drive_is_not_mounted_is_told_of_and_not_written(project: Path, forge: Forge) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text + "store: mount\n")
    assert forge("run", "pipeline.yaml").stderr == ""
    (project / "mount").rename(project / "unmounted")
    (project / "mount").mkdir()  # the empty folder that the drive hangs on
    for path in (project / "build").iterdir():
        path.unlink()
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 0
    assert "mount is not there; if it lies on a drive, mount it" in done.stderr
    assert not list((project / "mount").iterdir())
    assert list((project / ".assetforge" / "results").rglob("*.png"))
    reading = forge("plan", "pipeline.yaml", "-D", "store=never_there", "-D", "store_mode=read-only")
    assert "never_there is not there" in reading.stderr


@pytest.mark.parametrize(("folder", "mode"), [("shared_store", "read-only"), (".assetforge/results", "read-write")])
def test_a_damaged_result_is_made_again_beside_it(folder: str, mode: str, project: Path, forge: Forge) -> None:
    """It lies in a store that is only read, or was made while the shared store was away."""
    own = folder != "shared_store"
    text = (project / "pipeline.yaml").read_text() + ("" if own else "store: shared_store\n")
    (project / "pipeline.yaml").write_text(text)
    assert forge("run", "pipeline.yaml").returncode == 0
    right = {path.name: path.read_bytes() for path in (project / "build").iterdir()}
    for path in (project / folder).rglob("*.png"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    damaged = {path: path.read_bytes() for path in (project / folder).rglob("*.png")}
    (project / "build").rename(project / "away")
    done = forge("run", "pipeline.yaml", "-D", f"store_mode={mode}", "-D", "store=shared_store")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in (project / "build").iterdir()} == right
    assert {path: path.read_bytes() for path in damaged} == damaged


def test_store_commands_tell_drop_and_verify(project: Path, forge: Forge) -> None:
    assert forge("run", "pipeline.yaml").returncode == 0
    results = project / ".assetforge" / "results"
    assert "4 results" in forge("store", "info", "pipeline.yaml").stdout
    assert "4 results read, 0 were damaged" in forge("store", "verify", "pipeline.yaml").stdout
    first, second, *_ = sorted(results.rglob("*.png"))
    first.write_bytes(first.read_bytes()[:-1] + b"!")
    checked = forge("store", "verify", "pipeline.yaml")
    assert checked.returncode == 1
    assert str(first) in checked.stderr
    assert not first.exists()
    long_ago = time.time() - 40 * 86_400
    [note] = [path for path in results.rglob(f"*{NOTE}") if second.name in path.read_text()]
    os.utime(note, (long_ago, long_ago))
    assert "would drop 1 results" in forge("store", "prune", "pipeline.yaml", "--dry-run").stdout
    assert second.exists()
    assert "dropped 1 results" in forge("store", "prune", "pipeline.yaml").stdout
    assert not second.exists()
    assert "dropped 2 results" in forge("store", "prune", "pipeline.yaml", "--to-size", "10").stdout
    assert "3 up to date" in forge("run", "pipeline.yaml").stdout
    (project / "build" / "moss_base_color.png").unlink()
    assert "1 done" in forge("run", "pipeline.yaml").stdout
    assert forge("store", "prune", "pipeline.yaml", "--unused-for", "soon").returncode == 2


def test_what_dead_processes_left_is_dropped_after_a_day(project: Path, forge: Forge) -> None:
    assert forge("run", "pipeline.yaml").returncode == 0
    [folder, *_] = [path for path in (project / ".assetforge" / "results").iterdir() if path.is_dir()]
    young, old = folder / ".young.tmp", folder / ".old.tmp"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert "and 1 leftovers" in forge("store", "prune", "pipeline.yaml").stdout
    assert young.exists()
    assert not old.exists()


PUT_MANY = """
import os, sys
from pathlib import Path
from assetforge.store.results import Store

store = Store(Path(sys.argv[1]))
for number in range(150):
    content = os.urandom(512)
    store.put(f"{number:064x}", ".png", lambda path: path.write_bytes(content) and None, lambda _: None)
"""


def test_of_two_hands_that_put_one_result_the_first_wins_whole(tmp_path: Path) -> None:
    """Machines that round differently put different content under one key, at the same moment."""
    writers = [subprocess.Popen([sys.executable, "-c", PUT_MANY, str(tmp_path)]) for _ in range(4)]
    store, first = Store(tmp_path), dict[str, Entry]()
    while any(writer.poll() is None for writer in writers) or len(first) < 150:
        assert all(writer.poll() in (None, 0) for writer in writers)
        for number in range(150):
            entry = store.find(f"{number:064x}", ".png")
            if entry is not None:
                assert entry.is_whole()
                assert first.setdefault(entry.note.name, entry) == entry
    assert len(list(store.entries())) == 150


def test_a_result_that_is_put_again_stays_unless_it_is_damaged_or_to_be_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = put(store, KEY, b"pixels")
    assert put(store, KEY, b"pixelz") == entry
    entry.path.write_bytes(b"rotten")
    again = put(store, KEY, b"pixelz")
    assert again.is_whole()
    anew = store.put(KEY, ".png", lambda path: path.write_bytes(b"pixel!") and None, lambda _: None, replace=True)
    assert store.find(KEY, ".png") == anew
    assert anew.path.read_bytes() == b"pixel!"


def test_dropping_what_was_replaced_leaves_the_new_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = put(store, KEY, b"old")
    new = store.put(KEY, ".png", lambda path: path.write_bytes(b"new") and None, lambda _: None, replace=True)
    store.drop(old)
    assert store.find(KEY, ".png") == new
    assert new.is_whole()


def test_prunes_verification_and_runs_at_once_disturb_nobody(project: Path, forge: Forge) -> None:
    """Whatever one drops while another lists it: no traceback, no false alarm, and all outputs in the end."""
    for _ in range(3):
        calls = [["run", "pipeline.yaml", "--force"], *[["store", "prune", "pipeline.yaml", "--to-size", "0"]] * 3]
        calls += [["store", "verify", "pipeline.yaml"], ["store", "info", "pipeline.yaml"]]
        begun = [shared().start(project, *call) for call in calls]
        for process, call in zip(begun, calls, strict=True):
            said = "".join(process.communicate(timeout=120))
            assert process.returncode == 0, (call, said)
            assert "Traceback" not in said
            assert "damaged  " not in said
    assert forge("run", "pipeline.yaml").returncode == 0
    assert len([path for path in (project / "build").rglob("*") if path.is_file()]) == 4
