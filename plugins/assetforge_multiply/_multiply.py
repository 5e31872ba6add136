"""From one material to a new one: the layout is found once, and all maps follow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import assetforge as af
from assetforge.codecs.decode import Reading, decode
from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Wrap
from assetforge.ops.resample import matched, nearest, resample
from assetforge.ops.statistics import statistics_distance
from assetforge_multiply import Params
from assetforge_multiply._blend import blend
from assetforge_multiply._channels import Stack
from assetforge_multiply._checks import largest_copy
from assetforge_multiply._lattice import Lattice, find_lattice, whole_periods
from assetforge_multiply._patches import choose, vote
from assetforge_multiply._polish import STEPS, polish
from assetforge_multiply._synthesis import State, Task, synthesize

_LAYOUT = 0.25
"""The part of the full resolution at which layouts are compared."""
_COPY_ALLOWED = 0.05
"""Part of the result that may come from one place before a layout is held to be worse for it."""
_MARGIN = 16
"""Pixels that are made beyond an edge that is not to tile, and cut off."""
_BORDER = 0.1
"""Part of the side at each edge that is made anew where only seams are to be removed."""

_WHITE = 0.5

Progress = Callable[[float], None]


def multiply_material(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a new material like the given one. Its maps are brought to one size first."""
    size = max(texture.size for texture in material.values())
    exemplar = matched(material, size)
    stack = Stack.of(exemplar, context.specs)
    wanted = _wanted(params, size)
    made = _with_margin(wanted, params)
    wrap: Wrap = "repeat" if params.tileable == "xy" else "clamp"
    if params.method == "blend":
        channels = blend(stack.channels, made, context.seed)
    elif params.variation == 0 or params.keep:
        keep = read_mask(params.keep, size) if params.keep else _middle(size, params)
        return _kept(stack.restore(_joined(stack, keep, params, context), wrap), exemplar, keep)
    else:
        channels = _from_patches(stack, made, params, context)
    return stack.restore(channels[:, : wanted[0], : wanted[1]], wrap)


def _middle(size: tuple[int, int], params: Params) -> Tensor:
    """Return the pixels (H, W) that are far from the edges which are to meet."""
    keep = torch.ones(size, dtype=torch.bool)
    for axis, name in enumerate("yx"):
        if name in params.tileable:
            border = max(1, round(size[axis] * _BORDER))
            keep.narrow(axis, 0, border).fill_(value=False)
            keep.narrow(axis, size[axis] - border, border).fill_(value=False)
    return keep


def _joined(stack: Stack, keep: Tensor, params: Params, context: af.Context) -> Tensor:
    """Make only what is not kept anew, so that the edges meet."""
    size = (keep.shape[0], keep.shape[1])
    ignore = ~keep if params.keep else _ignored(params, size)
    task = Task(stack.guidance(), size, context.seed, variation=0.0, keep=keep, ignore=ignore)
    field = synthesize(task, progress=context.progress).field
    averaged = stack.averaged()
    result = vote(stack.channels, field)
    result[~averaged] = choose(stack.channels[~averaged], field)
    return result


def _ignored(params: Params, size: tuple[int, int]) -> Tensor | None:
    return read_mask(params.ignore, size) if params.ignore else None


def read_mask(path: Path, size: tuple[int, int]) -> Tensor:
    """Read where a picture is more white than black: (H, W), bool. Raise SourceError where it cannot be read."""
    texture = decode(path, MAPS["opacity"], Reading(), str(path)).texture
    return nearest(texture.data, size)[0] >= _WHITE


def _kept(result: af.Material, exemplar: af.Material, keep: Tensor) -> af.Material:
    """Put the pixels that are kept back into a result, to the bit."""
    maps = {}
    for name, texture in result.items():
        before = exemplar[name]
        alpha = texture.alpha
        if alpha is not None and before.alpha is not None:
            alpha = torch.where(keep, before.alpha, alpha)
        maps[name] = replace(texture, data=torch.where(keep, before.data, texture.data), alpha=alpha)
    return af.Material(result.name, maps)


def _wanted(params: Params, exemplar: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of the result."""
    if params.size is None:
        return exemplar
    if params.variation < 1 and params.method == "patches":
        raise af.StepError("size", "cannot be set with a variation below 1", "leave one of them out")
    width, height = params.size if isinstance(params.size, tuple) else (params.size, params.size)
    return height, width


def _with_margin(size: tuple[int, int], params: Params) -> tuple[int, int]:
    """Return the size of the torus that the result is cut from: larger where an edge must not tile."""
    height, width = (side + (0 if axis in params.tileable else _MARGIN) for axis, side in zip("yx", size, strict=True))
    return height, width


def _from_patches(stack: Stack, size: tuple[int, int], params: Params, context: af.Context) -> Tensor:
    guidance, channels = stack.guidance(), stack.channels
    lattice = find_lattice(guidance) if params.regular == "auto" and params.variation == 1 else None
    if lattice is not None:
        guidance, channels, lattice = _fitted(guidance, channels, lattice, size)
    seeds = range(context.seed * params.candidates, (context.seed + 1) * params.candidates)
    ignore = _ignored(params, (guidance.shape[1], guidance.shape[2]))
    tasks = [Task(guidance, size, seed, lattice, params.variation, ignore=ignore) for seed in seeds]
    task, layout = _best_layout(tasks, _part(context.progress, 0.0, 0.3))
    state = synthesize(task, layout, progress=_part(context.progress, 0.3, 0.7))
    averaged = stack.averaged()
    result = vote(channels, state.field)
    if params.polish:
        healed = polish(result[averaged], channels[averaged], task.seed, round(STEPS * params.polish))
        result[averaged] = healed
    result[~averaged] = choose(channels[~averaged], state.field)
    return result


def _fitted(
    guidance: Tensor, channels: Tensor, lattice: Lattice, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Lattice]:
    """Stretch an exemplar a little, so that the result holds whole cells of it."""
    up, across = whole_periods(lattice, size)
    height, width = round(guidance.shape[1] * up), round(guidance.shape[2] * across)
    stretched = lattice.scaled(height / guidance.shape[1], width / guidance.shape[2])
    return resample(guidance, (height, width)), resample(channels, (height, width)), stretched


def _best_layout(tasks: list[Task], progress: Progress) -> tuple[Task, State]:
    """Try several layouts at a low resolution; the best has the exemplar's statistics, and copies no large piece."""
    best: tuple[float, Task, State] | None = None
    for number, task in enumerate(tasks):
        state = synthesize(task, until=_LAYOUT)
        exemplar = resample(task.guidance, state.level.exemplar)
        distance = statistics_distance(vote(exemplar, state.field), exemplar)
        fault = distance * (1 + max(0.0, largest_copy(state.field) - _COPY_ALLOWED) / _COPY_ALLOWED)
        if best is None or fault < best[0]:
            best = (fault, task, state)
        progress((number + 1) / len(tasks))
    if best is None:
        raise ValueError("no layout was asked for")
    return best[1], best[2]


def _part(progress: Progress, begin: float, share: float) -> Progress:
    return lambda fraction: progress(begin + share * fraction)
