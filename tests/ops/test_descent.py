"""Descent: Adam and L-BFGS end where a slope does."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assetforge.ops.descent import Adam, adam, lbfgs, slope_of

GOAL = torch.tensor([1.0, -2.0, 0.5])


def bowl(values: Tensor, step: int) -> Tensor:
    return ((values - GOAL) * torch.tensor([1.0, 3.0, 0.5])).square().sum()


def test_a_slope_is_value_and_gradient_and_leaves_no_trace() -> None:
    here = torch.zeros(3)
    value, gradient = slope_of(bowl)(here, 0)
    assert value == pytest.approx(float(bowl(here, 0)))
    assert torch.allclose(gradient, -2 * GOAL * torch.tensor([1.0, 9.0, 0.25]))
    assert not here.requires_grad


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), max_size=3), st.floats(1e-4, 1.0))
def test_adam_is_that_of_pytorch_to_the_bit(seed: int, shape: list[int], rate: float) -> None:
    random = torch.Generator().manual_seed(seed)
    ours = torch.randn(shape, generator=random)
    theirs = ours.clone()
    adam, same = Adam(ours), torch.optim.Adam([theirs], betas=(0.9, 0.99))
    for step in range(9):
        same.param_groups[0]["lr"] = rate * (1 - step / 9)
        theirs.grad = torch.randn(shape, generator=random) * 10 ** float(torch.randint(-6, 6, (), generator=random))
        same.step()
        adam.step(theirs.grad, rate * (1 - step / 9))
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("averaging", [0.0, 0.8])
def test_adam_comes_to_the_bottom(averaging: float) -> None:
    start = torch.zeros(3)
    found = adam(start, slope_of(bowl), 300, 0.1, averaging=averaging)
    assert (found - GOAL).abs().max() < 0.02
    assert (start == 0).all()


def test_lbfgs_comes_to_the_bottom_in_fewer_steps() -> None:
    assert (lbfgs(torch.zeros(3), slope_of(bowl), 20) - GOAL).abs().max() < 1e-3


def test_values_stay_where_they_may_be() -> None:
    def project(values: Tensor) -> Tensor:
        return values.clamp(-1, 1)

    for found in (
        adam(torch.zeros(3), slope_of(bowl), 200, 0.1, project=project),
        lbfgs(torch.zeros(3), slope_of(bowl), 20, project=project),
    ):
        assert torch.allclose(found, GOAL.clamp(-1, 1), atol=0.02)


def test_progress_ends_at_one_and_never_goes_back() -> None:
    by_adam: list[float] = []
    by_lbfgs: list[float] = []
    adam(torch.zeros(3), slope_of(bowl), 8, 0.1, progress=by_adam.append)
    lbfgs(torch.zeros(3), slope_of(bowl), 8, progress=by_lbfgs.append)
    for told in (by_adam, by_lbfgs):
        assert told == sorted(told)
        assert told[-1] == 1


def test_the_step_is_told_to_the_slope() -> None:
    steps: list[int] = []

    def slope(values: Tensor, step: int) -> tuple[float, Tensor]:
        steps.append(step)
        return 0.0, torch.zeros_like(values)

    adam(torch.zeros(1), slope, 5, 0.1)
    assert steps == list(range(5))
