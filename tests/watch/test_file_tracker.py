"""A file has settled when two looks, far enough apart, find the same, and it is complete. Nothing here sleeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watch.fakes import Tracking

from assetforge.watch.file_tracker import FileChanges, Stat

SAME: Stat = (100, 1, 1, 1)


@pytest.fixture
def tracking() -> Tracking:
    return Tracking()


def test_a_closed_file_settles_soon_but_never_at_the_first_look(tracking: Tracking) -> None:
    tracking.folder.files["a"] = SAME
    tracking.tracker.expect(["a"], closed=True)
    tracking.poll(5.0)
    assert tracking.settled == []
    tracking.poll(5.01)
    assert tracking.settled == ["a"]
    assert tracking.tracker.files == {"a": SAME}
    assert tracking.tracker.pending_count == 0


def test_a_file_that_nobody_closed_waits_longer(tracking: Tracking) -> None:
    tracking.folder.files["a"] = SAME
    tracking.tracker.expect(["a"])
    tracking.poll(0.1)
    tracking.poll(1.9)
    assert tracking.settled == []
    tracking.poll(2.0)
    assert tracking.settled == ["a"]


def test_a_file_that_grows_is_not_taken_before_it_is_quiet(tracking: Tracking) -> None:
    tracking.tracker.expect(["a"])
    for second in range(20):
        tracking.folder.files["a"] = (second, second, 1)
        tracking.poll(float(second), step=0.1)
    assert tracking.settled == []
    tracking.poll(20.1, step=0.1)  # the last change was between 18.0 and 18.1, and the last look before it at 18.0
    assert tracking.settled == []
    tracking.poll(22.1, step=0.1)
    assert tracking.settled == ["a"]


def test_a_change_begins_the_wait_anew_and_outweighs_an_earlier_close(tracking: Tracking) -> None:
    tracking.folder.files["a"] = SAME
    tracking.tracker.expect(["a"], closed=True)
    tracking.poll(0.1)
    tracking.folder.files["a"] = (200, 2, 1)
    tracking.poll(0.3)
    tracking.poll(0.6)
    tracking.poll(2.2)
    assert tracking.settled == []
    tracking.poll(2.4)
    assert tracking.settled == ["a"]


def test_a_close_after_the_last_change_shortens_the_wait(tracking: Tracking) -> None:
    tracking.folder.files["a"] = SAME
    tracking.tracker.expect(["a"])
    tracking.poll(0.1)
    tracking.clock.now = 0.5
    tracking.tracker.expect(["a"], closed=True)
    tracking.poll(0.7)
    assert tracking.settled == []
    tracking.poll(0.81)
    assert tracking.settled == ["a"]


def test_a_file_without_its_end_is_waited_for_but_not_for_ever(tracking: Tracking) -> None:
    tracking.folder.files["a"] = SAME
    tracking.folder.cut.add("a")
    tracking.tracker.expect(["a"])
    for now in (0.0, 5.0, 29.0):
        tracking.poll(now)
        assert tracking.settled == []
    tracking.poll(30.0)
    assert tracking.settled == ["a"]


def test_a_file_is_gone_when_it_has_stayed_away_and_told_once(tracking: Tracking) -> None:
    tracking.tracker.expect(["a"])
    tracking.poll(0.1)
    assert tracking.removed == []
    tracking.poll(2.1)
    tracking.poll(4.2)
    assert tracking.removed == ["a"]


def test_a_file_that_is_deleted_before_it_has_settled_never_settles(tracking: Tracking) -> None:
    tracking.folder.files["a"] = SAME
    tracking.tracker.expect(["a"])
    tracking.poll(1.0, step=0.1)
    del tracking.folder.files["a"]
    tracking.tracker.expect(["a"])
    tracking.poll(10.0, step=0.1)
    assert (tracking.settled, tracking.removed) == ([], ["a"])
    assert tracking.tracker.pending_count == 0
    assert not tracking.tracker.unsettled_assets


def test_a_program_that_removes_a_file_to_save_it_has_not_removed_it(tracking: Tracking) -> None:
    tracking.tracker.expect(["a"])
    tracking.poll(0.1)
    tracking.clock.now = 0.2
    tracking.tracker.expect(["a"], closed=True)
    tracking.folder.files["a"] = SAME
    tracking.poll(0.5)
    assert (tracking.settled, tracking.removed) == ([], [])
    tracking.poll(0.81)
    assert (tracking.settled, tracking.removed) == (["a"], [])


def test_a_file_that_is_renamed_over_another_settles_with_the_new_content(tracking: Tracking) -> None:
    tracking.tracker.files["a"] = SAME
    tracking.folder.files["a"] = (100, 1, 1, 2)  # of the same size and time: only the inode tells
    tracking.tracker.expect(["a.tmp"], live=True)
    tracking.tracker.expect(["a"], closed=True, live=True)
    tracking.poll(0.0)
    tracking.poll(0.31)
    assert tracking.settled == ["a"]
    assert tracking.tracker.files == {"a": (100, 1, 1, 2)}
    tracking.poll(5.0, step=0.1)
    assert tracking.removed == ["a.tmp"]


def test_the_next_poll_is_when_something_may_have_settled(tracking: Tracking) -> None:
    tracker = tracking.tracker
    tracking.folder.files |= {"a": SAME, "b": SAME}
    assert tracker.next_poll() is None
    tracker.expect(["a"])
    assert tracker.next_poll() == 0.02
    tracking.poll(0.1)
    tracking.clock.now = 0.5
    assert tracker.next_poll() == pytest.approx(2.0)
    tracking.clock.now = 1.0
    tracker.expect(["b"], closed=True)
    tracking.poll(1.0)
    tracking.clock.now = 1.1
    assert tracker.next_poll() == pytest.approx(1.3)
    tracking.clock.now = 9.0
    assert tracker.next_poll() == pytest.approx(9.02)


def test_assets_wait_for_all_of_their_files_that_arrive(tracking: Tracking) -> None:
    tracking.folder.files |= {"a_d": SAME, "a_n": SAME}
    tracking.tracker.expect(["a_d"], closed=True)
    tracking.tracker.expect(["a_n"])
    tracking.poll(0.0)
    tracking.poll(0.5)
    assert tracking.settled == ["a_d"]
    assert set(tracking.tracker.unsettled_assets) == {"a"}
    tracking.poll(2.0)
    assert not tracking.tracker.unsettled_assets


def test_a_scan_finds_what_no_event_told_of(tracking: Tracking) -> None:
    tracker = tracking.tracker
    tracker.files |= {"kept": SAME, "changed": SAME, "gone": SAME}
    tracking.folder.files |= {"kept": SAME, "changed": (2, 2, 2, 2), "new": SAME, "known": SAME}
    found = tracker.take_scan(dict(tracking.folder.files), (), lambda name, _: name == "known")
    assert found == FileChanges({"known": False})
    assert tracker.pending_count == 3
    tracking.poll(0.0)
    tracking.poll(2.0)
    assert sorted(tracking.settled) == ["changed", "new"]
    assert tracking.removed == ["gone"]


def test_a_change_that_a_scan_finds_is_as_live_as_one_that_an_event_told_of(tracking: Tracking) -> None:
    tracker = tracking.tracker
    tracker.files |= {"changed": SAME, "gone": SAME}
    tracking.folder.files |= {"changed": (2, 2, 2, 2), "new": SAME}
    tracker.take_scan(dict(tracking.folder.files), (), lambda *_: False)
    tracker.poll()
    tracking.clock.now = 2.0
    assert tracker.poll() == FileChanges({"changed": True, "new": False}, {"gone": False})


def test_files_that_one_scan_finds_settle_together(tracking: Tracking) -> None:
    tracker, files = tracking.tracker, tracking.folder.files
    files |= {f"new{index}": SAME for index in range(8)}
    read = iter(range(100))
    tracker._clock = lambda: next(read) / 100  # every reading is later than the one before
    tracker.take_scan(dict(files), (), lambda *_: False)
    tracker._clock = tracking.clock
    for at in (0.01, 1.99, *(2 + index / 200 for index in range(20))):
        tracking.poll(at)
        assert len(tracking.settled) in (0, 8)
    assert len(tracking.settled) == 8


def test_a_file_whose_disk_is_away_is_told_from_one_that_was_removed(tracking: Tracking) -> None:
    tracker = tracking.tracker
    tracker.files |= {"disk/a": SAME, "b": SAME}
    tracker.take_scan({}, ("disk/",), lambda *_: False)
    assert tracker.away == {"disk/a"}
    tracker.take_scan({"disk/a": SAME}, (), lambda *_: True)
    assert tracker.away == {"disk/a"}  # it is looked at first
    tracking.folder.files["disk/a"] = SAME
    tracking.poll(0.0)
    tracking.poll(2.0)
    assert tracker.away == set()


@given(st.lists(st.floats(0.01, 1.5), min_size=1, max_size=20), st.integers(1, 10))
def test_a_file_that_is_written_in_pieces_never_settles_before_the_last(gaps: list[float], step: int) -> None:
    """Whatever the pauses, as long as they are shorter than the wait; polls come at any rhythm."""
    tracking = Tracking()
    tracking.tracker.expect(["a"])
    ends = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    now = 0.0
    while now < ends[-1]:
        size = sum(end <= now for end in ends)
        tracking.folder.files["a"] = (size, size, 1)
        tracking.poll(now)
        assert tracking.settled == []
        now += step / 37
