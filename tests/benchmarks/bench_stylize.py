"""What an iteration of `stylize` costs beside its network alone, which is the least that it could cost."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from assetforge_stylize._objective import Objective, Region, View
from assetforge_stylize._pieces import Pieces
from benchmarks.figures import Figures

from assetforge.weights import SHIPPED
from assetforge.weights.distances import Moments
from assetforge.weights.features import Vgg19

ROUNDS = 5
MOST = {256: 1.7, 512: 1.15}
"""What around the pieces of a small picture is computed twice weighs more."""


def fastest(*functions: Callable[[], object]) -> list[float]:
    """Return the least time of each, by turns, so that what else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, own in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            own.append(time.perf_counter() - began)
    return [min(own) for own in times]


@pytest.mark.parametrize("side", [256, 512])
def test_an_iteration_costs_little_more_than_its_network(side: int, figures: Figures) -> None:
    network = Vgg19.load(SHIPPED / "forge.safetensors")
    generator = torch.Generator().manual_seed(0)
    picture, style = torch.rand(2, 3, side, side, generator=generator)

    def measured(one: torch.Tensor) -> list[Moments]:
        return [Moments(Moments.collect(layer, None, 1.0, generator)) for layer in network(one, "reflect")]

    with torch.no_grad():
        pieces = Pieces(network, (side, side), "reflect")
        objective = Objective(pieces, picture, [View()], [Region([measured(picture)], [measured(style)])])

    def backbone() -> None:
        with torch.enable_grad():
            leaf = picture.clone().requires_grad_()
            layers = network(leaf, "reflect")
            torch.autograd.grad(layers, leaf, [torch.ones_like(layer) for layer in layers])

    alone, iteration = fastest(backbone, lambda: objective(picture, 0))
    threads = torch.get_num_threads()
    what = f"an iteration of `stylize` at {side}², {threads} threads"
    figures.compared(what, iteration * 1e3, "its network alone", alone * 1e3, "ms", most=MOST[side])
