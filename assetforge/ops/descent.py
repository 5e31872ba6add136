"""Going down a slope: pictures that are optimized, by Adam or L-BFGS."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Slope = Callable[[Tensor, int], tuple[float, Tensor]]
"""Return, for values and the number of the step, what is minimized and its gradient."""
Project = Callable[[Tensor], Tensor]
Progress = Callable[[float], None]

_BETA, _BETA_OF_SQUARES, _EPSILON = 0.9, 0.99, 1e-8
_LEAST_RATE = 0.1
_HISTORY = 10


def slope_of(loss: Callable[[Tensor, int], Tensor]) -> Slope:
    """Return the slope of a loss () of values and the number of the step, by autograd."""

    def slope(values: Tensor, step: int) -> tuple[float, Tensor]:
        with torch.enable_grad():
            values = values.detach().requires_grad_()
            result = loss(values, step)
            gradient = torch.autograd.grad(result, values)[0]
        return float(result.detach()), gradient

    return slope


class Adam:
    """Adam (Kingma and Ba, 2015) for one tensor, which it changes in place.

    It does what PyTorch's does, to the bit. That one imports all that compiles networks, which takes over a second.
    """

    def __init__(self, values: Tensor) -> None:
        self._values, self._count = values, 0
        self._mean, self._square = (torch.zeros_like(values, requires_grad=False) for _ in range(2))

    def step(self, gradient: Tensor, rate: float) -> None:
        """Go one step down a slope."""
        self._count += 1
        with torch.no_grad():
            self._mean.lerp_(gradient, 1 - _BETA)
            self._square.mul_(_BETA_OF_SQUARES).addcmul_(gradient, gradient, value=1 - _BETA_OF_SQUARES)
            scale = (1 - _BETA_OF_SQUARES**self._count) ** 0.5
            away = (self._square.sqrt() / scale).add_(_EPSILON)
            self._values.addcdiv_(self._mean, away, value=-(rate / (1 - _BETA**self._count)))


def adam(
    start: Tensor,
    slope: Slope,
    steps: int,
    rate: float,
    *,
    averaging: float = 0.0,
    project: Project = lambda values: values,
    progress: Progress = lambda _: None,
) -> Tensor:
    """Go down by Adam (Kingma and Ba, 2015); return where it ends, or the average of the way there.

    The rate falls to a tenth as a cosine. averaging: how much of the average of all steps before stays at each step
    (Polyak and Juditsky, 1992, with weights that fall exponentially); it takes out what steps jump about. project:
    brings values back to where they may be, after each step.
    """
    current = start.detach().clone()
    average = current.clone()
    optimizer = Adam(current)
    for step in range(steps):
        fallen = _LEAST_RATE + (1 - _LEAST_RATE) * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.step(slope(current, step)[1], rate * fallen)
        with torch.no_grad():
            current.copy_(project(current))
            average += (current - average) * ((1 - averaging) / (1 - averaging ** (step + 1)))
        progress((step + 1) / steps)
    return average


def lbfgs(
    start: Tensor,
    slope: Slope,
    steps: int,
    *,
    history: int = _HISTORY,
    project: Project = lambda values: values,
    progress: Progress = lambda _: None,
) -> Tensor:
    """Go down by L-BFGS with a line search (Liu and Nocedal, 1989), which wants a slope that is always the same.

    It keeps 2 · history copies of the values. What may not be is only taken away at the end.
    """
    current = start.detach().clone(memory_format=torch.contiguous_format)
    count = 0

    def evaluate() -> float:
        nonlocal count
        value, gradient = slope(current, count)
        current.grad = gradient.contiguous()
        count += 1
        progress(min(1.0, count / steps))
        return value

    optimizer = torch.optim.LBFGS([current], max_iter=steps, max_eval=steps, history_size=history,
                                  line_search_fn="strong_wolfe")  # fmt: skip
    with torch.no_grad():
        optimizer.step(evaluate)  # type: ignore[no-untyped-call]
        result: Tensor = project(current)
    progress(1.0)
    return result
