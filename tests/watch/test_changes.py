"""The daemon keeps up with changes of the pipeline, shares its project with others, and says what it does."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from commands import shared
from execute.conftest import executions, outputs, start
from watch.conftest import PATIENCE, Start, picture

from assetforge.watch.file_tracker import QuietTimes


def add(project: Path, *names: str) -> None:
    for name in names:
        (project / "textures" / f"{name}_d.png").write_bytes(picture(zlib.crc32(name.encode())))


def test_a_changed_pipeline_is_planned_anew_and_a_wrong_one_changes_nothing(project: Path, watch: Start) -> None:
    add(project, "a")
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    before, since = outputs(project), watcher.status()["since"]
    right = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(right.replace("use: work", "use: wrok"))
    watcher.wait_for(lambda: watcher.events("PipelineChanged"))
    assert "did you mean 'work'" in watcher.events("PipelineChanged")[0]["problem"]
    add(project, "b")
    watcher.wait_for(lambda: watcher.states()["done"] == 2)
    (project / "pipeline.yaml").write_text(right.replace("use: work", "use: work, with: {gain: 0.9}"))
    watcher.wait_for(lambda: watcher.states()["done"] == 4)
    assert watcher.events("PipelineChanged")[-1]["problem"] == ""
    assert outputs(project)["build/a/a_base_color.png"] != before["build/a/a_base_color.png"]
    watcher.wait_until_idle(done=4)  # since the daemon began, whatever was opened anew
    assert watcher.status()["since"] == since  # it is the same daemon


@pytest.mark.parametrize("keep", [False, True])
def test_what_a_changed_pipeline_does_not_make_any_more_goes(keep: bool, project: Path, watch: Start) -> None:
    add(project, "a", "b")
    watcher = watch(project, *["--keep-stale"] * keep)
    watcher.wait_for(lambda: watcher.states()["done"] == 2)
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace("outputs: {", "outputs: {format: tga, "))
    watcher.wait_for(lambda: watcher.states()["done"] == 4)
    if not keep:
        watcher.wait_for(lambda: len(watcher.events("OutputRemoved")) == 2)
    assert watcher.stop() == 0
    kept = {"build/a/a_base_color.png", "build/b/b_base_color.png"} if keep else set()
    assert outputs(project).keys() == {"build/a/a_base_color.tga", "build/b/b_base_color.tga"} | kept


def test_a_changed_plugin_is_used_at_once(project: Path, watch: Start) -> None:
    add(project, "a")
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    plugin = project / "plugins" / "work.py"
    plugin.write_text(plugin.read_text().replace("base.data * params.gain", "base.data * 0"))
    watcher.wait_for(lambda: watcher.states()["done"] == 2)
    assert watcher.events("JobStarted")[-1]["why"]


def test_a_changed_override_reaches_its_assets(project: Path, watch: Start) -> None:
    add(project, "a", "b")
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 2)
    (project / "textures" / "a_d.png.forge.yaml").write_text("gain: 0.25\n")
    watcher.wait_for(lambda: watcher.states()["done"] == 3)
    assert watcher.started() == {"a": 2, "b": 1}
    (project / "textures" / "forge.yaml").write_text("gain: nonsense\n")
    watcher.wait_for(lambda: watcher.states()["failed"] == 1)  # the asset's own file wins
    (project / "textures" / "forge.yaml").unlink()
    (project / "textures" / "a_d.png.forge.yaml").unlink()
    watcher.wait_for(lambda: watcher.states()["done"] == 4)


def test_a_source_that_a_folder_of_its_name_replaces_is_gone(project: Path, watch: Start) -> None:
    add(project, "a", "b")
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 2)
    (project / "textures" / "a_d.png").unlink()
    (project / "textures" / "a_d.png").mkdir()
    watcher.wait_for(lambda: watcher.events("OutputRemoved") or watcher.states()["failed"])
    assert [Path(event["path"]).name for event in watcher.events("OutputRemoved")] == ["a_base_color.png"]
    assert not watcher.states()["failed"]


def test_a_second_daemon_says_that_there_is_one(project: Path, watch: Start) -> None:
    watcher = watch(project)
    watcher.wait_until_watching()
    watcher.wait_for(lambda: "process" in shared().run(project, "watch", "pipeline.yaml").err)
    second = shared().run(project, "watch", "pipeline.yaml")
    assert second.code == 2
    assert f"is being watched already (process {watcher.process.pid})" in second.err


def _count(status: dict[str, Any]) -> int:
    return len(status["building"]) + int(status["waiting_count"]) + int(status["done_count"])


def test_status_shows_the_queue_from_another_terminal(project: Path, watch: Start) -> None:
    plugin = project / "plugins" / "work.py"
    plugin.write_text(plugin.read_text().replace("    good =", "    time.sleep(5)\n    good ="))
    watcher = watch(project)
    watcher.wait_until_watching()
    add(project, *(f"a{n:02}" for n in range(20)))
    watcher.wait_for(lambda: watcher.status().get("building"))
    watcher.wait_for(lambda: _count(watcher.status()) == 20)
    data = json.loads(shared().run(project, "status", "pipeline.yaml", "--json").out)["daemon"]
    assert data["pid"] == watcher.process.pid
    assert data["how"] == "events"
    assert data["building"]
    assert _count(data) == 20
    shown = shared().run(project, "status", "pipeline.yaml").out
    assert f"process {watcher.process.pid}" in shown
    assert watcher.stop() == 0
    assert json.loads(shared().run(project, "status", "pipeline.yaml", "--json").out)["daemon"] is None


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_in_good_order(sent: int, code: int, project: Path, watch: Start) -> None:
    plugin = project / "plugins" / "work.py"
    plugin.write_text(plugin.read_text().replace("    good =", "    time.sleep(1.5)\n    good ="))
    add(project, "a", "b", "c")
    watcher = watch(project)
    watcher.wait_for(lambda: executions(project))
    assert watcher.stop(sent) == code
    assert executions(project) < 3  # what was under way is finished, and the rest is left
    assert not list((project / ".assetforge" / "runs").glob("*/"))
    assert "Traceback" not in watcher.said()
    assert shared().run(project, "run", "pipeline.yaml").code == 0
    assert len(outputs(project)) == 3


def test_once_ends_like_a_run(project: Path, watch: Start) -> None:
    empty = watch(project, "--once")
    assert empty.process.wait(PATIENCE) == shared().run(project, "run", "pipeline.yaml").code == 2
    assert "no file matches" in empty.said()
    add(project, "a", "b")
    watcher = watch(project, "--once")
    assert watcher.process.wait(PATIENCE) == 0
    assert watcher.states() == {"done": 2}
    (project / "textures" / "c_d.png").write_bytes(b"no picture at all")
    assert watch(project, "--once").process.wait(PATIENCE) == 1
    assert watch(project, "--once").process.wait(PATIENCE) == 4


def test_once_waits_while_sources_change_and_ends_when_they_rest(project: Path, watch: Start) -> None:
    add(project, "a")
    watcher = watch(project, "--once")
    source = project / "textures" / "a_d.png"
    written = []
    for seed in range(20):
        beside = project / "beside.png"
        beside.write_bytes(picture(seed))
        beside.replace(source)
        written.append(time.monotonic())
        time.sleep(0.15)  # less than a file must stay the same
    still_there = watcher.process.poll() is None
    written.append(time.monotonic())
    if max(after - before for before, after in pairwise(written)) > QuietTimes().closed:
        pytest.skip("this machine is too busy to write that often")
    assert still_there
    assert watcher.process.wait(PATIENCE) == 0
    assert watcher.events("JobFinished")[-1]["state"] == "done"
    assert shared().run(project, "plan", "pipeline.yaml", "--json").out.count('"up to date"') == 1


def test_once_reports_what_is_not_complete(project: Path, watch: Start) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace('_d.png"', '_d.png", roughness: "{name}_r.png"'))
    add(project, "a")
    watcher = watch(project, "--once")
    assert watcher.process.wait(PATIENCE) == 1
    assert "a_r.png" in watcher.said()


def test_a_run_beside_it_shares_the_work(project: Path, watch: Start) -> None:
    plugin = project / "plugins" / "work.py"
    plugin.write_text(plugin.read_text().replace("    good =", "    time.sleep(0.2)\n    good ="))
    watcher = watch(project)
    watcher.wait_until_watching()
    add(project, *(f"a{n:02}" for n in range(12)))
    process = start(project)
    process.communicate(timeout=120)
    assert process.returncode == 0
    watcher.wait_for(lambda: len(outputs(project)) == 12)
    assert watcher.stop() == 0
    assert executions(project) == 12


def test_colliding_outputs_stop_only_those_who_collide(project: Path, watch: Start) -> None:
    text = (project / "pipeline.yaml").read_text()
    text = text.replace('"{name}_d.png"', '"{kind}/{name}_d.png"').replace("build/{name}", "build")
    (project / "pipeline.yaml").write_text(text)
    for kind in ("x", "y"):
        (project / "textures" / kind).mkdir()
    watcher = watch(project)
    watcher.wait_until_watching()
    (project / "textures" / "x" / "same_d.png").write_bytes(picture(1))
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    (project / "textures" / "y" / "same_d.png").write_bytes(picture(2))
    (project / "textures" / "y" / "other_d.png").write_bytes(picture(3))
    watcher.wait_for(lambda: watcher.states()["done"] == 2)
    watcher.wait_for(lambda: watcher.states()["failed"] >= 1)
    assert "would both be written here" in watcher.said()


def test_results_are_told_to_a_command_and_a_webhook(project: Path, watch: Start) -> None:
    posted: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    command = [sys.executable, "-c", "import sys; open('told', 'ab').write(sys.stdin.buffer.read() + b'\\n')"]
    on_done = json.dumps({"run": command, "post": f"http://127.0.0.1:{server.server_port}/"})
    with (project / "pipeline.yaml").open("a") as file:
        file.write(f"watch: {{on_done: {on_done}}}\n")
    watcher = watch(project)
    watcher.wait_until_watching()
    add(project, "a")
    (project / "textures" / "bad_d.png").write_bytes(b"no picture at all")
    watcher.wait_for(lambda: len(posted) == 2)
    server.shutdown()
    server.server_close()
    told = [json.loads(line) for line in (project / "told").read_text().splitlines()]
    assert sorted(told, key=str) == sorted(posted, key=str)
    states = {result["asset"]: result["state"] for result in posted}
    assert states == {"a": "done", "bad": "failed"}
    add(project, "b")
    watcher.wait_for(lambda: watcher.events("Trouble"))  # nobody listens any more
    assert watcher.states()["done"] == 2


def test_newest_first(project: Path, watch: Start) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write("watch: {order: newest}\n")
    for n in range(8):
        add(project, f"a{n}")
        os.utime(project / "textures" / f"a{n}_d.png", (1000 + n, 1000 + n))
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 8)
    order = [event["asset"] for event in watcher.events("JobStarted")]
    assert order == sorted(order, reverse=True)
