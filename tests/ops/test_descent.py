"""Descent: Adam and L-BFGS end where a slope does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from assetforge.ops.descent import adam, lbfgs, slope_of

GOAL = torch.tensor([1.0, -2.0, 0.5])


def bowl(values: Tensor, step: int) -> Tensor:
    return ((values - GOAL) * torch.tensor([1.0, 3.0, 0.5])).square().sum()


def test_a_slope_is_value_and_gradient_and_leaves_no_trace() -> None:
    here = torch.zeros(3)
    value, gradient = slope_of(bowl)(here, 0)
    assert value == pytest.approx(float(bowl(here, 0)))
    assert torch.allclose(gradient, -2 * GOAL * torch.tensor([1.0, 9.0, 0.25]))
    assert not here.requires_grad


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
