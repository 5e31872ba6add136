"""Muon's steps are orthogonal, and it learns what it should."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from assetforge.train.muon import Muon, hidden_weights, orthogonal


@pytest.mark.parametrize("shape", [(8, 8), (8, 30), (30, 8)])
def test_singular_values_become_about_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonal(matrix)
    assert result.shape == matrix.shape
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.3
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ result @ right.T
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-4


def test_the_length_of_a_gradient_does_not_matter() -> None:
    steps = []
    for length in (1e-3, 1e3):
        weight = nn.Parameter(torch.zeros(4, 6))
        weight.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)) * length
        Muon([weight], 0.1).step()
        steps.append(weight.detach().clone())
    assert torch.allclose(*steps, atol=1e-4)
    assert steps[0].norm() > 0.1


def test_nothing_moves_without_a_gradient() -> None:
    weight, still = nn.Parameter(torch.zeros(4, 6)), nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.zeros(4, 6)
    Muon([weight, still], 0.1).step()
    assert not weight.detach().any()
    assert (still == 1).all()


def test_it_finds_a_matrix() -> None:
    generator = torch.Generator().manual_seed(2)
    truth = torch.randn(6, 6, generator=generator)
    weight = nn.Parameter(torch.zeros(6, 6))
    optimizer = Muon([weight], 0.05)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 300)
        optimizer.zero_grad()
        (weight - truth).square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert (weight - truth).abs().max() < 0.1


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="takes no closure"):
        Muon([nn.Parameter(torch.zeros(2, 2))], 0.1).step(lambda: 0.0)


def test_hidden_are_the_weights_between_the_first_and_the_last_layer() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(4), nn.Conv2d(4, 5, 3), nn.Linear(5, 6), nn.Conv2d(6, 3, 3))
    hidden = hidden_weights(network)
    assert [id(one) for one in hidden] == [id(network[2].weight), id(network[3].weight)]
    assert hidden_weights(nn.Linear(3, 1)) == []
