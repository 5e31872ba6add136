"""What is collected of layers, beside its plain formula in double precision."""

from __future__ import annotations

import pytest
import torch

from assetforge.weights.distances import Moments


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [(3, 33, 47), (32, 16, 20), (5, 1, 7), (1, 8, 8)], ids=str)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=str)
def test_moments_and_their_slopes_are_those_of_the_formula(
    size: tuple[int, int, int], weighted: bool, order: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.randn(1, *size, generator=generator).contiguous(memory_format=order)[0].requires_grad_()
    weight = torch.rand(size[1:], generator=generator) if weighted else None
    found = Moments.collect(layer, weight, 0.7, generator)
    slope = torch.randn(found.shape, generator=generator)
    plain = layer.detach().double().requires_grad_()
    places = plain.flatten(1).T
    counts = (torch.ones(size[1:]) if weight is None else weight).flatten()[:, None].double()
    expected = torch.cat([(places * counts).T @ places, (places * counts).sum(0)[:, None]], 1) * 0.7 / counts.sum()
    assert torch.allclose(found.double(), expected, rtol=0, atol=1e-6 * float(expected.detach().abs().max()))
    ours, theirs = torch.autograd.grad(found, layer, slope)[0], torch.autograd.grad(expected, plain, slope.double())[0]
    assert torch.allclose(ours.double(), theirs, rtol=0, atol=1e-6 * float(theirs.abs().max()))
