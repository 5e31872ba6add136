"""The state remembers files by their stat, brings older databases up to date, and refuses newer ones."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Forge

from assetforge.errors import AccessError, SourceError, StoreError
from assetforge.store.schema import MIGRATIONS, open_database
from assetforge.store.state import Published, State, stat_of

OLD = time.time_ns() - 60 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "project" / ".assetforge"


def open_state(folder: Path, pipeline: str = "p.yaml") -> State:
    return State(folder, pipeline, folder.parent)


def write(folder: Path, name: str, content: bytes, mtime_ns: int = OLD) -> Path:
    path = folder.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def test_a_file_of_the_same_stat_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assetforge.store.state.RACY_NS", 0)
    write(folder, "a.png", b"one")
    state = open_state(folder)
    digest = state.digest("a.png")
    state.close()
    monkeypatch.delattr("assetforge.store.state._sha256")  # what reads files
    assert open_state(folder).digest("a.png") == digest


def test_a_file_that_was_changed_in_place_is_read_again_though_its_time_was_put_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assetforge.store.state.RACY_NS", 0)
    path = write(folder, "a.png", b"one")
    before = path.stat()
    state = open_state(folder)
    digest = state.digest("a.png")
    state.close()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of the file system is coarse
        with path.open("r+b") as file:
            file.write(b"two")
        os.utime(path, ns=(OLD, OLD))
    assert (path.stat().st_ino, path.stat().st_size, path.stat().st_mtime_ns) == (before.st_ino, before.st_size, OLD)
    assert open_state(folder).digest("a.png") != digest


def test_a_file_that_has_just_been_written_is_read_again(folder: Path) -> None:
    path = write(folder, "a.png", b"one", time.time_ns())
    state = open_state(folder)
    digest = state.digest("a.png")
    state.close()
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_state(folder).digest("a.png") != digest


def test_files_that_cannot_be_read_are_named(folder: Path) -> None:
    state = open_state(folder)
    with pytest.raises(AccessError, match=r"a\.png: cannot be read \(No such file"):
        state.digest("a.png")
    os.mkfifo(folder.parent / "pipe.png")
    with pytest.raises(AccessError, match=r"pipe\.png: cannot be read \(not a regular file\)"):
        state.digest("pipe.png")


def test_a_newer_state_is_refused_and_left_alone(folder: Path) -> None:
    open_state(folder).close()
    database = sqlite3.connect(folder / "state.sqlite")
    database.execute(f"pragma user_version = {len(MIGRATIONS) + 1}")
    database.close()
    with pytest.raises(StoreError, match=r"was written by a newer AssetForge .* upgrade AssetForge") as caught:
        open_state(folder)
    assert caught.value.exit_code == 3
    assert not list(folder.glob("*.damaged*"))


def test_a_state_of_every_older_version_is_brought_up_to_date(folder: Path) -> None:
    for version in range(len(MIGRATIONS)):
        path = folder / f"{version}.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        old = sqlite3.connect(path)
        for statements in MIGRATIONS[:version]:
            old.executescript(statements)
        old.execute(f"pragma user_version = {version}")
        old.close()
        database = open_database(path)
        assert database.execute("pragma user_version").fetchone()[0] == len(MIGRATIONS)
        assert database.execute("select count(*) from quarantine").fetchone()[0] == 0
        database.close()


def test_outputs_of_an_older_state_are_still_as_written(folder: Path) -> None:
    output = write(folder, "build/a.png", b"pixels")
    digest = hashlib.sha256(b"pixels").hexdigest()
    folder.mkdir(parents=True)
    old = sqlite3.connect(folder / "state.sqlite")
    for statements in MIGRATIONS[:9]:
        old.executescript(statements)
    old.execute("insert into jobs values ('p.yaml', 'a', 'signature', 'textures/a.png', '{}')")
    row = "p.yaml", "a", "build/a.png", "key", digest, 6, OLD, output.stat().st_ino
    old.execute("insert into outputs values (?, ?, ?, ?, ?, ?, ?, ?)", row)
    old.execute("insert into stale values ('p.yaml', 'build/b.png', ?, 6, ?, 1)", (digest, OLD))
    old.execute("pragma user_version = 9")
    old.commit()
    old.close()
    state = open_state(folder)
    assert state.current("a", "signature") == ("build/a.png",)
    assert list(state.stale()) == ["build/b.png"]


def test_a_damaged_state_is_put_aside(folder: Path) -> None:
    open_state(folder).close()
    (folder / "state.sqlite").write_bytes(b"scribble" * 4096)
    open_state(folder).close()
    assert len(list(folder.glob("state.sqlite.damaged-*"))) == 1


def test_a_record_is_current_while_its_outputs_are_as_written(folder: Path) -> None:
    output = write(folder, "build/a.png", b"pixels")
    state = open_state(folder)
    digest = state.digest("build/a.png")
    published = Published("build/a.png", "key", digest, stat_of(str(output)))
    state.remember("a", "signature", ["textures/a.png"], {"seed": 0}, [published])
    state.close()
    state = open_state(folder)
    assert state.current("a", "signature") == ("build/a.png",)
    assert state.current("a", "another") is None
    assert open_state(folder, "other.yaml").current("a", "signature") is None
    os.utime(output, ns=(OLD + 5, OLD + 5))
    assert state.current("a", "signature") == ("build/a.png",)  # touched, and the same
    output.write_bytes(b"picsels")
    assert state.output("build/a.png") == "changed"
    output.unlink()
    assert state.output("build/a.png") == "missing"
    state.forget("a")
    assert open_state(folder).record("a") is None


def test_attempts_that_a_crash_cut_off_do_not_count(folder: Path) -> None:
    state = open_state(folder)
    assert state.journal.attempt_begins("a", "s", "run 1") == 0
    state.journal.attempt_failed("a", "run 1", "no luck")
    assert state.journal.attempt_begins("a", "s", "run 1") == 1
    state.close()  # and then the power went
    state = open_state(folder)
    assert state.journal.attempt_begins("a", "s", "run 2") == 1
    assert state.journal.attempt_begins("a", "another", "run 2") == 0


def test_a_job_is_claimed_by_one_run_alone(folder: Path) -> None:
    one, other = open_state(folder), open_state(folder)
    assert one.journal.claim("a", "run 1") == "run 1"
    assert other.journal.claim("a", "run 2") == "run 1"
    assert other.journal.claims() == [("a", "run 1")]
    other.journal.unclaim("a", "run 2")
    assert other.journal.claim("a", "run 2") == "run 1"
    one.journal.unclaim("a", "run 1")
    assert other.journal.claim("a", "run 2") == "run 2"


OPEN_MANY = """
import sys
from pathlib import Path
from assetforge.store.schema import open_database

for n in range(25):
    open_database(Path(sys.argv[1]) / str(n) / "state.sqlite").close()
"""


def test_many_processes_may_open_a_new_state_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN_MANY, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    assert [process.communicate()[1] for process in processes] == [""] * 6


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_the_state_is_its_users_own_and_outputs_are_as_always(project: Path, forge: Forge) -> None:
    before = os.umask(0o022)
    try:
        assert forge("run", "pipeline.yaml").returncode == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((project / ".assetforge").stat().st_mode) == 0o700
    outputs = [path for path in (project / "build").rglob("*") if path.is_file()]
    assert outputs
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in outputs)


@pytest.mark.limited
def test_a_file_of_one_large_hole_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "hole.exr").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(SourceError, match="more than 100 bytes"):
        State(tmp_path / "state", "p", tmp_path).digest("hole.exr", 100)


@pytest.mark.limited
@pytest.mark.parametrize(
    "statement",
    [
        "insert into jobs values ('p.yaml', 'a', 'x', null, '{}')",
        "insert into outputs values ('p.yaml', 'a', 'b', 'c', x'00', 1, 2, 3, 4)",
        "insert into outputs values ('p.yaml', 'a', 'b', 'c', 'd', 'long', 2, 3, 4)",
        "insert into flags values ('p.yaml', 'a', '[')",
        "insert into runs values ('p.yaml', 1, 0, 'x')",
        "drop table stale",
    ],
)
def test_a_state_with_what_we_never_write_is_put_aside(statement: str, folder: Path) -> None:
    open_state(folder).close()
    with sqlite3.connect(folder / "state.sqlite") as database:
        database.execute(statement)
    database.close()
    state = open_state(folder)
    assert not list(state.recorded())
    state.close()
    assert list(folder.glob("state.sqlite.damaged-*"))


@pytest.mark.limited
def test_what_explains_a_rebuild_may_be_nonsense(folder: Path) -> None:
    open_state(folder).close()
    with sqlite3.connect(folder / "state.sqlite") as database:
        database.execute("insert into jobs values ('p.yaml', 'a', 'x', 'y', ?)", ["[" * 100_000])
        database.execute("insert into flags values ('p.yaml', 'a', '{}')")
    database.close()
    state = open_state(folder)
    assert state.facts("a") == {}
    assert state.flags("a") == ()
    state.close()


def test_with_very_many_outputs_one_is_removed_or_renamed_as_fast_as_with_few(folder: Path) -> None:
    count, taken = 10_000, 500
    names = [f"a{number}" for number in range(count)]
    database = open_database(folder / "state.sqlite")
    database.execute("begin")
    database.executemany("insert into jobs values ('p.yaml', ?, 's', '', '{}')", [(name,) for name in names])
    row = "insert into outputs values ('p.yaml', ?, ?, 'key', 'sha256', 1, 1, 1, 1)"
    database.executemany(row, [(name, f"old/{name}.png") for name in names])
    row = "insert into stale values ('p.yaml', ?, 'sha256', 1, 1, 1, 1)"
    database.executemany(row, [(f"older/{name}.png",) for name in names])
    database.execute("commit")
    database.close()
    state = open_state(folder)
    began = time.process_time()
    for name in names[:taken]:
        assert not state.is_of_another(f"old/{name}.png")
        assert not state.is_of_another_spelling(f"old/{name}.png")
        state.forget(name)
    for name in names[taken : 2 * taken]:
        state.remember(name, "s", [], {}, [Published(f"new/{name}.png", "key", "sha256", (1, 1, 1, 1))])
    assert time.process_time() - began < 0.7  # to go through all for each took more than a second
    assert len(state.stale()) == count + taken
    state.close()


def test_a_name_of_another_case_is_found_until_it_is_forgotten(folder: Path) -> None:
    output = write(folder, "build/a.png", b"pixels")
    (output.parent / "A.png").hardlink_to(output)  # as though the disk did not tell them apart
    state = open_state(folder)
    for asset, name in (("a", "build/a.png"), ("A", "build/A.png")):
        state.remember(asset, "s", [], {}, [Published(name, "key", "sha256", (1, 1, 1, 1))])
    assert state.is_of_another_spelling("build/a.png")
    state.forget("A")
    assert not state.is_of_another_spelling("build/a.png")
    state.close()


def test_what_was_built_is_not_quarantined_any_more(folder: Path) -> None:
    state = open_state(folder)
    state.journal.quarantine("a", "bad", 3, "it broke", "")
    state.remember("a", "good", [], {}, [])
    assert state.quarantined("a") is None
    state.close()


def test_files_that_are_gone_with_their_job_are_not_remembered_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder through which ever new files pass would fill the state, and the memory of who loads it."""
    monkeypatch.setattr("assetforge.store.state.RACY_NS", 0)
    state = open_state(folder)
    for name in ("textures/gone.png", "textures/stays.png"):
        write(folder, name, name.encode())
        state.digest(name)
    state.remember("a", "s", ["textures/gone.png", "textures/stays.png"], {}, [])
    state.save()
    (folder.parent / "textures" / "gone.png").unlink()
    state.forget("a")
    state.close()
    database = open_database(folder / "state.sqlite")
    assert database.execute("select path from files").fetchall() == [("textures/stays.png",)]
    database.close()
