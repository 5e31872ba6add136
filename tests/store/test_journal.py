"""The journal: attempts, quarantine, claims of runs beside each other, and how the last run ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from commands import interrupt_at

from assetforge.store.journal import Journal, Quarantine
from assetforge.store.state import State


@pytest.fixture
def states(tmp_path: Path) -> Iterator[tuple[State, State]]:
    """Two processes' states of one pipeline."""
    both = State(tmp_path / ".assetforge", "p.yaml", tmp_path), State(tmp_path / ".assetforge", "p.yaml", tmp_path)
    yield both
    for state in both:
        state.close()


@pytest.fixture
def journal(states: tuple[State, State]) -> Journal:
    return states[0].journal


@pytest.fixture
def other(states: tuple[State, State]) -> Journal:
    return states[1].journal


def fail(journal: Journal, asset: str, signature: str, run: str = "one") -> int:
    before = journal.attempt_begins(asset, signature, run)
    journal.attempt_failed(asset, run, "it broke")
    return before


def test_failed_attempts_on_just_this_are_counted(journal: Journal, other: Journal) -> None:
    assert [fail(journal, "brick", "s") for _ in range(3)] == [0, 1, 2]
    assert other.attempt_begins("brick", "s", "two") == 3
    assert journal.attempt_begins("brick", "changed", "one") == 0
    assert journal.attempt_begins("moss", "s", "one") == 0


def test_what_a_crash_cut_off_does_not_count(journal: Journal) -> None:
    assert journal.attempt_begins("brick", "s", "dead") == 0
    assert journal.attempt_begins("brick", "s", "next") == 0


def test_a_failure_is_that_of_its_run(journal: Journal) -> None:
    journal.attempt_begins("brick", "s", "one")
    journal.attempt_failed("brick", "other run", "no")
    assert journal.attempt_begins("brick", "s", "three") == 0


def test_an_asset_is_quarantined_with_all_that_is_to_be_said(journal: Journal) -> None:
    assert journal.quarantined("brick") is None
    journal.quarantine("brick", "s", 3, "it broke", "log.txt")
    journal.quarantine("ash", "t", 1, "too", "")
    assert journal.quarantined("brick") == Quarantine("brick", "s", 3, "it broke", "log.txt")
    assert [one.asset for one in journal.all_quarantined()] == ["ash", "brick"]


def test_a_later_quarantine_takes_the_place_of_the_earlier(journal: Journal) -> None:
    journal.quarantine("brick", "s", 3, "it broke", "")
    journal.quarantine("brick", "t", 1, "again", "")
    assert [(one.signature, one.attempts) for one in journal.all_quarantined()] == [("t", 1)]


def test_another_process_takes_in_what_is_quarantined_when_it_loads(journal: Journal, other: Journal) -> None:
    journal.quarantine("brick", "s", 3, "it broke", "")
    assert other.quarantined("brick") is None
    assert other.quarantined_meanwhile("brick", "s")
    assert not other.quarantined_meanwhile("brick", "another signature")
    other.load()
    assert other.quarantined("brick") is not None
    assert not other.quarantined_meanwhile("brick", "s")  # it is no news


def test_what_is_released_is_tried_as_if_it_had_never_failed(journal: Journal, other: Journal) -> None:
    fail(journal, "brick", "s")
    journal.quarantine("brick", "s", 1, "it broke", "")
    journal.release(["brick", "unknown"])
    assert journal.quarantined("brick") is None
    other.load()
    assert other.all_quarantined() == []
    assert journal.attempt_begins("brick", "s", "two") == 0


def test_assets_that_are_gone_are_forgotten_and_the_others_stay(journal: Journal) -> None:
    for asset in ("ash", "brick", "moss"):
        journal.quarantine(asset, "s", 1, "", "")
    journal.forget_others(["brick", "new"])
    assert [one.asset for one in journal.all_quarantined()] == ["brick"]


def test_of_two_runs_one_has_an_asset_until_it_gives_it_back(journal: Journal, other: Journal) -> None:
    assert journal.claim("brick", "one") == "one"
    assert other.claim("brick", "two") == "one"
    assert other.claim("moss", "two") == "two"
    assert journal.claims() == other.claims() == [("brick", "one"), ("moss", "two")]
    other.unclaim("brick", "two")  # which it has not
    assert other.claim("brick", "two") == "one"
    journal.unclaim("brick", "one")
    assert other.claim("brick", "two") == "two"


def test_all_claims_of_a_run_that_died_are_given_back(journal: Journal) -> None:
    for asset in ("brick", "moss"):
        journal.claim(asset, "dead")
    journal.claim("ash", "alive")
    journal.unclaim_all("dead")
    assert journal.claims() == [("ash", "alive")]


def test_how_the_last_run_ended_is_known_to_all(journal: Journal, other: Journal) -> None:
    assert journal.last_run() is None
    journal.run_ended(1, {"done": 2, "failed": 1})
    journal.run_ended(0, {"done": 1})
    last = other.last_run()
    assert last is not None
    assert (last.exit_code, last.counts) == (0, {"done": 1})


def test_pipelines_of_one_project_do_not_meet(journal: Journal, tmp_path: Path) -> None:
    journal.quarantine("brick", "s", 1, "", "")
    journal.claim("brick", "one")
    journal.run_ended(1, {})
    state = State(tmp_path / ".assetforge", "other.yaml", tmp_path)
    try:
        assert state.journal.all_quarantined() == []
        assert state.journal.claims() == []
        assert state.journal.last_run() is None
        assert state.journal.claim("brick", "two") == "two"
    finally:
        state.close()


def test_an_interrupt_before_any_line_leaves_no_transaction_open(journal: Journal, other: Journal) -> None:
    """The line before which the interrupt came is in the store, or between it and its `with`."""
    tracer = sys.gettrace()  # of what measures coverage
    for line in count(1):
        interrupt_at(line)
        try:
            journal.claim("brick", "one")
        except KeyboardInterrupt:
            journal.unclaim_all("one")
            assert other.claim("brick", "two") == "two"
            other.unclaim_all("two")
        else:
            break
        finally:
            sys.settrace(tracer)
    assert line > 20
