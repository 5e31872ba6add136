"""From one material to a new one: by one of three methods, tried until nothing is wrong with it, and measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

import assetforge as af
from assetforge.ops.color import srgb_decode
from assetforge.ops.resample import resample
from assetforge.ops.threads import one_thread
from assetforge_multiply import _blend, _neural, _patches
from assetforge_multiply._channels import Stack, to_material
from assetforge_multiply._exemplars import Exemplars, gather
from assetforge_multiply._field import PATCH, SynthesisResult, coordinates, derive_seed
from assetforge_multiply._params import Params
from assetforge_multiply._quality import Quality, measure

SMALLEST = 2 * PATCH
"""Least side of an exemplar in pixels."""
_REPORT_HEIGHT = 1024
"""Height of the report's picture in pixels."""

Method = Callable[[Exemplars, Stack, Params, af.Context], SynthesisResult]

METHODS: dict[str, Method] = {
    "patches": _patches.synthesize,
    "blend": _blend.synthesize,
    "neural": _neural.synthesize,
}


def multiply_material(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Make a new material like the given one. Its maps are brought to one size first.

    What fails a check is tried again with other seeds; the best result stays, and what is wrong with it is flagged.
    """
    exemplars = gather(material, params, context.specs)
    if all(_is_flat(texture) for one in exemplars.materials for texture in one.values()) and len(params.others) == 0:
        return _flat(exemplars.materials[0], params.result_size(exemplars.size))
    _check_size(exemplars.size)
    quality, made, result = _best_of_tries(exemplars, params, context)
    for name, value in quality.notes.items():
        context.note(name, value)
    for flag in quality.flags:
        context.flag(flag)
    return result.replace(**_on_demand(made, result, exemplars, params))


def _best_of_tries(
    exemplars: Exemplars, params: Params, context: af.Context
) -> tuple[Quality, SynthesisResult, af.Material]:
    """Try one seed after the other until nothing is wrong; return the try with the smallest penalty."""
    best: tuple[Quality, SynthesisResult, af.Material] | None = None
    retries = params.retries if params.method == "patches" else 0  # the others give much the same with any seed
    for number in range(retries + 1):
        made = _synthesize(exemplars, params, replace(context, seed=derive_seed(context.seed, number)))
        result = _finish(made, exemplars, params, context)
        quality = measure(result, exemplars, params, context.specs, made.field, made.variety)
        if best is None or quality.penalty < best[0].penalty:
            best = (quality, made, result)
        if not quality.flags:
            break
    if best is None:
        raise ValueError("nothing was tried")
    return best


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


def _synthesize(exemplars: Exemplars, params: Params, context: af.Context) -> SynthesisResult:
    """Make a result on the context's device, and bring it back."""
    with one_thread():
        stack = Stack.of(exemplars.materials, context.specs).to(context.device)
    return METHODS[params.method](exemplars, stack, params, context).to("cpu")


def _finish(made: SynthesisResult, exemplars: Exemplars, params: Params, context: af.Context) -> af.Material:
    """Cut a result to its size, and make a material of it."""
    height, width = params.result_size(exemplars.size)
    stack = Stack.of(exemplars.materials[:1], context.specs)
    result = to_material(stack, made.channels[:, :height, :width], params, context.specs)
    return result if made.keep is None else _put_back(result, exemplars.materials[0], made.keep)


def _put_back(result: af.Material, exemplar: af.Material, keep: Tensor) -> af.Material:
    """Put the pixels that are kept back into a result, to the bit."""
    maps = {}
    for name, texture in result.items():
        before = exemplar[name]
        alpha = texture.alpha
        if alpha is not None and before.alpha is not None:
            alpha = torch.where(keep, before.alpha, alpha)
        maps[name] = replace(texture, data=torch.where(keep, before.data, texture.data), alpha=alpha)
    return af.Material(result.name, maps)


def _on_demand(
    made: SynthesisResult, result: af.Material, exemplars: Exemplars, params: Params
) -> dict[str, af.Texture]:
    maps = {}
    where = None if made.field is None else coordinates(made.field)
    if params.save_map and where is not None:
        maps["coordinates"] = af.Texture(where, af.ColorSpace.NONE, "clamp")
    if params.report:
        maps["multiply_report"] = _report(exemplars.materials[0], result, where)
    return maps


def _report(exemplar: af.Material, result: af.Material, where: Tensor | None) -> af.Texture:
    """Return exemplar, result tiled twice and the map of coordinates side by side; nothing where there is none."""
    shown = next((name for name, texture in result.items() if texture.color_space == af.ColorSpace.LIN_REC709), None)
    name = shown or next(iter(result))
    pictures = [_colored(exemplar[name], name), _colored(result[name], name).repeat(1, 2, 2)]
    if where is not None:
        pictures.append(srgb_decode(where[[0, 1, 2]].clamp(0, 1)))
    return af.Texture(torch.cat([_fitted(one) for one in pictures], 2), af.ColorSpace.LIN_REC709, "clamp")


def _colored(texture: af.Texture, name: str) -> Tensor:
    if texture.color_space == af.ColorSpace.LIN_REC709:
        return texture.data.clamp(0, 1)
    numbers = texture.data * 0.5 + 0.5 if name == "normal" else texture.data
    return srgb_decode(numbers[:3].clamp(0, 1)).expand(3, -1, -1)


def _fitted(pixels: Tensor) -> Tensor:
    width = max(1, round(pixels.shape[2] * _REPORT_HEIGHT / pixels.shape[1]))
    return resample(pixels, (_REPORT_HEIGHT, width)).clamp(0, 1)
