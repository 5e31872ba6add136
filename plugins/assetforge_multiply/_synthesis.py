"""Texture optimization: a new texture all of whose patches are patches of the exemplar.

Kwatra et al., "Texture Optimization for Example-based Synthesis", 2005, with the search of PatchMatch and the
occurrence penalty of Kaspar et al., "Self Tuning Texture Optimization", 2015. From coarse to fine, it alternates
between finding the exemplar's nearest patch for every patch of the result, and averaging those. The result lies on a
torus, so it tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.resample import resample
from assetforge_multiply._lattice import Lattice, exchange_cells
from assetforge_multiply._patches import PATCH, Field, Patches, vote
from assetforge_multiply._search import Phase, Search, occurrences

COARSEST = 16
"""Smallest side at the first level."""
FULL_SEARCH = 1024
"""Largest side at which matches are looked for everywhere; beyond, they are only refined."""
_STEP = 2**0.5
_DENSE = 64
"""Side up to which there is a patch at every pixel; beyond, at every second one."""
_ROUNDS = (20, 16, 12, 10, 8, 6, 5, 4, 3)
"""Alternations at each level; the last number holds for all finer ones."""
_UNIFORMITY = 0.7
"""What one more use than average costs, in mean distances."""
_REFINE_REACH = 4
_SLACK = 8.0
"""Pixels beyond one that a piece of a pattern may be off its place in the cell, if no two cells were alike."""


@dataclass(frozen=True)
class Task:
    """What is to be synthesized.

    guidance: (C, H, W), what the exemplar's patches are compared by. size: height and width of the result. lattice: the
    exemplar's cells, of which the result holds a whole number, or None where it is not regular. variation: how far
    pieces are moved before they are joined, as a part of the size; 1 begins with random ones. keep: (H, W), the pixels
    that stay where they are, bool; with it, or with a variation below 1, the result is as large as the exemplar.
    ignore: pixels of the exemplar, likewise, that nothing is taken from.
    """

    guidance: Tensor
    size: tuple[int, int]
    seed: int
    lattice: Lattice | None = None
    variation: float = 1.0
    keep: Tensor | None = None
    ignore: Tensor | None = None

    @property
    def exemplar(self) -> tuple[int, int]:
        """Height and width of the exemplar."""
        return self.guidance.shape[1], self.guidance.shape[2]

    def levels(self) -> list[Level]:
        """Return the resolutions from coarse to fine.

        At the first, a cell is at least two patches high and wide, and the moves that begin it are not less than half a
        patch: what is not to change much must not be laid out anew.
        """
        coarsest = 0.0
        if self.lattice is not None:
            coarsest = 2 * PATCH / min(self.lattice.height, self.lattice.width)
        elif self.moves:
            coarsest = PATCH / 2 / self.moves
        # What stays in its place needs exemplar and result to be equally large at every level.
        in_place = self.keep is not None or self.variation < 1
        return levels(self.exemplar, self.size, min(coarsest, 0.5), in_place=in_place)

    @property
    def moves(self) -> float:
        """How far pieces are moved at most where the layout stays, in pixels; 0 where it does not."""
        return self.variation * max(self.size) if self.variation < 1 else 0.0


@dataclass(frozen=True)
class Level:
    """One resolution: what part of the full one it is, and the sizes of exemplar and result, which is even."""

    scale: float
    exemplar: tuple[int, int]
    result: tuple[int, int]


@dataclass
class State:
    """A result on its way from level to level."""

    field: Field
    level: Level
    energy: float = float("inf")
    """Mean squared distance of its patches to those of the exemplar."""


def levels(
    exemplar: tuple[int, int], result: tuple[int, int], coarsest: float = 0.0, *, in_place: bool = False
) -> list[Level]:
    """Return the resolutions from coarse to fine, none below the part `coarsest` of the full one."""
    scales = [1.0]
    while min(*exemplar, *result) * scales[-1] / _STEP >= COARSEST and scales[-1] / _STEP >= coarsest:
        scales.append(scales[-1] / _STEP)
    multiple = 2 if in_place else 1
    return [Level(s, _scaled(exemplar, s, multiple), _scaled(result, s, 2)) for s in reversed(scales)]


def _scaled(size: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    """Return a smaller size, whose sides are multiples of a number."""
    if scale == 1.0:
        return size
    height, width = (max(multiple, round(side * scale / multiple) * multiple) for side in size)
    return height, width


def synthesize(
    task: Task, start: State | None = None, until: float = 1.0, progress: Callable[[float], None] = lambda _: None
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
    generator = torch.Generator().manual_seed(task.seed * 1000 + round(10 / level.scale))
    exemplar = resample(task.guidance, level.exemplar)
    patches = Patches.of(exemplar, generator)
    dense = max(level.result) <= _DENSE or level.result[0] % 2 or level.result[1] % 2
    stride = 1 if dense else 2
    phase = None if task.lattice is None else _phase(task.lattice, level)
    if before is not None:
        field = _finer(before, level, patches, stride)
        if phase is not None:
            field = phase.snapped(field, patches)
    elif task.variation < 1:
        field = _displaced_field(task.variation, level, patches, stride, generator)
    elif task.lattice is not None:
        field = _exchanged_field(task.lattice, level, patches, stride, generator)
    else:
        field = _random_field(patches, level, stride, generator)
    kept = None if task.keep is None else Kept.of(task.keep, level.result, stride)
    if kept is not None:
        field = kept.put_back(field)
    refine = max(level.exemplar) > FULL_SEARCH
    reach = _REFINE_REACH if refine else round(task.moves * level.scale) or max(level.exemplar)
    forbidden = _forbidden(task.ignore, level.exemplar)
    image = _voted(exemplar, field, kept)
    mean = before.energy if before else 0.0
    for number in range(2 if refine else rounds):
        penalty = _UNIFORMITY * mean * occurrences(field.y, field.x, patches, PATCH) + forbidden
        search = Search(patches, patches.describe(image, stride), penalty, field.y, field.x, stride, generator, phase)
        search.run(2 if number == 0 and not refine else 1, reach)
        distance = search.distance()
        mean = distance.mean().item() + 1e-9
        sharp = 0.5 if level.scale == 1.0 else 1.0
        field = Field(search.y, search.x, torch.exp(-distance / (2 * mean * sharp)) + 1e-4, stride)
        if kept is not None:
            field = kept.put_back(field)
        image = _voted(exemplar, field, kept)
    return State(field, level, mean)


def _forbidden(ignore: Tensor | None, exemplar: tuple[int, int]) -> Tensor:
    """Return infinity for each patch of the exemplar that holds a pixel to ignore: (patches,), or just 0."""
    if ignore is None:
        return torch.zeros(())
    pixels = functional.interpolate(ignore[None, None].float(), size=exemplar, mode="nearest")
    within = functional.max_pool2d(pixels, PATCH, 1)[0, 0] > 0
    if within.all():
        raise ValueError("nothing is left of the exemplar to take from")
    return torch.zeros(within.shape).masked_fill_(within, torch.inf).flatten()


def _voted(exemplar: Tensor, field: Field, kept: Kept | None) -> Tensor:
    image = vote(exemplar, field)
    return image if kept is None else torch.where(kept.pixels, exemplar, image)


@dataclass(frozen=True)
class Kept:
    """What stays where it is at one level: pixels (H, W), and patches (h, w) that hold no other ones."""

    pixels: Tensor
    patches: Tensor

    @staticmethod
    def of(keep: Tensor, size: tuple[int, int], stride: int) -> Kept:
        """Bring a mask to the size of a level."""
        pixels = functional.interpolate(keep[None, None].float(), size=size, mode="nearest")
        beyond = functional.pad(1 - pixels, (0, PATCH - 1, 0, PATCH - 1), value=1.0)  # there is no such patch
        others = functional.max_pool2d(beyond, PATCH, stride)
        return Kept(pixels[0, 0] > 0, others[0, 0] == 0)

    def put_back(self, field: Field) -> Field:
        """Let the patches that stay come from where they are."""
        rows = (torch.arange(field.y.shape[0]) * field.stride)[:, None].expand_as(field.y)
        columns = (torch.arange(field.x.shape[1]) * field.stride).expand_as(field.x)
        return Field(
            torch.where(self.patches, rows, field.y),
            torch.where(self.patches, columns, field.x),
            torch.where(self.patches, 1.0, field.weight),
            field.stride,
        )


def _displaced_field(
    variation: float, level: Level, patches: Patches, stride: int, generator: torch.Generator
) -> Field:
    """Begin with the exemplar as it is, in pieces that are moved at random."""
    height, width = (side // stride for side in level.result)
    piece = PATCH // stride
    moves = []
    for side in level.result:
        far = torch.rand(-(-height // piece), -(-width // piece), generator=generator) - 0.5
        moves.append((far * variation * side).repeat_interleave(piece, 0).repeat_interleave(piece, 1)[:height, :width])
    y = (torch.arange(height)[:, None] * stride + moves[0]).round().long() % level.exemplar[0]
    x = (torch.arange(width) * stride + moves[1]).round().long() % level.exemplar[1]
    y, x = y.clamp(max=patches.height - 1), x.clamp(max=patches.width - 1)
    return Field(y, x, torch.ones(height, width), stride)


def _phase(lattice: Lattice, level: Level) -> Phase:
    here = lattice.scaled(level.scale, level.scale)
    return Phase(here.height, here.width, 1 + _SLACK * (1 - lattice.strictness) * level.scale)


def _exchanged_field(
    lattice: Lattice, level: Level, patches: Patches, stride: int, generator: torch.Generator
) -> Field:
    """Begin with the cells of a regular pattern, exchanged at random."""
    y, x = exchange_cells(lattice.scaled(level.scale, level.scale), level.exemplar, level.result, generator)
    y = y.round().long().clamp(0, patches.height - 1)[::stride, ::stride].contiguous()
    x = x.round().long().clamp(0, patches.width - 1)[::stride, ::stride].contiguous()
    return Field(y, x, torch.ones(y.shape), stride)


def _random_field(patches: Patches, level: Level, stride: int, generator: torch.Generator) -> Field:
    """Begin with random pieces of the exemplar, each as large as a patch."""
    height, width = (side // stride for side in level.result)
    piece = PATCH // stride
    rows, columns = -(-height // piece), -(-width // piece)
    y = torch.randint(patches.height, (rows, columns), generator=generator)
    x = torch.randint(patches.width, (rows, columns), generator=generator)
    within_y, within_x = torch.arange(height) % piece * stride, torch.arange(width) % piece * stride
    y = y.repeat_interleave(piece, 0).repeat_interleave(piece, 1)[:height, :width] + within_y[:, None]
    x = x.repeat_interleave(piece, 0).repeat_interleave(piece, 1)[:height, :width] + within_x
    y, x = y.clamp(max=patches.height - 1), x.clamp(max=patches.width - 1)
    return Field(y, x, torch.ones(height, width), stride)


def _finer(before: State, level: Level, patches: Patches, stride: int) -> Field:
    """Take a field to the next level: each place keeps its distance to the nearest patch of the coarser one."""
    old = before.field
    height, width = (side // stride for side in level.result)
    rows, y_rest = _nearest(height, old.y.shape[0], stride, old.stride, level.result[0] / before.level.result[0])
    columns, x_rest = _nearest(width, old.y.shape[1], stride, old.stride, level.result[1] / before.level.result[1])
    up_y = level.exemplar[0] / before.level.exemplar[0]
    up_x = level.exemplar[1] / before.level.exemplar[1]
    y = old.y[rows][:, columns] * up_y + y_rest[:, None]
    x = old.x[rows][:, columns] * up_x + x_rest
    return Field(
        y.round().long().clamp(0, patches.height - 1),
        x.round().long().clamp(0, patches.width - 1),
        torch.ones(height, width),
        stride,
    )


def _nearest(count: int, old_count: int, stride: int, old_stride: int, up: float) -> tuple[Tensor, Tensor]:
    """Return, for each new place, the old one before it, and how many new pixels it lies beyond that."""
    place = torch.arange(count) * stride
    index = (place / (up * old_stride)).floor().long().clamp(max=old_count - 1)
    return index, place - index * old_stride * up
