"""The daemon does what other processes ask for, within a second or so, and what an earlier daemon was cut off from."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Forge
from execute.conftest import executions, write_project
from watch.conftest import Start, Watcher, picture

from assetforge.store.requests import Verb, opened_requests
from assetforge.watch.receive import REPLACED

WAITS = "while not (HERE / 'go').exists(): time.sleep(0.01)"


def ask(project: Path, verb: Verb, what: Mapping[str, Any] | None = None) -> int:
    with opened_requests(project / ".assetforge" / "state.sqlite", "pipeline.yaml") as log:
        return log.ask(verb, what or {}, "anna")


def answer(project: Path, number: int, watcher: Watcher) -> Mapping[str, Any]:
    """Wait for the daemon's answer to a request."""
    with opened_requests(project / ".assetforge" / "state.sqlite", "pipeline.yaml") as log:

        def done() -> bool:
            found = log.find(number)
            return found is not None and found.done is not None

        watcher.wait_for(done)
        found = log.find(number)
        assert found is not None
        return found.answer


def upload(
    project: Path, files: Mapping[str, bytes], name: str = "moss", suffix: str = ".png", **more: Any
) -> dict[str, Any]:
    """Put files where uploads arrive; return what asks the daemon to take them."""
    key = str(uuid.uuid4())
    folder = project / "textures" / ".incoming" / key
    folder.mkdir(parents=True)
    about = {}
    for map_name, content in files.items():
        (folder / map_name).write_bytes(content)
        about[map_name] = {"sha256": hashlib.sha256(content).hexdigest(), "suffix": suffix}
    return {"key": key, "fields": {"name": name}, "files": about, **more}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose asset a03 was quarantined by a run."""
    return write_project(tmp_path_factory.mktemp("stopped") / "project", "raise ValueError('bad')", assets=4)


def test_what_failed_is_retried_and_what_is_done_is_rebuilt(stopped: Path, watch: Start) -> None:
    daemon = watch(stopped)
    daemon.wait_for(lambda: daemon.states() == {"done": 3, "failed": 1})
    began = time.monotonic()
    assert answer(stopped, ask(stopped, "retry", {"assets": ["a00", "a03"]}), daemon) == {"assets": ["a03"]}
    assert time.monotonic() - began < 30
    daemon.wait_for(lambda: daemon.states() == {"done": 3, "failed": 2})
    before = executions(stopped)
    assert answer(stopped, ask(stopped, "rebuild", {"assets": ["a01", "none"]}), daemon) == {"assets": ["a01"]}
    daemon.wait_for(lambda: daemon.states()["done"] == 4)
    assert executions(stopped) == before + 1  # the store has its result, and it is not taken from there
    assert daemon.events("JobStarted")[-1]["why"] == ["forced"]


def test_retry_of_the_command_line_asks_the_daemon_or_tells_the_next_run(tmp_path: Path, forge: Forge) -> None:
    project = write_project(tmp_path, "raise ValueError('bad')", assets=4)
    assert forge("run", "pipeline.yaml").returncode == 1
    assert forge("run", "pipeline.yaml").returncode == 4
    said = forge("retry", "pipeline.yaml", "a00")
    assert (said.returncode, said.stdout) == (0, "nothing of that has failed\n")
    assert forge("retry", "pipeline.yaml", "a03").stdout == "retried a03\n"
    before = executions(project)
    assert forge("run", "pipeline.yaml").returncode == 1
    assert executions(project) > before


def test_a_pause_begins_nothing_new_and_outlives_the_daemon(tmp_path: Path, watch: Start) -> None:
    project = write_project(tmp_path / "project", assets=0)
    daemon = watch(project)
    daemon.wait_until_watching()
    answer(project, ask(project, "pause"), daemon)
    daemon.wait_for(lambda: daemon.status().get("paused"))
    (project / "textures" / "a_d.png").write_bytes(picture(1))
    daemon.wait_for(lambda: daemon.status()["waiting_count"] == 1)
    daemon.kill()
    daemon = watch(project)
    daemon.wait_for(lambda: daemon.status().get("waiting_count") == 1)
    assert not daemon.events("JobStarted")
    answer(project, ask(project, "resume"), daemon)
    daemon.wait_for(lambda: daemon.states() == {"done": 1})


def test_what_somebody_is_in_a_hurry_for_is_built_next(project: Path, watch: Start) -> None:
    daemon = watch(project)
    daemon.wait_until_watching()
    answer(project, ask(project, "pause"), daemon)
    for number in range(6):
        (project / "textures" / f"a{number}_d.png").write_bytes(picture(number))
    daemon.wait_for(lambda: daemon.status().get("waiting_count") == 6)
    last = daemon.status()["waiting"][-2:]
    asked = ask(project, "hurry", {"assets": [*last, "later", "nothing"]})
    assert answer(project, asked, daemon) == {"assets": last}
    (project / "textures" / "later_d.png").write_bytes(picture(9))  # as an upload that has not been seen yet
    daemon.wait_for(lambda: daemon.status()["waiting"][:3] == ["later", *last])
    answer(project, ask(project, "resume"), daemon)
    daemon.wait_for(lambda: daemon.states() == {"done": 7})
    assert [one["asset"] for one in daemon.events("JobStarted")][:3] == ["later", *last]


def test_a_canceled_job_is_left_alone_until_it_is_retried(tmp_path: Path, watch: Start) -> None:
    project = write_project(tmp_path / "project", assets=1, pause=WAITS)
    daemon = watch(project)
    daemon.wait_for(lambda: executions(project) == 1)
    assert answer(project, ask(project, "cancel", {"assets": ["a00"]}), daemon) == {"assets": ["a00"]}
    daemon.wait_for(lambda: daemon.states() == {"failed": 1})
    assert daemon.events("JobFinished")[-1]["error"] == "canceled by anna"
    assert not (project / "build").exists()
    daemon.kill()
    (project / "go").touch()
    daemon = watch(project)
    daemon.wait_for(lambda: daemon.states() == {"quarantined": 1})  # no attempt was counted
    answer(project, ask(project, "retry"), daemon)
    daemon.wait_for(lambda: daemon.states()["done"] == 1)


def test_an_upload_becomes_an_asset_and_never_takes_the_place_of_a_source(project: Path, watch: Start) -> None:
    daemon = watch(project)
    daemon.wait_until_watching()
    source, content = project / "textures" / "moss_d.png", picture(1)
    asked = upload(project, {"base_color": content}, params={"work.gain": 0.25})
    assert answer(project, ask(project, "receive", asked), daemon) == {"asset": "moss"}
    assert source.read_bytes() == content
    assert '"work.gain": 0.25' in (project / "textures" / "moss_d.png.forge.yaml").read_text()
    daemon.wait_for(lambda: daemon.states() == {"done": 1})
    assert not list((project / "textures" / ".incoming").iterdir())

    other = upload(project, {"base_color": picture(2)})
    assert answer(project, ask(project, "receive", other), daemon) == {"asset": "moss", "exists": ["moss_d.png"]}
    assert source.read_bytes() == content
    assert answer(project, ask(project, "receive", other | {"replace": True}), daemon) == {"asset": "moss"}
    assert source.read_bytes() == picture(2)
    kept = list((project / ".assetforge" / REPLACED).rglob("moss_d.png"))
    assert [path.read_bytes() for path in kept] == [content]


def test_an_upload_that_was_cut_off_is_taken_up_by_the_next_daemon(project: Path, watch: Start) -> None:
    """A daemon that died had put the first of the files in place, and had not answered."""
    first = watch(project)
    first.wait_until_watching()
    first.kill()
    asked = upload(project, {"base_color": picture(1)})
    folder = project / "textures" / ".incoming" / asked["key"]
    (folder / "base_color").rename(project / "textures" / "moss_d.png")
    number = ask(project, "receive", asked)
    daemon = watch(project)
    assert answer(project, number, daemon) == {"asset": "moss"}
    daemon.wait_for(lambda: daemon.states() == {"done": 1})
    assert not folder.exists()


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"fields": {"name": "../moss"}}, "is no name for a file"),
    ({"fields": {"name": "a/b"}}, "is no name for a file"),
    ({"fields": {"name": "a\0b"}}, "is no name for a file"),
    ({"fields": {"name": ".hidden"}}, "is no name for a file"),
    ({"fields": {"name": "CON"}}, "is no name for a file"),
    ({"fields": {"name": "com1.png"}}, "is no name for a file"),
    ({"fields": {"name": "e\u0301"}}, "is no name for a file"),
    ({"fields": {"name": "x" * 81}}, "is no name for a file"),
    ({"fields": {"name": "dot."}}, "is no name for a file"),
    ({"fields": {"name": "a.part"}}, "is no name for a file"),
    ({"fields": {"name": 7}}, "is no name for a file"),
    ({"fields": {}}, "is no name for a file"),
    ({"fields": []}, "is no name for a file"),
    ({"key": "../../textures"}, "is no UUID"),
    ({"files": {}}, "no file was uploaded"),
    ({"files": {"soul": {"sha256": "0", "suffix": ".png"}}}, "is no input"),
    ({"files": {"base_color": {"sha256": "0", "suffix": "/../x"}}}, "is no input"),
    ({"files": {"base_color": {"sha256": "0", "suffix": ".png"}}}, "is not what was uploaded"),
    ({"params": {"work.gian": 1}}, "is not `seed` nor a parameter"),
    ({"params": {"work.gain": "much"}}, 'is "much"'),
    ({"params": {"outputs.dir": "/"}}, "is not `seed` nor a parameter"),
)


def test_uploads_that_do_not_fit_are_refused_and_leave_nothing(project: Path, watch: Start) -> None:
    daemon = watch(project)
    daemon.wait_until_watching()
    asked = [
        (ask(project, "receive", upload(project, {"base_color": picture(1)}) | more), said) for more, said in REFUSED
    ]
    for number, said in asked:
        assert said in answer(project, number, daemon)["error"]["what"]
    assert [path.name for path in (project / "textures").iterdir()] == [".incoming"]
