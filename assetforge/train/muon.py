"""Muon: momentum whose matrices are made orthogonal before each step.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. A convolution counts as a matrix of its
output channels by all that each of them sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the paper's polynomial, which brings singular values near 1 fast rather than exactly."""
_ITERATIONS = 5
_TINY = 1e-7


def orthogonal(matrix: Tensor) -> Tensor:
    """Return a matrix (rows, columns) with the same singular vectors and singular values of about 0.7 to 1.2.

    A Newton-Schulz iteration; singular values that are next to nothing beside the largest stay small.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + _TINY)
    first, second, third = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = first * x + (second * square + third * square @ square) @ x
    result: Tensor = x if matrix.shape[0] <= matrix.shape[1] else x.T
    return result


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; for weights of two dimensions or more."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move all parameters that have gradients."""
        if closure is not None:
            raise ValueError("Muon takes no closure; compute gradients before the step")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, slope = self.state[parameter], parameter.grad
        if slope is None:
            return
        average = state.setdefault("average", torch.zeros_like(parameter))
        average.lerp_(slope, 1 - group["momentum"])
        matrix = slope.lerp(average, group["momentum"]).reshape(len(parameter), -1)
        scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        parameter.add_(orthogonal(matrix).reshape(parameter.shape), alpha=-group["lr"] * scale)


def hidden_weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights of two dimensions or more that are neither a network's first nor its last, in their order."""
    return [parameter for parameter in network.parameters() if parameter.ndim > 1][1:-1]
