"""Rank transfer: values take the distribution of others, and keep their order."""

from __future__ import annotations

import pytest
import torch

from assetforge.ops.ranks import SAMPLES, RankCurves, match_ranks, ranks, transfer_ranks


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def test_ranks_count_from_zero_and_equal_values_keep_their_order() -> None:
    rows = torch.tensor([[0.5, 0.1, 0.5, 0.9], [4.0, 3.0, 2.0, 1.0]])
    assert ranks(rows).tolist() == [[1, 0, 2, 3], [3, 2, 1, 0]]


@pytest.mark.parametrize("count", [512, 600])
def test_matched_values_are_those_of_the_same_rank(count: int) -> None:
    values, like = noise(8, count // 8), noise(count, seed=1).square() * 7
    matched = match_ranks(values, like).flatten()
    order = values.flatten().argsort()
    wanted = like.sort().values
    assert (matched[order].diff() >= 0).all()
    assert ((matched[order] == wanted) | (matched[order] == wanted.roll(1))).all()
    assert count == 600 or torch.equal(matched[order], wanted)


def test_ranks_are_matched_to_more_or_fewer_values() -> None:
    values = torch.tensor([0.3, 0.1, 0.2, 0.4])
    assert match_ranks(values, torch.tensor([20.0, 10.0])).tolist() == [20, 10, 10, 20]
    assert match_ranks(values, torch.arange(8.0)).tolist() == [4, 0, 2, 6]


@pytest.mark.parametrize("power", [1, 3])
def test_transferred_ranks_have_the_wanted_distribution_row_by_row(power: int) -> None:
    rows = noise(2, 40_000)
    like = torch.stack([noise(SAMPLES, seed=1) ** power, 5 - noise(SAMPLES, seed=2)])
    moved = transfer_ranks(rows, like, torch.Generator().manual_seed(0))
    at = torch.linspace(0.05, 0.95, 10)
    assert torch.allclose(moved.quantile(at, dim=1), like.quantile(at, dim=1), atol=0.03)
    order = rows[0].argsort()
    assert (moved[0][order].diff() >= -1e-6).all()


def test_a_row_of_one_value_is_transferred_to_one_value() -> None:
    moved = transfer_ranks(torch.full((1, 100), 0.5), noise(1, SAMPLES), torch.Generator().manual_seed(0))
    assert moved.isfinite().all()
    assert moved.unique().numel() == 1


def test_curves_give_the_distribution_and_keep_equal_values_equal() -> None:
    rows, like = noise(2, 5000), noise(2, 3000, seed=1) ** 2 * 4
    curves = RankCurves.of(rows, like)
    at = torch.linspace(0.05, 0.95, 10)
    assert torch.allclose(curves.apply(rows).quantile(at, dim=1), like.quantile(at, dim=1), atol=0.02)
    steps = (rows * 3).round() / 3
    curves = RankCurves.of(steps, like)
    assert all(curves.apply(steps)[row].unique().numel() == steps[row].unique().numel() for row in range(2))


def test_curves_are_functions_of_any_shape_that_hold_their_ends() -> None:
    curves = RankCurves.of(noise(3, 2000), noise(3, 2000, seed=1))
    pixels = noise(3, 8, 9, seed=2) * 4 - 2
    applied = curves.apply(pixels)
    assert applied.shape == pixels.shape
    assert applied.min() >= 0
    assert applied.max() <= 1
