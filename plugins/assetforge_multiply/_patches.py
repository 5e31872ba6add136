"""The method `patches`: the exemplar is put together anew, piece by piece; the layout is found once for all maps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

import assetforge as af
from assetforge.ops import exact
from assetforge.ops.exact import between
from assetforge.ops.resample import resample
from assetforge.ops.threads import one_thread
from assetforge_multiply import Params
from assetforge_multiply._canvas import Pyramid, atlas_of
from assetforge_multiply._channels import Stack
from assetforge_multiply._exemplars import Exemplars, guide_channels, piece_channels, read_mask
from assetforge_multiply._field import PATCH, Field, SynthesisResult, derive_seed
from assetforge_multiply._neural import neural_settings, optimize
from assetforge_multiply._polish import compose, refine
from assetforge_multiply._structure import Lattice, find_lattice, whole_periods
from assetforge_multiply._synthesis import Task, find_layout, synthesize_field

_BORDER = 0.1
"""Part of the side at each edge that is made anew where only seams are to be removed."""
_EDGE, _EDGE_PART = 4 * PATCH, 8
"""Pixels at each edge that materials share which tile with one another, and at most which part of the side; where that
is less than a patch, a patch."""
_FADE = 6
"""Pixels over which what is made anew turns into what stays."""


def synthesize(exemplars: Exemplars, stack: Stack, params: Params, context: af.Context) -> SynthesisResult:
    """Make a result by the method `patches`."""
    if params.is_in_place:
        return _remove_seams(stack, exemplars, params, context)
    with one_thread():
        work = _prepare(stack, exemplars, params, context)
    return _reroll(work, _synthesize_with_edges(work), exemplars.size)


def _remove_seams(stack: Stack, exemplars: Exemplars, params: Params, context: af.Context) -> SynthesisResult:
    """Make only what is not kept anew, so that the edges meet."""
    keep = _kept_pixels(params, exemplars.size).to(context.device)
    ignore = _ignored(exemplars, stack)
    if params.keep:
        ignore = ~keep[None] if ignore is None else ~keep[None] | ignore
    with one_thread():
        pyramid = Pyramid(stack.match_features())
    task = Task(pyramid, exemplars.size, context.seed, variation=0.0, keep=keep, ignore=ignore)
    field = synthesize_field(task, progress=context.progress).field
    return SynthesisResult(compose(stack, stack.channels[0], field), field, keep=keep)


def _kept_pixels(params: Params, size: tuple[int, int]) -> Tensor:
    """Return the pixels (H, W) that stay: those that a picture shows, or those far from edges that are to meet."""
    if params.keep:
        return read_mask(params.keep, size)
    border = tuple(max(1, round(side * _BORDER)) for side in size)
    return ~_near_edges(size, params.tileable, border)


def _near_edges(size: tuple[int, int], axes: str, border: tuple[int, ...]) -> Tensor:
    """Return which pixels (H, W) are near the edges across the axes; border: how near, in pixels of each axis."""
    near = torch.zeros(size, dtype=torch.bool)
    for axis, name in enumerate("yx"):
        if name in axes:
            near.narrow(axis, 0, border[axis]).fill_(value=True)
            near.narrow(axis, size[axis] - border[axis], border[axis]).fill_(value=True)
    return near


def _shared_border(side: int) -> int:
    return max(PATCH, min(_EDGE, side // _EDGE_PART))


def _ignored(exemplars: Exemplars, stack: Stack) -> Tensor | None:
    return None if exemplars.ignore is None else exemplars.ignore.to(stack.channels.device)


@dataclass(frozen=True)
class _Work:
    """What is to be synthesized, and of what: channels (S, C, H, W), which may be stretched for a lattice."""

    task: Task
    channels: Tensor
    stack: Stack
    params: Params
    context: af.Context


def _prepare(stack: Stack, exemplars: Exemplars, params: Params, context: af.Context) -> _Work:
    """Find what patches are compared by, and whether the exemplar repeats itself."""
    size, seed = params.torus_size(exemplars.size), context.seed
    features, channels = stack.match_features(), stack.channels
    guide = None
    if params.guide is not None or exemplars.kinds > 1:
        own, guide = guide_channels(exemplars, size, params, seed)
        features, guide = torch.cat([features, own.to(features.device)], 1), guide.to(features.device)
    alone = len(exemplars.materials) == 1 and guide is None
    lattice = find_lattice(features[0].cpu()) if params.regular == "auto" and params.variation == 1 and alone else None
    if lattice is not None:  # its cells stay apart of themselves
        features, channels, lattice = _stretched(features, stack, lattice, size)
    else:
        features = torch.cat([*piece_channels(exemplars, features), features], 1)
    ignore = _ignored(exemplars, stack)
    task = Task(Pyramid(features), size, seed, guide, lattice, params.variation, ignore)
    return _Work(task, channels, stack, params, context)


def _stretched(
    features: Tensor, stack: Stack, lattice: Lattice, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Lattice]:
    """Stretch an exemplar's features and channels a little, so that the result holds whole cells of it."""
    up, across = whole_periods(lattice, size)
    height, width = round(features.shape[2] * up), round(features.shape[3] * across)
    stretched = lattice.scaled(height / features.shape[2], width / features.shape[3])
    resized = torch.stack([resample(one, (height, width)) for one in features])
    return resized, stack.resized((height, width)), stretched


def _synthesize_with_edges(work: _Work) -> SynthesisResult:
    """Make a result; what it shares with others at its edges is made first, and stays."""
    task, params, context = work.task, work.params, work.context
    if params.edges is None:
        return _synthesize(work)
    base = _synthesize(replace(work, task=replace(task, seed=derive_seed(params.edges))))
    shared = _near_edges(task.size, params.tileable, tuple(map(_shared_border, task.size)))
    context.note("shared", round(exact.mean(shared.float()), 3))
    return _regenerate(work, base, ~shared)


def _reroll(work: _Work, base: SynthesisResult, exemplar_size: tuple[int, int]) -> SynthesisResult:
    """Make the region of a result again that is wanted anew, if any."""
    reroll = work.params.reroll
    if reroll is None:
        return base
    torus, wanted = work.task.size, work.params.result_size(exemplar_size)
    region = read_mask(reroll.region, wanted)
    region = functional.pad(region, (0, torus[1] - wanted[1], 0, torus[0] - wanted[0]))
    again = replace(work.task, seed=derive_seed(work.context.seed, reroll.seed))
    return _regenerate(replace(work, task=again), base, region)


def _synthesize(work: _Work) -> SynthesisResult:
    field, variety = find_layout(work.task, work.params.candidates, work.context.progress)
    return SynthesisResult(_blend_and_refine(work, field), field, variety)


def _regenerate(work: _Work, base: SynthesisResult, anew: Tensor) -> SynthesisResult:
    """Make the pixels `anew` (H, W) of a result again; the others stay, to the bit."""
    anew = anew.to(base.channels.device)
    fresh = _synthesize(replace(work, task=replace(work.task, keep=~anew, base=base.field)))
    share = _faded(anew)
    averaged = work.stack.averaged()
    channels = between(base.channels, fresh.channels, share)
    channels[~averaged] = torch.where(share > 0.5, fresh.channels, base.channels)[~averaged]
    return replace(fresh, channels=torch.where(share > 0, channels, base.channels))


def _faded(anew: Tensor) -> Tensor:
    """Return how much of what is made anew is seen: (H, W), rising from the rim of the mask inwards."""
    rim = (~anew).float()[None, None]
    for _ in range(_FADE):
        wrapped = functional.pad(rim, (1, 1, 1, 1), mode="circular")
        rim = torch.maximum(rim, functional.max_pool2d(wrapped, 3, 1) - 1 / _FADE).clamp_min(0)
    return 1 - rim[0, 0]


def _blend_and_refine(work: _Work, field: Field) -> Tensor:
    """Lay patches over each other, and bring contrast and grain back."""
    task, stack, channels, params = work.task, work.stack, work.channels, work.params
    atlas = atlas_of(channels, (channels.shape[2], channels.shape[3]))
    result = compose(stack, atlas, field)
    if task.guide is not None:  # it is not to have as much of everything as the exemplar
        return result
    if params.polish_by == "ranks":
        usable = None if task.ignore is None else _resized(~task.ignore, channels).flatten(0, 1)
        return refine(result, stack, atlas, field, params.polish, usable)
    return _refine_by_features(work, result)


def _refine_by_features(work: _Work, result: Tensor) -> Tensor:
    """Bring contrast and grain back by the statistics of features."""
    averaged = work.stack.averaged().to(result.device)
    settings = neural_settings(work.stack, work.params, work.context)
    drawn = optimize(work.channels[0][averaged], work.task.size, work.task.seed, settings, result[averaged])
    after = result.clone()
    after[averaged] = between(result[averaged], drawn, work.params.polish)
    return work.stack.keep_curl(result, after)


def _resized(masks: Tensor, channels: Tensor) -> Tensor:
    """Bring masks (S, H, W) to the size that exemplars were stretched to."""
    size = (channels.shape[2], channels.shape[3])
    return functional.interpolate(masks[:, None].float(), size=size, mode="nearest")[:, 0] > 0
