"""Work that is done side by side: in order, alone with its sums, and with the gradients of whoever asked."""

from __future__ import annotations

import pytest
import torch

from assetforge.ops.threads import each, one_thread


def test_results_come_in_order_and_each_is_computed_with_one_thread() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            found = list(each(lambda item: (item, torch.get_num_threads()), range(20)))
        assert found == [(item, 1) for item in range(20)]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("graded", [True, False])
def test_gradients_are_kept_where_the_caller_keeps_them(graded: bool) -> None:
    leaf = torch.ones(1, requires_grad=True)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread(), torch.set_grad_enabled(graded):
            assert [one.requires_grad for one in each(lambda item: leaf * item, range(4))] == [graded] * 4
    finally:
        torch.set_num_threads(before)


def test_an_error_reaches_the_caller() -> None:
    with one_thread(), pytest.raises(ZeroDivisionError):
        list(each(lambda item: 1 // item, [1, 0]))
