"""Arithmetic whose bits do not depend on the order of sums."""

from __future__ import annotations

import math

import pytest
import torch

from assetforge.ops.exact import between, decay, mean, mix, moments, norm, root, row_sums, whole


def noise(*size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(1))


def test_moments_are_those_of_the_values() -> None:
    channels = torch.stack([noise(64, 64), noise(64, 64) ** 3 * 5 - 2, torch.full((64, 64), 0.3)])
    means, covariance = moments(channels)
    rows = channels.flatten(1).double()
    assert torch.allclose(means, rows.mean(1), atol=1e-3)
    assert torch.allclose(covariance, torch.cov(rows, correction=0), atol=2e-3)
    assert mean(channels[0]) == pytest.approx(float(channels[0].mean()), abs=1e-4)


def test_moments_do_not_depend_on_the_order_of_pixels() -> None:
    rows = noise(4, 5000)
    shuffled = rows[:, torch.randperm(5000, generator=torch.Generator().manual_seed(2))]
    for one, other in zip(moments(rows), moments(shuffled), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("columns", [1, 2, 5, 24, 31])
def test_row_sums_are_sums(columns: int) -> None:
    rows = noise(100, columns)
    assert torch.allclose(row_sums(rows), rows.sum(1))


def test_small_functions_are_what_they_say() -> None:
    values = noise(3, 10, 10)
    matrix = noise(2, 3)
    assert torch.allclose(mix(matrix, values), torch.einsum("dc,chw->dhw", matrix, values))
    assert torch.equal(between(values, values * 2, 0.0), values)
    assert torch.allclose(between(values, values * 2, 1.0), values * 2)
    assert torch.allclose(norm(values), values.norm(dim=0, keepdim=True))
    assert (decay(values * 5) - torch.exp(-values * 5)).abs().max() < 0.01
    assert decay(torch.tensor([0.0, 1e9])).tolist() == [1, 0]
    assert whole(torch.tensor([0.26, -9.0]), 0.25, 8).tolist() == [1, -8]


def test_what_is_mixed_in_bands_is_the_same_as_in_one() -> None:
    values, matrix = noise(3, 40_000), noise(2, 3)
    first, *others = (column[:, None] * row for column, row in zip(matrix.T, values, strict=True))
    assert torch.equal(mix(matrix, values), first + others[0] + others[1])
    assert mix(matrix, values[:, 0]).shape == (2,)
    assert mix(matrix, values[:, :0].reshape(3, 0, 7)).shape == (2, 0, 7)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_square_roots_are_rounded_as_the_standard_asks(kind: torch.dtype) -> None:
    values = torch.rand(20_000, dtype=kind, generator=torch.Generator().manual_seed(0))
    exact = [math.sqrt(value) for value in values.tolist()]
    assert torch.equal(root(values), torch.tensor(exact, dtype=torch.float64).to(kind))


def test_roots_of_what_is_optimized_are_alike_and_have_slopes() -> None:
    values = torch.rand(1000).requires_grad_()
    roots = root(values)
    assert torch.equal(roots.detach(), root(values.detach()))
    roots.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    torch.testing.assert_close(values.grad, 0.5 / roots.detach())
