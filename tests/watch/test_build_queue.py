"""The queue submits what is out of date, once, in order, and never what is not at rest. Nothing here sleeps or runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import shared
from execute.conftest import write_project
from watch.conftest import picture
from watch.fakes import FakeClock, FakeSession

from assetforge.build import Build
from assetforge.errors import AssetForgeError, Problem
from assetforge.events import Event, JobFinished, NothingToDo, Waiting
from assetforge.plan.assets import Catalog
from assetforge.plan.jobs import Job
from assetforge.report import ReportBuilder
from assetforge.watch.build_queue import REPORT_AFTER, BuildQueue, Outcomes
from assetforge.watch.file_tracker import FileTracker
from assetforge.watch.folder_watcher import FolderScanner


class Queueing:
    """A queue of a real pipeline, on a fake clock, with a session that does nothing."""

    def __init__(self, project: Path, *, newest_first: bool = False) -> None:
        self.project = project
        self.clock, self.session, self.events = FakeClock(), FakeSession(), list[Event]()
        self.build = Build(project / "pipeline.yaml")
        scanner, catalog = FolderScanner(self.build.pipeline), Catalog(self.build.pipeline)
        self.tracker = FileTracker(scanner.stat, scanner.is_complete, catalog.of, self.clock)
        emit = self.events.append
        outcomes = Outcomes(ReportBuilder("", emit), emit, self.clock)
        session: Any = self.session
        self.queue = BuildQueue(self.build, session, self.tracker, catalog, outcomes, newest_first)
        self.queue.plan_everything()

    def write(self, name: str, content: bytes | None = None, *, modified: int = 0, live: bool = True) -> None:
        """Write a file of which an event tells, or not."""
        path = self.project / "textures" / name
        path.write_bytes(picture(len(name)) if content is None else content)
        if modified:
            os.utime(path, (modified, modified))
        self.tracker.expect([name], closed=True, live=live)

    def delete(self, name: str) -> None:
        (self.project / "textures" / name).unlink()
        self.tracker.expect([name], live=True)

    def settle(self) -> None:
        """Let time pass until all files have settled, and hand them over."""
        while self.tracker.pending_count:
            changes = self.tracker.poll()
            for name, live in changes.settled.items():
                self.queue.add(name, live=live)
            for name, live in changes.removed.items():
                self.queue.remove(name, live=live)
            self.clock.now += 0.5

    def plan(self) -> list[str]:
        """Plan as the event loop does; return what was submitted by it."""
        before = len(self.session.submitted)
        if not self.queue.needs_full_plan and self.queue.ready:
            self.queue.plan_ready()
        if self.queue.needs_full_plan:
            self.queue.plan_everything()
        return self.session.submitted[before:]


@pytest.fixture
def queueing(project: Path) -> Iterator[Queueing]:
    made = Queueing(project)
    with made.build:
        yield made


def need_roughness(project: Path) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace('_d.png"', '_d.png", roughness: "{name}_r.png"'))


def test_a_file_that_has_settled_becomes_a_job_once(queueing: Queueing) -> None:
    queueing.write("a_d.png")
    assert queueing.plan() == []
    queueing.settle()
    assert queueing.plan() == ["a"]
    assert queueing.plan() == []
    queueing.session.begin()
    assert not queueing.queue.is_empty
    queueing.queue.take_result(queueing.session.end())
    assert queueing.queue.is_empty
    assert not queueing.queue.outcomes.failed


def test_jobs_are_hurried_whether_they_wait_or_are_planned_later(project: Path) -> None:
    queueing = Queueing(project)
    for name in ("a", "b", "c"):
        queueing.write(f"{name}_d.png", picture(ord(name)))
    queueing.settle()
    queueing.plan()
    assert queueing.queue.hurry(["c", "later"]) == ["c"]
    assert [job.asset for job in queueing.session.waiting] == ["c", "a", "b"]
    queueing.write("later_d.png", picture(9))
    queueing.settle()
    queueing.plan()
    assert [job.asset for job in queueing.session.waiting] == ["later", "c", "a", "b"]


def test_of_too_many_names_to_hurry_the_oldest_are_dropped(queueing: Queueing) -> None:
    queueing.queue.hurry(["oldest", "kept"])
    queueing.queue.hurry([str(number) for number in range(999)])
    for name in ("a", "oldest", "kept"):
        queueing.write(f"{name}_d.png", picture(ord(name[0])))
    queueing.settle()
    assert queueing.plan() == ["a", "oldest", "kept"]
    assert [job.asset for job in queueing.session.waiting] == ["kept", "a", "oldest"]


def test_an_asset_waits_while_another_of_its_files_arrives(project: Path) -> None:
    need_roughness(project)
    queueing = Queueing(project)
    queueing.write("a_d.png")
    queueing.settle()
    queueing.write("a_r.png", picture(2, gray=True))
    assert queueing.queue.ready == set()
    assert queueing.plan() == []
    queueing.settle()
    assert queueing.plan() == ["a"]


def test_an_asset_whose_group_is_incomplete_waits_and_says_so_once(project: Path) -> None:
    need_roughness(project)
    queueing = Queueing(project)
    queueing.write("a_d.png")
    queueing.settle()
    assert queueing.plan() == []
    outcomes, told = queueing.queue.outcomes, queueing.clock.now
    for after in (0.0, REPORT_AFTER - 1):
        queueing.clock.now = told + after
        outcomes.report_incomplete()
        assert queueing.events == []
    for after in (REPORT_AFTER, 2 * REPORT_AFTER):
        queueing.clock.now = told + after
        outcomes.report_incomplete()
        assert queueing.events == [Waiting("a", str(project / "textures" / "a_r.png"))]
    queueing.write("a_r.png", picture(2, gray=True))
    queueing.settle()
    assert queueing.plan() == ["a"]
    assert outcomes.incomplete == {}


def test_an_asset_whose_files_are_deleted_before_the_plan_is_forgotten(queueing: Queueing) -> None:
    queueing.write("a_d.png")
    queueing.settle()
    queueing.delete("a_d.png")
    assert queueing.plan() == []
    queueing.settle()
    assert queueing.plan() == []
    assert queueing.queue.is_empty


def test_sources_that_change_while_they_are_built_are_built_again(queueing: Queueing) -> None:
    queueing.write("a_d.png")
    queueing.settle()
    queueing.plan()
    queueing.session.begin()
    queueing.write("a_d.png", picture(99))
    queueing.settle()
    assert queueing.plan() == []  # it is being built
    assert not queueing.queue.is_empty
    queueing.queue.take_result(queueing.session.end(Problem("a", "changed"), stale=True))
    assert queueing.plan() == []  # its files are looked at again first
    queueing.settle()
    assert queueing.plan() == ["a"]
    assert queueing.queue.outcomes.failed == {}


def test_a_file_that_is_renamed_over_a_waiting_one_is_not_submitted_twice(queueing: Queueing) -> None:
    queueing.write("a_d.png")
    queueing.settle()
    assert queueing.plan() == ["a"]
    textures = queueing.project / "textures"
    (textures / "a.tmp").write_bytes(picture(5))
    (textures / "a.tmp").replace(textures / "a_d.png")
    queueing.tracker.expect(["a_d.png"], closed=True, live=True)
    queueing.settle()
    assert queueing.plan() == []
    queueing.session.begin()
    queueing.queue.take_result(queueing.session.end(Problem("a", "changed"), stale=True))
    queueing.settle()
    assert queueing.plan() == ["a"]


def test_a_plan_that_fails_loses_nothing(queueing: Queueing, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssetForgeError("state", "cannot be read", "check the disk")

    queueing.write("a_d.png")
    queueing.settle()
    with monkeypatch.context() as patch:
        patch.setattr(queueing.build, "plan_assets", refuse)
        for plan in (queueing.queue.plan_ready, queueing.queue.plan_everything):
            queueing.queue.needs_full_plan = plan == queueing.queue.plan_everything
            with pytest.raises(AssetForgeError):
                plan()
            assert not queueing.queue.is_empty
    assert queueing.plan() == ["a"]


def test_a_burst_of_changes_that_need_no_work_is_told_once(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", assets=5)
    assert shared().run(project, "run", "pipeline.yaml").code == 0
    queueing = Queueing(project)
    queueing.write("new_d.png")
    for index in range(5):
        texture = project / "textures" / f"a{index:02}_d.png"
        queueing.write(texture.name, texture.read_bytes(), live=index > 0)
    queueing.settle()
    assert queueing.plan() == ["new"]
    assert queueing.events == []
    for _ in range(2):
        queueing.queue.outcomes.report_unchanged()
        assert queueing.events == [NothingToDo(("a01", "a02", "a03"), 4)]


def test_a_change_that_leaves_a_known_mistake_is_told_as_nothing_to_do(queueing: Queueing) -> None:
    queueing.write("bad_d.png.forge.yaml", b"gain: nonsense\n")
    for told in ([], [NothingToDo(("bad",), 1)]):
        queueing.write("bad_d.png")
        queueing.settle()
        assert queueing.plan() == []
        queueing.queue.outcomes.report_unchanged()
        assert queueing.events[1:] == told


def test_an_asset_that_cannot_be_planned_stops_no_other_and_is_told_once(queueing: Queueing) -> None:
    queueing.write("bad_d.png.forge.yaml", b"gain: nonsense\n")
    queueing.write("bad_d.png")
    queueing.write("good_d.png")
    queueing.settle()
    assert queueing.plan() == ["good"]
    queueing.queue.needs_full_plan = True
    assert queueing.plan() == []
    [told] = queueing.events
    assert isinstance(told, JobFinished)
    assert (told.asset, told.state) == ("bad", "failed")
    assert queueing.queue.outcomes.failed.keys() == {"bad"}
    queueing.delete("bad_d.png.forge.yaml")
    queueing.settle()
    assert queueing.plan() == ["bad"]
    assert queueing.queue.outcomes.failed == {}


@pytest.mark.parametrize(("newest_first", "order"), [(False, ["b", "c", "a"]), (True, ["a", "c", "b"])])
def test_jobs_come_by_the_age_of_their_sources(newest_first: bool, order: list[str], project: Path) -> None:
    queueing = Queueing(project, newest_first=newest_first)
    for name, modified in {"a": 3000, "b": 1000, "c": 2000}.items():
        queueing.write(f"{name}_d.png", modified=modified)
    queueing.settle()
    assert queueing.plan() == order


def test_what_an_event_told_of_comes_before_what_a_scan_has_found(queueing: Queueing) -> None:
    queueing.write("scanned_d.png", modified=1000, live=False)
    queueing.write("dropped_d.png", modified=2000)
    queueing.settle()
    assert queueing.plan() == ["dropped", "scanned"]


def test_jobs_that_are_withdrawn_are_planned_again(queueing: Queueing) -> None:
    queueing.write("a_d.png")
    queueing.settle()
    queueing.plan()
    queueing.queue.cancel_pending()
    assert queueing.session.waiting == []
    assert queueing.plan() == ["a"]


def test_jobs_that_other_runs_did_are_planned_again_when_those_have_ended(queueing: Queueing) -> None:
    queueing.write("a_d.png")
    queueing.settle()
    queueing.plan()
    queueing.session.claimed_elsewhere = queueing.session.cancel_pending()
    assert queueing.plan() == []
    assert not queueing.queue.is_empty
    queueing.queue.plan_reclaimed()
    assert queueing.plan() == ["a"]


def test_outputs_that_collide_with_those_under_way_need_a_plan_of_everything(project: Path) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(
        text.replace('"{name}_d.png"', '"{kind}-{name}_d.png"').replace("build/{name}", "build")
    )
    queueing = Queueing(project)
    queueing.write("x-same_d.png")
    queueing.settle()
    assert queueing.plan() == ["x/same"]
    queueing.write("y-same_d.png")
    queueing.settle()
    queueing.queue.plan_ready()
    assert queueing.queue.needs_full_plan
    assert queueing.plan() == []
    assert queueing.queue.outcomes.failed.keys() >= {"y/same"}


class Unlisted(FakeSession):
    """A session whose waiting jobs are too many to go through them all at every step of the loop."""

    @property
    def waiting(self) -> list[Job]:
        raise AssertionError("all waiting jobs were gone through")

    @waiting.setter
    def waiting(self, _: list[Job]) -> None: ...

    @property
    def waiting_assets(self) -> set[str]:
        return {"b"}


def test_what_is_ready_is_known_without_going_through_all_that_waits(queueing: Queueing) -> None:
    for name in ("a", "b"):
        queueing.write(f"{name}_d.png")
    queueing.settle()
    session: Any = Unlisted()
    queueing.queue.session = session
    assert queueing.queue.ready == {"a"}
    assert not queueing.queue.is_empty
