"""PatchMatch on the torus, for all patches at once.

Barnes et al., "PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing", 2009. Where they scan
pixel by pixel, all patches here try their neighbors' matches at once, from several distances, as on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from assetforge.ops.exact import row_sums
from assetforge_multiply._copies import Limits
from assetforge_multiply._patches import Field, Patches

_STEPS = (8, 4, 2, 1)
"""How far the neighbors are whose matches are tried, in the first round; later rounds try the near ones."""
_NEAR = (2, 1)


@dataclass(frozen=True)
class Phase:
    """Where in a regular pattern's cell a patch lies: it must lie there in the exemplar and in the result.

    height, width: of a cell, in pixels. slack: how many pixels it may be off.
    """

    height: float
    width: float
    slack: float

    def penalty(self, y: Tensor, x: Tensor, stride: int) -> Tensor:
        """Return 0 for matches that lie where they should, and infinity for all others: (h, w)."""
        rows = torch.arange(y.shape[0], device=y.device)[:, None] * stride
        columns = torch.arange(x.shape[1], device=x.device) * stride
        off = (_off(y - rows, self.height) > self.slack) | (_off(x - columns, self.width) > self.slack)
        return torch.zeros(y.shape, device=y.device).masked_fill_(off, torch.inf)

    def snapped(self, field: Field, patches: Patches) -> Field:
        """Move matches to where they should lie in the cell."""
        rows = torch.arange(field.y.shape[0], device=field.y.device)[:, None] * field.stride
        columns = torch.arange(field.x.shape[1], device=field.x.device) * field.stride
        y = _snap(field.y, rows, self.height, patches.height)
        x = _snap(field.x, columns, self.width, patches.width)
        return replace(field, y=y, x=x)


def _snap(match: Tensor, place: Tensor, period: float, count: int) -> Tensor:
    cells = ((match - place) / period).round()
    snapped = (place + cells * period).round().long()
    snapped = torch.where(snapped < 0, (snapped + period).round().long(), snapped)
    snapped = torch.where(snapped >= count, (snapped - period).round().long(), snapped)
    return snapped.clamp(0, count - 1)


def _off(distance: Tensor, period: float) -> Tensor:
    """Return how far distances are from whole multiples of a period."""
    return (distance - (distance / period).round() * period).abs()


@dataclass
class Search:
    """The best match so far of each patch of a result.

    wanted: (h · w, D), the patches of the result; penalty: (height · width,), what each patch of the exemplar costs
    beyond its distance, infinite where it must not be used. limits: of pieces that must not grow.
    """

    patches: Patches
    wanted: Tensor
    penalty: Tensor
    field: Field
    generator: torch.Generator
    phase: Phase | None = None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        self.cost = self._cost(self.field.y, self.field.x)

    def run(self, rounds: int, reach: int) -> None:
        """Improve the matches; `reach` is how far from the present match a random one may be, in pixels."""
        for number in range(rounds):
            for step in _STEPS if number == 0 else _NEAR:
                self._propagate(step)
            self._explore(reach)

    def _propagate(self, step: int) -> None:
        for dy, dx in ((0, step), (0, -step), (step, 0), (-step, 0)):
            y = self.field.y.roll((dy, dx), (0, 1)) + dy * self.field.stride
            x = self.field.x.roll((dy, dx), (0, 1)) + dx * self.field.stride
            self._try(y, x)

    def _explore(self, reach: int) -> None:
        """Try random matches near the present one, at distances that halve; the first ones are anywhere."""
        radius = reach
        while radius >= 1:
            self._try(self.field.y + self._random(radius), self.field.x + self._random(radius))
            radius //= 2

    def _random(self, radius: int) -> Tensor:
        away = torch.randint(-radius, radius + 1, self.field.y.shape, generator=self.generator)
        return away.to(self.field.y.device)

    def _try(self, y: Tensor, x: Tensor) -> None:
        y, x = y.clamp_(0, self.patches.height - 1), x.clamp_(0, self.patches.width - 1)
        cost = self._cost(y, x)
        better = cost < self.cost
        self.cost = torch.where(better, cost, self.cost)
        y, x = torch.where(better, y, self.field.y), torch.where(better, x, self.field.x)
        self.field = replace(self.field, y=y, x=x)

    def _cost(self, y: Tensor, x: Tensor) -> Tensor:
        index = (y * self.patches.width + x).flatten()
        away = torch.index_select(self.patches.points, 0, index).sub_(self.wanted)
        cost = (row_sums(away.square_()) + self.penalty[index]).reshape(y.shape)
        if self.phase is not None:
            cost += self.phase.penalty(y, x, self.field.stride)
        if self.limits is not None:
            cost.masked_fill_(self.limits.broken(y, x, self.field), torch.inf)
        return cost

    def distance(self) -> Tensor:
        """Return the squared distance of each match, penalties left out: (h, w)."""
        index = (self.field.y * self.patches.width + self.field.x).flatten()
        return row_sums((self.patches.points[index] - self.wanted).square_()).reshape(self.field.y.shape)


def occurrences(y: Tensor, x: Tensor, patches: Patches, radius: int) -> Tensor:
    """Return how often patches near each one are used, 1 on average: (height · width,)."""
    used = torch.bincount((y * patches.width + x).flatten(), minlength=patches.height * patches.width).float()
    image = used.reshape(1, 1, patches.height, patches.width)  # whole numbers, whose sums are not rounded
    mean = torch.nn.functional.avg_pool2d(image, 2 * radius + 1, 1, radius, count_include_pad=False)
    return mean.flatten() * (used.numel() / y.numel())
