"""Batches that are made ahead are those that would be made in time."""

from __future__ import annotations

import threading

import pytest

from assetforge.train.ahead import Ahead


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_each_step_gets_its_batch_from_any_step_on(ahead: int) -> None:
    with Ahead(lambda step: step * step, 9, ahead) as batches:
        assert [batches(step) for step in range(2, 9)] == [step * step for step in range(2, 9)]


def test_no_batch_is_made_twice_or_beyond_the_last_step() -> None:
    made: list[int] = []
    with Ahead(made.append, 5, 3) as batches:
        for step in range(5):
            batches(step)
    assert made == [0, 1, 2, 3, 4]


def test_the_next_batch_is_made_while_this_one_is_used() -> None:
    made = threading.Event()

    def batch(step: int) -> int:
        if step == 1:
            made.set()
        return step

    with Ahead(batch, 2, 1) as batches:
        assert batches(0) == 0
        assert made.wait(10)


def test_an_error_is_that_of_the_step() -> None:
    def batch(step: int) -> int:
        if step == 1:
            raise ValueError("no picture")
        return step

    with Ahead(batch, 3, 2) as batches:
        assert batches(0) == 0
        with pytest.raises(ValueError, match="no picture"):
            batches(1)
