"""What other processes ask of the daemon stays in the state until it is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetforge.errors import StoreError
from assetforge.store import requests
from assetforge.store.requests import RequestLog, opened_requests
from assetforge.store.schema import open_database

PIPELINE = "p.yaml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.sqlite"
    open_database(path).close()
    return path


@pytest.fixture
def log(path: Path) -> Iterator[RequestLog]:
    with opened_requests(path, PIPELINE) as log:
        yield log


def test_a_request_is_pending_until_it_is_answered(log: RequestLog) -> None:
    first, second = log.ask("retry", {"assets": ["a"]}, "anna"), log.ask("pause", {})
    assert [(one.number, one.verb) for one in log.pending()] == [(first, "retry"), (second, "pause")]
    log.finish(first, {"assets": ["a"]})
    assert [one.number for one in log.pending()] == [second]
    found = log.find(first)
    assert found is not None
    assert (found.what, found.who, found.answer) == ({"assets": ["a"]}, "anna", {"assets": ["a"]})
    assert found.done is not None
    assert found.done >= found.asked


def test_what_is_asked_again_with_its_key_is_asked_once(log: RequestLog) -> None:
    first = log.ask("receive", {"fields": {"name": "a"}}, key="k")
    assert log.ask("receive", {"fields": {"name": "b"}}, key="k") == first
    found = log.find_key("k")
    assert found is not None
    assert found.what == {"fields": {"name": "a"}}
    log.forget(first)
    assert log.find_key("k") is None
    assert log.ask("receive", {}, key="k") > first


def test_requests_without_a_key_are_all_asked(log: RequestLog) -> None:
    assert log.ask("resume", {}) != log.ask("resume", {})


def test_each_pipeline_has_its_own_requests(path: Path, log: RequestLog) -> None:
    number = log.ask("retry", {})
    with opened_requests(path, "other.yaml") as other:
        assert other.pending() == []
        assert other.find(number) is None
        assert not other.is_paused


def test_a_pause_lasts_until_somebody_asks_to_go_on(log: RequestLog) -> None:
    assert not log.is_paused
    pause = log.ask("pause", {})
    assert not log.is_paused  # nobody has taken it up
    log.finish(pause, {})
    assert log.is_paused
    log.finish(log.ask("retry", {}), {})
    assert log.is_paused
    log.finish(log.ask("resume", {}), {})
    assert not log.is_paused


def test_old_answers_are_forgotten_and_a_pause_is_not(log: RequestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    done, pause, open_one = log.ask("retry", {}), log.ask("pause", {}), log.ask("cancel", {})
    log.finish(done, {})
    log.finish(pause, {})
    monkeypatch.setattr(requests, "KEPT_SECONDS", -1.0)
    log.ask("resume", {})
    assert log.find(done) is None
    assert log.find(open_one) is not None
    assert log.is_paused


@pytest.mark.parametrize(
    ("column", "value", "left"),
    [("verb", "explode", 0), ("what", "[1]", 1), ("what", "[" * 10_000, 1)],
)
def test_rows_that_nobody_of_us_writes_do_no_harm(
    column: str, value: str, left: int, path: Path, log: RequestLog
) -> None:
    log.ask("retry", {"assets": ["a"]})
    database = sqlite3.connect(path)
    database.execute(f"update requests set {column} = ?", (value,))
    database.commit()
    database.close()
    assert [one.what for one in log.pending()] == [{}] * left


def test_where_there_is_no_state_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError), opened_requests(tmp_path / "none" / "state.sqlite", PIPELINE):
        pass
    assert not (tmp_path / "none").exists()
