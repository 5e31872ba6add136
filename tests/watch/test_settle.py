"""A file has settled when two looks, far enough apart, find the same, and its end is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetforge.codecs.completeness import End
from assetforge.watch.settle import Look, Settling, Stat

SAME: Stat = (100, 1, 1)


def look(settling: Settling, now: float, stat: Stat | None, end: End = "there") -> Look:
    return settling.look(now, lambda _: stat, lambda _: end)


def test_a_closed_file_settles_soon_but_never_at_the_first_look() -> None:
    settling = Settling()
    settling.expect(["a"], 0.0, closed=True)
    assert not look(settling, 5.0, SAME).settled
    assert look(settling, 5.01, SAME).settled == {"a": SAME}
    assert len(settling) == 0


def test_a_file_that_nobody_closed_waits_longer() -> None:
    settling = Settling()
    settling.expect(["a"], 0.0)
    look(settling, 0.1, SAME)
    assert not look(settling, 1.9, SAME).settled
    assert look(settling, 2.0, SAME).settled


def test_a_change_begins_the_wait_anew_and_outweighs_an_earlier_close() -> None:
    settling = Settling()
    settling.expect(["a"], 0.0, closed=True)
    look(settling, 0.1, SAME)
    look(settling, 0.2, (200, 2, 1))
    assert not look(settling, 0.6, (200, 2, 1)).settled
    assert not look(settling, 2.5, (200, 2, 1)).settled
    assert look(settling, 2.6, (200, 2, 1)).settled


def test_a_close_after_the_last_change_shortens_the_wait() -> None:
    settling = Settling()
    settling.expect(["a"], 0.0)
    look(settling, 0.1, SAME)
    settling.expect(["a"], 0.5, closed=True)
    assert not look(settling, 0.7, SAME).settled
    assert look(settling, 0.8, SAME).settled


def test_a_file_without_its_end_is_waited_for_but_not_for_ever() -> None:
    settling = Settling()
    settling.expect(["a"], 0.0)
    for now in (0.0, 5.0, 29.0):
        assert not look(settling, now, SAME, "missing").settled
    assert look(settling, 30.0, SAME, "missing").settled


def test_a_file_is_gone_when_it_has_stayed_away_and_told_once() -> None:
    settling = Settling()
    settling.expect(["a"], 0.0)
    assert look(settling, 0.1, None).gone == ()
    assert look(settling, 2.1, None).gone == ("a",)
    assert look(settling, 4.2, None).gone == ()


def test_a_program_that_removes_a_file_to_save_it_has_not_removed_it() -> None:
    settling = Settling()
    settling.expect(["a"], 0.0)
    look(settling, 0.1, None)
    settling.expect(["a"], 0.2, closed=True)
    assert look(settling, 0.5, SAME) == Look({}, ())
    assert look(settling, 0.8, SAME).settled == {"a": SAME}


def test_the_next_look_is_when_something_may_have_settled() -> None:
    settling = Settling()
    assert settling.next_look(0.0) is None
    settling.expect(["a"], 0.0)
    assert settling.next_look(0.0) == 0.02
    look(settling, 0.1, SAME)
    assert settling.next_look(0.5) == pytest.approx(1.5)
    settling.expect(["b"], 1.0, closed=True)
    look(settling, 1.0, SAME)
    assert settling.next_look(1.1) == pytest.approx(0.2)
    assert settling.next_look(9.0) == 0.02


@given(st.lists(st.floats(0.01, 1.5), min_size=1, max_size=20), st.integers(1, 10))
def test_a_file_that_is_written_in_pieces_never_settles_before_the_last(gaps: list[float], step: int) -> None:
    """Whatever the pauses, as long as they are shorter than the wait; looks come at any rhythm."""
    settling = Settling()
    settling.expect(["a"], 0.0)
    ends = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    size: Callable[[float], int] = lambda now: sum(end <= now for end in ends)  # noqa: E731
    now = 0.0
    while now < ends[-1]:
        assert not look(settling, now, (size(now), size(now), 1)).settled
        now += step / 37
