"""Bring the grain and contrast of a result back to the exemplar's, and heal where pieces meet.

Patches of both are projected onto random directions, and the result's values are moved to those that have the same rank
in the exemplar (Pitié et al., "N-Dimensional Probability Density Function Transfer", 2005, with the projections of
Elnekave and Weiss, "Generating natural images with direct patch distributions matching", 2022). Where a distribution is
right already, nothing moves: gradient steps on the distance between the two would add grain everywhere, and part the
maps from each other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.exact import between, mix, whole
from assetforge.ops.neighbors import nearest_neighbors
from assetforge.ops.principal import PrincipalAxes, random_basis
from assetforge.ops.ranks import SAMPLES, transfer_ranks
from assetforge.ops.statistics import PatchStatistics, random_directions
from assetforge.ops.threads import one_thread
from assetforge_multiply._channels import Stack
from assetforge_multiply._field import Field, choose, seed_of, vote

STEPS = 16
_PROJECTIONS, _SIDE = 16, 7
_DRAWING, _DRAWN = 2, 0.4
"""Steps, the last ones, in which pixels are drawn to those of the exemplar, and how far."""
_NEAREST_OF = 2**11
"""Pixels of the exemplar that are looked at."""
_UNIT, _MOST = 1 / 256, 2048
"""Steps, in deviations, to which pixels are rounded where patches are projected, and how many of them at most."""


def compose(stack: Stack, atlas: Tensor, field: Field) -> Tensor:
    """Lay the patches of (C, S · H, W) over each other; what cannot be averaged is chosen: (C, *field.size)."""
    averaged = stack.averaged().to(atlas.device)
    result = vote(atlas, field)
    result[~averaged] = choose(atlas[~averaged], field)
    return result


def refine(
    result: Tensor, stack: Stack, atlas: Tensor, field: Field, share: float, usable: Tensor | None = None
) -> Tensor:
    """Bring contrast and grain of what was composed back to those of (C, S · H, W), as far as `share` says.

    What is random in it depends on the field alone: who has that gets the same again.
    """
    steps = round(STEPS * share)
    if steps == 0:
        return result
    averaged = stack.averaged().to(atlas.device)
    after = result.clone()
    after[averaged] = polish(result[averaged], atlas[averaged], seed_of(field), steps, usable)
    return stack.keep_curl(result, after)


def polish(result: Tensor, source: Tensor, seed: int, steps: int = STEPS, usable: Tensor | None = None) -> Tensor:
    """Return (C, H, W) polished, on the torus; each channel stays within what occurs in the exemplar's.

    usable: (H, W) of the exemplar, bool, where it may be taken as an example; everywhere if not given.

    It goes along the principal axes of the exemplar's channels, each by its deviation: where one map tells another, the
    axis across hardly varies, and what would part the two counts as much there as all else.
    """
    examples = _examples(source, usable)
    axes = PrincipalAxes.of(source)
    wanted, pixels = axes.whiten(source), axes.whiten(result)
    generator = torch.Generator().manual_seed(seed)
    for number in range(steps):
        if number >= steps - _DRAWING:
            pixels = _drawn(pixels, wanted, generator)
        pixels += _patches_moved(pixels, wanted, examples, generator)
        pixels += _pixels_moved(pixels, wanted, examples, generator)
    lowest, highest = source.amin((1, 2), keepdim=True), source.amax((1, 2), keepdim=True)
    return _as_far_as_it_helps(result, axes.color(pixels).clamp(lowest, highest), source)


def _as_far_as_it_helps(before: Tensor, after: Tensor, source: Tensor) -> Tensor:
    """Return what lies between two textures nearest to the exemplar: where pieces fit, hardly anything was lost."""
    statistics = PatchStatistics.of(source)
    best, least = after, statistics.distance(after)
    for share in (0.5, 0.25, 0.0):
        less = between(before, after, share)
        distance = statistics.distance(less)
        if distance >= least:
            break
        best, least = less, distance
    return best


def _drawn(pixels: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each pixel (C) some way to the nearest of the exemplar's: random directions seldom show what is across.

    Where the maps depend on each other, the pixels of the exemplar lie on a thin sheet. To a rank along any direction
    that is not just across it, the sheet and a cloud around it are the same.
    """
    some = wanted.flatten(1)[:, torch.randint(wanted[0].numel(), (_NEAREST_OF,), generator=generator)]
    with one_thread():
        found = some[:, nearest_neighbors(pixels.flatten(1).T, some.T)]
    return between(pixels, found.reshape(pixels.shape), _DRAWN)


def _examples(source: Tensor, usable: Tensor | None) -> Tensor:
    """Return the numbers of the patches that hold only what is usable."""
    if usable is None:
        usable = torch.ones(source.shape[1:], dtype=torch.bool, device=source.device)
    outside = functional.max_pool2d((~usable)[None].float(), _SIDE, 1).flatten()
    return (outside == 0).nonzero().flatten()


def _some(examples: Tensor, generator: torch.Generator) -> Tensor:
    return examples[torch.randint(len(examples), (SAMPLES,), generator=generator)]


def _patches_moved(result: Tensor, source: Tensor, examples: Tensor, generator: torch.Generator) -> Tensor:
    """Return what brings the patches of a result nearer to those of the exemplar, along random directions.

    With all directions of an orthonormal basis, this would be the whole way: each pixel is a part of side² patches.
    All is in whole steps, of which no sum is rounded.
    """
    kernels = random_directions(_PROJECTIONS, len(result), _SIDE, generator).to(result.device)
    count, channels, side, _ = kernels.shape
    wrapped = functional.pad(whole(result, _UNIT, _MOST)[None], (0, side - 1, 0, side - 1), mode="circular")
    projected = functional.conv2d(wrapped, kernels)[0]
    wanted = _projected(source, _some(examples, generator), kernels)
    off = transfer_ranks(projected.flatten(1), wanted, generator).reshape(projected.shape).sub_(projected)
    squares = kernels.double().square().sum((1, 2, 3))
    length = math.sqrt(sum(squares.tolist()) / count)
    off = whole(off * (length / squares).float()[:, None, None], 1.0, _MOST)
    before = functional.pad(off[None], (side - 1, 0, side - 1, 0), mode="circular")
    moved = functional.conv2d(before, kernels.flip(2, 3).transpose(0, 1))[0]
    return moved.mul_(_UNIT / length * min(1.0, channels / count))


def _projected(source: Tensor, examples: Tensor, kernels: Tensor) -> Tensor:
    """Return the patches of an exemplar that have these numbers, along directions: (directions, examples)."""
    source, width = whole(source, _UNIT, _MOST), source.shape[2] - _SIDE + 1
    if source[0].numel() <= len(examples):  # fewer patches than are asked for: each is projected once
        return functional.conv2d(source[None], kernels)[0].flatten(1)[:, examples]
    windows = source.unfold(1, _SIDE, 1).unfold(2, _SIDE, 1)
    patches = windows[:, examples // width, examples % width].transpose(0, 1).flatten(1)
    return kernels.flatten(1) @ patches.T


def _pixels_moved(result: Tensor, source: Tensor, examples: Tensor, generator: torch.Generator) -> Tensor:
    """Return what brings pixels nearer to those of the exemplar: how maps are related shows in single pixels.

    All directions of a random orthonormal basis are gone along, all the way.
    """
    basis = random_basis(len(result), generator).to(result)
    some = _some(examples, generator)
    width = source.shape[2] - _SIDE + 1
    wanted = mix(basis, source[:, some // width, some % width])
    projected = mix(basis, result)
    moved = transfer_ranks(projected.flatten(1), wanted, generator).reshape(projected.shape)
    return mix(basis.T, moved.sub_(projected))
