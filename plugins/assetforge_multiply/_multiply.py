"""From one material to a new one: the layout is found once, and all maps follow it."""

from __future__ import annotations

from collections.abc import Callable
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
from assetforge_multiply._blend import blend
from assetforge_multiply._canvas import Pyramid, below_each_other
from assetforge_multiply._channels import Stack
from assetforge_multiply._compose import composed, polished
from assetforge_multiply._coordinates import coordinates
from assetforge_multiply._exemplars import Exemplars, gather, read_mask
from assetforge_multiply._finish import finished, with_margin
from assetforge_multiply._guides import guide_channels, piece_channels
from assetforge_multiply._lattice import Lattice, find_lattice, whole_periods
from assetforge_multiply._layout import lay_out
from assetforge_multiply._neural import neural_settings, synthesize_neural
from assetforge_multiply._patches import PATCH, Field
from assetforge_multiply._quality import Quality, judge
from assetforge_multiply._report import picture
from assetforge_multiply._seeds import mixed
from assetforge_multiply._synthesis import Task, synthesize
from assetforge_multiply._unmixed import with_unmixed

SMALLEST = 2 * PATCH
"""Least side of an exemplar in pixels."""
_BORDER = 0.1
"""Part of the side at each edge that is made anew where only seams are to be removed."""
_EDGE, _EDGE_PART = 4 * PATCH, 8
"""Pixels at each edge that materials share which tile with one another, and at most which part of the side; where that
is less than a patch, a patch."""
_FADE = 6
"""Pixels over which what is made anew turns into what stays."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Made:
    """A result: its channels (C, H, W) on the torus, and where they come from if they come from somewhere."""

    channels: Tensor
    field: Field | None = None
    variety: float | None = None
    """How different the layouts are that were tried."""

    def to(self, device: str) -> Made:
        """Return it on a device."""
        field = None if self.field is None else self.field.to(device)
        return replace(self, channels=self.channels.to(device), field=field)


def multiply_material(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a new material like the given one. Its maps are brought to one size first.

    What fails a check is tried again with other seeds; the best result stays, and what is wrong with it is flagged.
    """
    exemplars = gather(material, params, context.specs)
    if all(_is_flat(texture) for one in exemplars.materials for texture in one.values()) and len(params.others) == 0:
        return _flat(exemplars.materials[0], _wanted(params, exemplars.size))
    _check_size(exemplars.size)
    best: tuple[Quality, Made, af.Material] | None = None
    retries = params.retries if params.method == "patches" else 0  # the others give much the same with any seed
    for number in range(retries + 1):
        made = _make(exemplars, params, replace(context, seed=mixed(context.seed, number))).to("cpu")
        result = _finish(made, exemplars, params, context)
        quality = judge(result, exemplars, params, context.specs, made.field, made.variety)
        if best is None or quality.faults < best[0].faults:
            best = (quality, made, result)
        if not quality.flags:
            break
    if best is None:
        raise ValueError("nothing was tried")
    quality, made, result = best
    for name, value in quality.notes.items():
        context.note(name, value)
    for flag in quality.flags:
        context.flag(flag)
    return result.replace(**_on_demand(made, result, exemplars, params))


def _check_size(size: tuple[int, int]) -> None:
    if min(size) < SMALLEST:
        what = f"is {size[1]}×{size[0]} pixels, which is too small to take pieces from"
        raise af.StepError("the exemplar", what, f"give one of at least {SMALLEST}×{SMALLEST}")


def _is_flat(texture: af.Texture) -> bool:
    pixels = texture.data if texture.alpha is None else torch.cat([texture.data, texture.alpha])
    lowest, highest = torch.aminmax(pixels.flatten(1), dim=1)
    return bool((highest == lowest).all())


def _flat(material: af.Material, size: tuple[int, int]) -> af.Material:
    """Return a material of one value everywhere at a size."""

    def spread(pixels: Tensor) -> Tensor:
        return pixels[:, :1, :1].expand(-1, *size).contiguous()

    return af.Material(
        material.name,
        {
            name: replace(
                one, data=spread(one.data), alpha=None if one.alpha is None else spread(one.alpha), wrap="repeat"
            )
            for name, one in material.items()
        },
    )


def _make(exemplars: Exemplars, params: Params, context: af.Context) -> Made:
    size = _torus(params, exemplars.size)
    with one_thread():
        stack = Stack.of(exemplars.materials, context.specs).to(context.device)
    seed = mixed(context.seed)
    if params.method == "blend":
        return Made(with_unmixed(stack.channels[0], stack.averaged(), lambda c: blend(c, size, seed), seed))
    if params.method == "neural":
        settings = neural_settings(stack, params, context)

        def draw(channels: Tensor) -> Tensor:
            return synthesize_neural(channels, size, seed, settings, progress=context.progress)

        return Made(with_unmixed(stack.channels[0], stack.averaged(), draw, seed))
    if _is_in_place(params):
        return _joined(stack, exemplars, params, context)
    return _from_patches(stack, exemplars, size, params, context)


def _finish(made: Made, exemplars: Exemplars, params: Params, context: af.Context) -> af.Material:
    """Cut a result to its size, and make a material of it."""
    height, width = _wanted(params, exemplars.size)
    stack = Stack.of(exemplars.materials[:1], context.specs)
    result = finished(stack, made.channels[:, :height, :width], params, context.specs)
    if params.method == "patches" and _is_in_place(params):
        return _kept(result, exemplars.materials[0], _keep(params, exemplars.size))
    return result


def _on_demand(made: Made, result: af.Material, exemplars: Exemplars, params: Params) -> dict[str, af.Texture]:
    maps = {}
    where = None if made.field is None else coordinates(made.field)
    if params.save_map and where is not None:
        maps["coordinates"] = af.Texture(where, af.ColorSpace.NONE, "clamp")
    if params.report:
        maps["multiply_report"] = picture(exemplars.materials[0], result, where)
    return maps


def _wanted(params: Params, exemplar: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of the result."""
    if params.size is None:
        return exemplar
    width, height = params.size if isinstance(params.size, tuple) else (params.size, params.size)
    return height, width


def _torus(params: Params, exemplar: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the torus that the result is cut from."""
    size = _wanted(params, exemplar)
    return size if _is_in_place(params) else with_margin(size, params.tileable)


def _is_in_place(params: Params) -> bool:
    """Tell whether only a part of the exemplar is made anew."""
    return params.variation == 0 or params.keep is not None


def _keep(params: Params, size: tuple[int, int]) -> Tensor:
    """Return the pixels (H, W) that stay: those that a picture shows, or those far from edges that are to meet."""
    return (
        read_mask(params.keep, size)
        if params.keep
        else ~_near_edges(size, params.tileable, tuple(max(1, round(side * _BORDER)) for side in size))
    )


def _near_edges(size: tuple[int, int], axes: str, border: tuple[int, ...]) -> Tensor:
    """Return which pixels (H, W) are near the edges across the axes; border: how near, in pixels of each axis."""
    near = torch.zeros(size, dtype=torch.bool)
    for axis, name in enumerate("yx"):
        if name in axes:
            near.narrow(axis, 0, border[axis]).fill_(value=True)
            near.narrow(axis, size[axis] - border[axis], border[axis]).fill_(value=True)
    return near


def _edge(side: int) -> int:
    return max(PATCH, min(_EDGE, side // _EDGE_PART))


def _joined(stack: Stack, exemplars: Exemplars, params: Params, context: af.Context) -> Made:
    """Make only what is not kept anew, so that the edges meet."""
    keep = _keep(params, exemplars.size).to(context.device)
    ignore = ~keep[None] if params.keep else _ignored(exemplars, stack)
    with one_thread():
        pyramid = Pyramid(stack.guidance())
    task = Task(pyramid, exemplars.size, context.seed, variation=0.0, keep=keep, ignore=ignore)
    field = synthesize(task, progress=context.progress).field
    return Made(composed(stack, stack.channels[0], field), field)


def _ignored(exemplars: Exemplars, stack: Stack) -> Tensor | None:
    return None if exemplars.ignore is None else exemplars.ignore.to(stack.channels.device)


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


def _from_patches(
    stack: Stack, exemplars: Exemplars, size: tuple[int, int], params: Params, context: af.Context
) -> Made:
    """Put a texture together; what is shared with others or was made before is made first, and stays."""
    with one_thread():
        task, channels = _task(stack, exemplars, size, params, context.seed)
    if params.edges is None:
        made = _carried_out(task, stack, channels, params, context)
    else:
        base = _carried_out(replace(task, seed=mixed(params.edges)), stack, channels, params, context)
        shared = _near_edges(size, params.tileable, tuple(map(_edge, size)))
        context.note("shared", round(exact.mean(shared.float()), 3))
        made = _renewed(base, ~shared, task, stack, channels, params, context)
    if params.reroll is not None:
        wanted = _wanted(params, exemplars.size)
        region = read_mask(params.reroll.region, wanted)
        region = functional.pad(region, (0, size[1] - wanted[1], 0, size[0] - wanted[0]))
        again = replace(task, seed=mixed(context.seed, params.reroll.seed))
        made = _renewed(made, region, again, stack, channels, params, context)
    return made


def _task(stack: Stack, exemplars: Exemplars, size: tuple[int, int], params: Params, seed: int) -> tuple[Task, Tensor]:
    """Return what is to be synthesized, and the channels (S, C, H, W) that it is made of."""
    guidance, channels = stack.guidance(), stack.channels
    guide = None
    if params.guide is not None or exemplars.kinds > 1:
        own, guide = guide_channels(exemplars, size, params, seed)
        guidance, guide = torch.cat([guidance, own.to(guidance.device)], 1), guide.to(guidance.device)
    alone = len(exemplars.materials) == 1 and guide is None
    lattice = find_lattice(guidance[0].cpu()) if params.regular == "auto" and params.variation == 1 and alone else None
    if lattice is not None:  # its cells stay apart of themselves
        guidance, channels, lattice = _fitted(guidance, channels, lattice, size)
    else:
        guidance = torch.cat([*piece_channels(exemplars, guidance), guidance], 1)
    return Task(Pyramid(guidance), size, seed, guide, lattice, params.variation, _ignored(exemplars, stack)), channels


def _fitted(
    guidance: Tensor, channels: Tensor, lattice: Lattice, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Lattice]:
    """Stretch an exemplar a little, so that the result holds whole cells of it."""
    up, across = whole_periods(lattice, size)
    height, width = round(guidance.shape[2] * up), round(guidance.shape[3] * across)
    stretched = lattice.scaled(height / guidance.shape[2], width / guidance.shape[3])
    resized = [torch.stack([resample(one, (height, width)) for one in many]) for many in (guidance, channels)]
    return resized[0], resized[1], stretched


def _carried_out(task: Task, stack: Stack, channels: Tensor, params: Params, context: af.Context) -> Made:
    field, variety = lay_out(task, params.candidates, context.progress)
    return Made(_healed(task, stack, channels, field, params, context), field, variety)


def _renewed(
    base: Made, anew: Tensor, task: Task, stack: Stack, channels: Tensor, params: Params, context: af.Context
) -> Made:
    """Make the pixels `anew` (H, W) of a result again; the others stay, to the bit."""
    anew = anew.to(base.channels.device)
    task = replace(task, keep=~anew, base=base.field)
    field, variety = lay_out(task, params.candidates, context.progress)
    fresh = _healed(task, stack, channels, field, params, context)
    share = _faded(anew)
    averaged = stack.averaged()
    result = between(base.channels, fresh, share)
    result[~averaged] = torch.where(share > 0.5, fresh, base.channels)[~averaged]
    return Made(torch.where(share > 0, result, base.channels), field, variety)


def _faded(anew: Tensor) -> Tensor:
    """Return how much of what is made anew is seen: (H, W), rising from the rim of the mask inwards."""
    rim = (~anew).float()[None, None]
    for _ in range(_FADE):
        wrapped = functional.pad(rim, (1, 1, 1, 1), mode="circular")
        rim = torch.maximum(rim, functional.max_pool2d(wrapped, 3, 1) - 1 / _FADE).clamp_min(0)
    return 1 - rim[0, 0]


def _healed(task: Task, stack: Stack, channels: Tensor, field: Field, params: Params, context: af.Context) -> Tensor:
    """Lay patches over each other, and bring contrast and grain back."""
    atlas = below_each_other(channels, (channels.shape[2], channels.shape[3]))
    result = composed(stack, atlas, field)
    if task.guide is not None:  # it is not to have as much of everything as the exemplar
        return result
    if params.polish_by == "ranks":
        usable = None if task.ignore is None else _fitting(~task.ignore, channels).flatten(0, 1)
        return polished(result, stack, atlas, field, params.polish, usable)
    averaged = stack.averaged().to(result.device)
    settings = neural_settings(stack, params, context)
    drawn = synthesize_neural(channels[0][averaged], task.size, task.seed, settings, result[averaged])
    after = result.clone()
    after[averaged] = between(result[averaged], drawn, params.polish)
    return stack.with_curl_as_before(result, after)


def _fitting(masks: Tensor, channels: Tensor) -> Tensor:
    """Bring masks (S, H, W) to the size that exemplars were stretched to."""
    size = (channels.shape[2], channels.shape[3])
    return functional.interpolate(masks[:, None].float(), size=size, mode="nearest")[:, 0] > 0
