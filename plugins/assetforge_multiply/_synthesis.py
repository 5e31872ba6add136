"""Texture optimization: a new texture all of whose patches are patches of the exemplar.

Kwatra et al., "Texture Optimization for Example-based Synthesis", 2005, with the search of PatchMatch and the
occurrence penalty of Kaspar et al., "Self Tuning Texture Optimization", 2015. From coarse to fine, it alternates
between finding the exemplar's nearest patch for every patch of the result, and averaging those. The result lies on a
torus, so it tiles. Several layouts are tried at a low resolution, and the best is carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.exact import decay
from assetforge.ops.resample import resample
from assetforge.ops.statistics import PatchStatistics, diversity
from assetforge.ops.threads import each, one_thread
from assetforge_multiply._canvas import Canvas, Level, Pyramid, largest_square, levels
from assetforge_multiply._field import (
    PATCH,
    CopiedRegion,
    CopyLimits,
    Field,
    derive_seed,
    largest_copy,
    too_large_copies,
    vote,
)
from assetforge_multiply._search import Search, occurrences
from assetforge_multiply._structure import Lattice, LatticeConstraint

FULL_SEARCH = 1024
"""Largest side at which matches are looked for everywhere; beyond, they are only refined."""
_ROUNDS = (20, 16, 12, 10, 8, 6, 5, 4, 3)
"""Alternations at each level; the last number holds for all finer ones."""
_UNIFORMITY = 0.7
"""What one more use than average costs, in mean distances."""
_WEIGHTS = 65535.0
"""Steps of the weights of patches, which are those of a file of 16 bits; no patch counts nothing."""
_FINE = 2**20
_REFINE_ROUNDS, _REFINE_REACH = 2, 4
_SLACK = 8.0
"""Pixels beyond one that a piece of a pattern may be off its place in the cell, if no two cells were alike."""
_CUT_FROM, _CUT_TO = 60, 600
"""Sides of a result between which copies that are too large are cut down: below, any piece is large."""
_TRIED_AT, _TRIED_SIDE = 0.5, 128
"""The part of the full resolution at which layouts are compared, and the longest side there."""
_LARGE_TRIES = 2
"""How many layouts are tried at most where even the coarsest is large."""
_COPY_ALLOWED = 0.05
"""Part of the result that may come from one place before a layout is held to be worse for it."""
_TRYING = 0.4
"""The part of the time that is taken by trying."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Task:
    """What is to be synthesized.

    pyramid: the exemplars, by what their patches are compared. size: height and width of the result.
    guide: (G, *size), what the last G channels of the result are to be, wherever a piece comes from. lattice: the
    exemplar's cells, of which the result holds a whole number, or None where it is not regular. variation: how far
    pieces are moved before they are joined, as a part of the size; 1 begins with random ones. ignore: (S, H, W), bool,
    the pixels that nothing is taken from. keep: (*size), bool, the pixels that stay what they are in `base`, which
    without one is the exemplar; then the result is as large.
    """

    pyramid: Pyramid
    size: tuple[int, int]
    seed: int
    guide: Tensor | None = None
    lattice: Lattice | None = None
    variation: float = 1.0
    ignore: Tensor | None = None
    keep: Tensor | None = None
    base: Field | None = None

    @property
    def source_size(self) -> tuple[int, int]:
        """Height and width of one exemplar."""
        height, width = self.pyramid.features.shape[2:]
        return height, width

    def levels(self) -> list[Level]:
        """Return the resolutions from coarse to fine.

        At the first, a cell is at least two patches high and wide, and so is what nothing forbids to take; the moves
        that begin it are not less than half a patch: what is not to change much must not be laid out anew.
        """
        coarsest = 0.0
        if self.lattice is not None:
            coarsest = min(0.5, 2 * PATCH / min(self.lattice.height, self.lattice.width))
        elif self.moves:
            coarsest = min(0.5, PATCH / 2 / self.moves)
        if self.ignore is not None:
            coarsest = max(coarsest, min(1.0, 2 * PATCH / max(1, largest_square(~self.ignore))))
        # What stays in its place needs exemplar and result to be equally large at every level.
        return levels(
            self.source_size,
            self.size,
            coarsest,
            in_place=self.variation < 1 or (self.keep is not None and self.base is None),
        )

    @property
    def coarse_scale(self) -> float:
        """The part of the full resolution at which layouts are compared, unless even the coarsest is finer."""
        return min(_TRIED_AT, _TRIED_SIDE / max(self.size))

    @property
    def moves(self) -> float:
        """How far pieces are moved at most where the layout stays, in pixels; 0 where it does not."""
        return self.variation * max(self.size) if self.variation < 1 else 0.0


@dataclass
class State:
    """A result on its way from level to level."""

    field: Field
    level: Level
    energy: float
    """Mean squared distance of its patches to those of the exemplar."""
    cut: tuple[CopiedRegion, ...] = ()
    """Pieces that were too large, and must not grow again."""


def synthesize_field(
    task: Task, start: State | None = None, until: float = 1.0, progress: Progress = lambda _: None
) -> State:
    """Synthesize up to the part `until` of the full resolution, from the beginning or from a coarser state."""
    state = start
    for number, level in enumerate(task.levels()):
        done = state is not None and level.scale <= state.level.scale
        if done or (level.scale > until and state is not None):
            continue
        state = _at_level(task, level, _ROUNDS[min(number, len(_ROUNDS) - 1)], state)
        progress(level.scale**2)
    if state is None:
        raise ValueError("there is no level to synthesize at")
    return state


def _at_level(task: Task, level: Level, rounds: int, before: State | None) -> State:
    generator = torch.Generator().manual_seed(derive_seed(task.seed, round(10 / level.scale)))
    canvas = task.pyramid.canvas(level)
    constraint = None if task.lattice is None else _constraint(task.lattice, level)
    fixed = _Fixed.at(task, canvas)
    field = fixed.put_back(_begin(task, canvas, constraint, before, generator))
    refine = max(level.source_size) > FULL_SEARCH
    reach = _REFINE_REACH if refine else round(task.moves * level.scale) or max(canvas.atlas.shape[1:])
    forbidden = canvas.forbidden(task.ignore)
    image = fixed.voted(field)
    state = State(field, level, before.energy if before else 0.0, before.cut if before else ())
    limits = CopyLimits.of(state.cut, state.field)
    for number in range(_REFINE_ROUNDS if refine else rounds):
        penalty = (
            _UNIFORMITY * state.energy * occurrences(state.field.y, state.field.x, canvas.patches, PATCH) + forbidden
        )
        wanted = canvas.patches.describe(image, canvas.stride)
        search = Search(canvas.patches, wanted, penalty, state.field, generator, constraint, limits)
        search.run(2 if number == 0 and not refine else 1, reach)
        distance = search.distance()
        state.energy = _mean(distance) + 1e-9
        sharp = 0.5 if level.scale == 1.0 else 1.0
        weight = decay(distance / (2 * state.energy * sharp)).mul_(_WEIGHTS).round_().clamp_min_(1) / _WEIGHTS
        state.field = fixed.put_back(replace(search.layout(), weight=weight))
        image = fixed.voted(state.field)
        if number in (0, rounds // 2) and task.variation == 1 and _CUT_FROM <= min(level.result_size) <= _CUT_TO:
            state.cut += tuple(too_large_copies(state.field))
            limits = CopyLimits.of(state.cut, state.field)
    return state


def _mean(distance: Tensor) -> float:
    """Return the mean of squared distances, of whole steps of them: no sum of those is rounded."""
    return (distance.double() * _FINE).round_().long().sum().item() / _FINE / distance.numel()


def _begin(
    task: Task, canvas: Canvas, constraint: LatticeConstraint | None, before: State | None, generator: torch.Generator
) -> Field:
    if before is not None:
        field = canvas.resized(before.field)
        return field if constraint is None else constraint.snapped(field, (canvas.patches.height, canvas.patches.width))
    if task.variation < 1:
        return canvas.init_jittered(task.variation, generator)
    if task.lattice is not None:
        return canvas.init_shuffled(task.lattice, generator)
    return canvas.init_random(generator)


def _constraint(lattice: Lattice, level: Level) -> LatticeConstraint:
    here = lattice.scaled(level.scale, level.scale)
    return LatticeConstraint(here.height, here.width, 1 + _SLACK * (1 - lattice.strictness) * level.scale)


@dataclass(frozen=True)
class _Fixed:
    """What is not free at one level: the pixels that stay, and the channels that a guide gives.

    pixels: (H, W), bool. patches: (h, w), bool, those that hold no other pixels. base, image: what they are.
    """

    canvas: Canvas
    guide: Tensor | None
    pixels: Tensor | None = None
    patches: Tensor | None = None
    base: Field | None = None
    image: Tensor | None = None

    @staticmethod
    def at(task: Task, canvas: Canvas) -> _Fixed:
        """Bring what a task fixes to the size of a level."""
        size, stride = canvas.level.result_size, canvas.stride
        guide = None if task.guide is None else resample(task.guide, size)
        if task.keep is None:
            return _Fixed(canvas, guide)
        pixels = functional.interpolate(task.keep[None, None].float(), size=size, mode="nearest")
        beyond = (0, PATCH - 1, 0, PATCH - 1)
        if task.base is None:
            base, image = canvas.unchanged(), canvas.atlas
            others = functional.pad(1 - pixels, beyond, value=1.0)  # no patch of an exemplar goes on across its edge
        else:
            base = canvas.resized(task.base)
            image = vote(canvas.atlas, base)
            others = functional.pad(1 - pixels, beyond, mode="circular")
        patches = functional.max_pool2d(others, PATCH, stride)[0, 0] == 0
        return _Fixed(canvas, guide, pixels[0, 0] > 0, patches, base, image)

    def put_back(self, field: Field) -> Field:
        """Let the patches that stay come from where they came from."""
        if self.patches is None or self.base is None:
            return field
        y, x = torch.where(self.patches, self.base.y, field.y), torch.where(self.patches, self.base.x, field.x)
        return replace(field, y=y, x=x, weight=torch.where(self.patches, 1.0, field.weight))

    def voted(self, field: Field) -> Tensor:
        """Average the patches of a field; what is fixed stays."""
        image = vote(self.canvas.atlas, field)
        if self.pixels is not None and self.image is not None:
            image = torch.where(self.pixels, self.image, image)
        if self.guide is not None:
            image[-self.guide.shape[0] :] = self.guide
        return image


def find_layout(task: Task, candidates: int, progress: Progress) -> tuple[Field, float]:
    """Return the field of a task, and how different the layouts are that were tried for it.

    The best layout has the exemplar's statistics, and copies no large piece. Layouts are tried side by side, each by
    one thread: what is small is not worth waking others up for.
    """
    if max(task.levels()[0].result_size) > _TRIED_SIDE:
        candidates = min(candidates, _LARGE_TRIES)  # the cells of a fine pattern show only in large pictures
    tried = []
    with one_thread():
        statistics = _statistics(task)
        seeds = [derive_seed(task.seed, number) for number in range(candidates)]
        for one in each(lambda seed: _try(replace(task, seed=seed), statistics), seeds):
            tried.append(one)
            progress(_TRYING * len(tried) / candidates)
    best = min(tried, key=lambda one: one.cost)
    state = synthesize_field(best.task, best.state, progress=lambda done: progress(_TRYING + (1 - _TRYING) * done))
    return state.field, _variety([one.picture for one in tried])


@dataclass(frozen=True)
class _Try:
    """A task laid out at a low resolution, what it looks like there: (C, H, W), and its cost."""

    task: Task
    state: State
    picture: Tensor
    cost: float


def _try(task: Task, statistics: PatchStatistics) -> _Try:
    state = synthesize_field(task, until=task.coarse_scale)
    picture = _seen(task, vote(task.pyramid.canvas(state.level).atlas, state.field))
    copied = max(0.0, largest_copy(state.field) / _COPY_ALLOWED - 1)
    return _Try(task, state, picture, statistics.distance(picture) * (1 + copied))


def _statistics(task: Task) -> PatchStatistics:
    """Return what layouts are compared with. The canvases are made by the way, which those that try them share."""
    coarsest, *finer = task.levels()
    canvas = task.pyramid.canvas(coarsest)
    for level in finer:
        if level.scale <= task.coarse_scale:
            canvas = task.pyramid.canvas(level)
    return PatchStatistics.of(_seen(task, canvas.atlas))


def _seen(task: Task, channels: Tensor) -> Tensor:
    """Leave out the channels that a guide gives."""
    return channels if task.guide is None else channels[: -task.guide.shape[0]]


def _variety(pictures: list[Tensor]) -> float:
    """Return how different the pictures are on average, pair by pair; 0 where there is but one."""
    pairs = [(one, other) for number, one in enumerate(pictures) for other in pictures[:number]]
    found = [diversity(one[:1], other[:1]) for one, other in pairs]
    return sum(found) / len(found) if found else 0.0
