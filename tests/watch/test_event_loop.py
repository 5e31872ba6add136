"""The loop does each thing when it is due, takes what events told of, and outlives what goes wrong."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any, Self

import pytest
from watch.fakes import FakeClock, FakeSession

from assetforge.build import Build
from assetforge.errors import AssetForgeError
from assetforge.events import Event, Trouble
from assetforge.watch import daemon as daemon_module
from assetforge.watch.daemon import Daemon, WatchOptions
from assetforge.watch.event_loop import Throttle
from assetforge.watch.folder_watcher import Batch, EventBuffer, FolderScanner, SystemObserver


def test_a_throttle_lets_something_be_done_once_a_period() -> None:
    clock, done = FakeClock(), list[float]()
    throttle = Throttle(1.0, 0.1, clock)
    for now in (0.0, 0.5, 0.9, 1.0, 1.9, 2.0):
        clock.now = now
        throttle.run(lambda now=now: done.append(now))  # type: ignore[misc]
    assert done == [0.0, 1.0, 2.0]
    throttle.make_due()
    assert throttle.is_due


def test_a_throttle_lets_what_takes_long_be_done_for_a_share_of_the_time() -> None:
    clock = FakeClock()
    throttle = Throttle(1.0, 0.1, clock)
    assert throttle.run(lambda: setattr(clock, "now", 2.0))
    assert throttle.due == pytest.approx(20.0)


def test_a_buffer_wakes_whoever_waits_once_and_keeps_the_last_word_on_each_file() -> None:
    woken: list[int] = []
    buffer = EventBuffer(lambda: woken.append(1))
    buffer.add_file("a", closed=False)
    buffer.add_file("a", closed=True)
    buffer.add_folder("b")
    assert woken == [1]
    assert buffer.take() == Batch({"a": True}, {"b"})
    assert not buffer
    buffer.add_loss("overflow")
    assert woken == [1, 1]
    assert buffer.take() == Batch(lost="overflow")


def test_what_the_library_says_of_a_loss_names_folders_as_people_do(tmp_path: Path) -> None:
    buffer = EventBuffer(lambda: None)
    observer = SystemObserver(tmp_path, buffer)
    try:
        logging.getLogger("watchdog.observers.inotify").warning("overflowed below %r", os.fsencode(tmp_path))
    finally:
        observer.stop()
    assert buffer.take().lost == f"overflowed below '{tmp_path}'"


def test_a_buffer_that_is_full_asks_for_a_scan_instead() -> None:
    buffer = EventBuffer(lambda: None, capacity=3)
    for number in range(4):
        buffer.add_file(str(number), closed=True)
    assert buffer.take() == Batch({"3": True}, lost="too much happens at once")


class OneStep(FakeSession):
    """A session that stops the daemon as soon as it is asked to go on."""

    daemon: Daemon

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def warm_up(self) -> None: ...

    def wake(self) -> None: ...

    def poll(self, *_: object, **__: object) -> list[Any]:
        self.daemon.stop()
        return []


def test_a_plan_that_fails_keeps_the_daemon_going(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write("watch: {polling: always}\n")
    plans: list[bool] = []

    def plan(build: Build, assets: object, *, all_of_them: bool) -> Any:
        plans.append(all_of_them)
        if len(plans) == 1:
            raise AssetForgeError("state.sqlite", "cannot be read", "check the disk")
        return real_plan(build, [], all_of_them=all_of_them)

    real_plan, session, events = Build.plan_assets, OneStep(), list[Event]()
    monkeypatch.setattr(Build, "plan_assets", plan)
    monkeypatch.setattr(Build, "session", lambda *_: session)
    monkeypatch.setattr(daemon_module, "_SHORTEST_PAUSE", 0.0)
    daemon = Daemon(lambda: Build(project / "pipeline.yaml"), events.append, lambda _: None, WatchOptions("cpu"))
    session.daemon = daemon
    daemon.run()
    assert plans == [True, True]
    [told] = [event for event in events if isinstance(event, Trouble)]
    assert "cannot be read" in told.what
    assert "trying again" in told.what


def test_folders_that_come_or_go_at_once_are_looked_at_together(project: Path) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace('"{name}_d.png"', '"**/{name}_d.png"'))
    sources = project / "textures"
    for folder in ("walls", "walls/old", "walls2"):
        (sources / folder).mkdir()
        (sources / folder / "a_d.png").write_bytes(b"")
    with Build(project / "pipeline.yaml") as build:
        scanner = FolderScanner(build.pipeline)
    count = 3000
    gone = [f"gone{number}" for number in range(count)]
    known = [f"{folder}/a_d.png" for folder in (*gone, "goner", "walls")]
    began = time.process_time()
    names = scanner.names_below({str(sources / name) for name in (*gone, "walls", "walls/old")}, known)
    assert time.process_time() - began < 0.4  # to go through all known files for each folder took more than that
    assert names == {*(f"{name}/a_d.png" for name in gone), "walls/a_d.png", "walls/old/a_d.png"}
