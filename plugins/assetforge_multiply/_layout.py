"""Where the pieces of a result come from: several layouts are tried, and the best is carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from assetforge.ops.statistics import diversity, statistics_distance
from assetforge_multiply._copies import largest_copy
from assetforge_multiply._patches import Field, vote
from assetforge_multiply._seeds import mixed
from assetforge_multiply._synthesis import State, Task, synthesize

_TRIED_AT, _TRIED_SIDE = 0.5, 128
"""The part of the full resolution at which layouts are compared, and the longest side there."""
_LARGE_TRIES = 2
"""How many layouts are tried at most where even the coarsest is large."""
_COPY_ALLOWED = 0.05
"""Part of the result that may come from one place before a layout is held to be worse for it."""
_TRYING = 0.4
"""The part of the time that is taken by trying."""

Progress = Callable[[float], None]


def lay_out(task: Task, candidates: int, progress: Progress) -> tuple[Field, float]:
    """Return the field of a task, and how different the layouts are that were tried for it.

    The best layout has the exemplar's statistics, and copies no large piece.
    """
    if max(task.levels()[0].result) > _TRIED_SIDE:
        candidates = min(candidates, _LARGE_TRIES)  # the cells of a fine pattern show only in large pictures
    tried = []
    for number in range(candidates):
        tried.append(_try(replace(task, seed=mixed(task.seed, number))))
        progress(_TRYING * (number + 1) / candidates)
    best = min(tried, key=lambda one: one.fault)
    state = synthesize(best.task, best.state, progress=lambda done: progress(_TRYING + (1 - _TRYING) * done))
    return state.field, _variety([one.picture for one in tried])


@dataclass(frozen=True)
class _Try:
    """A task laid out at a low resolution, what it looks like there: (C, H, W), and how faulty that is."""

    task: Task
    state: State
    picture: Tensor
    fault: float


def _try(task: Task) -> _Try:
    state = synthesize(task, until=min(_TRIED_AT, _TRIED_SIDE / max(task.size)))
    exemplars = task.pyramid.canvas(state.level).exemplars
    picture = vote(exemplars, state.field)
    if task.guide is not None:
        exemplars, picture = (one[: -task.guide.shape[0]] for one in (exemplars, picture))
    copied = max(0.0, largest_copy(state.field) / _COPY_ALLOWED - 1)
    return _Try(task, state, picture, statistics_distance(picture, exemplars) * (1 + copied))


def _variety(pictures: list[Tensor]) -> float:
    """Return how different the pictures are on average, pair by pair; 0 where there is but one."""
    pairs = [(one, other) for number, one in enumerate(pictures) for other in pictures[:number]]
    found = [diversity(one[:1], other[:1]) for one, other in pairs]
    return sum(found) / len(found) if found else 0.0
