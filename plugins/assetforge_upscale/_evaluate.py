"""The evaluation `upscale`: pictures are made smaller, and enlarged again by the step and by bicubic.

It follows the papers of super-resolution: sides are cropped to multiples of the scale, what is made is rounded to 8
bits, and `scale` pixels along the edges are not measured. Bicubic is that of `BICUBIC`, on encoded colors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import assetforge as af
from assetforge import weights
from assetforge.ops import metrics
from assetforge.ops.color import hdr_decode, hdr_encode, luma
from assetforge.ops.resample import BICUBIC, BOX, LANCZOS, resample, restore
from assetforge.ops.seams import continues
from assetforge_upscale import NetworkName, Params, weights_for
from assetforge_upscale._comparison import Comparison
from assetforge_upscale._upscale import upscale_material
from assetforge_upscale.training.dataset import Pixels
from assetforge_upscale.training.degradations import bc1, jpeg, palette

LEAST_CONTRAST = 0.5 / 255
"""Standard deviation of a picture in which there is something to restore."""
_KERNELS = {"bicubic": BICUBIC, "box": BOX}
_DAMAGES: Mapping[str, Callable[[Pixels], Pixels]] = {
    "jpeg": partial(jpeg, quality=50),
    "bc1": bc1,
    "palette": partial(palette, colors=64, dithered=False),
}
_FOLDER = Path(__file__).parent


def scores(material: af.Material, params: Comparison, context: af.Context) -> Iterator[af.Score]:
    """Measure every map of a material by itself; flag those that cannot be."""
    for name, texture in material.items():
        spec = context.specs[name]
        if spec.kind == "id":
            context.flag(f"{name}: ids are copied, which needs no measure")
            continue
        pair = _pair(texture, spec, params)
        if unfit := pair.unfit(params):
            context.flag(f"{name}: {unfit}")
            continue
        yield from _scores(name, pair, params, context)


@dataclass(frozen=True)
class _Pair:
    """A picture and its reduction as files of 8 bits hold them: (C, H, W) and (C, h, w), 0 to 1, colors encoded."""

    truth: Tensor
    small: Tensor
    spec: af.MapSpec
    texture: af.Texture
    repeat: bool

    def unfit(self, params: Comparison) -> str:
        """Say why it cannot be measured, or nothing."""
        side = min(self.truth.shape[1:]) - 2 * params.scale
        if side < metrics.SMALLEST_SIDE:
            enough = (metrics.SMALLEST_SIDE + 3 * params.scale) * params.shrink
            return f"is too small; a side of {enough} pixels is enough"
        return "is flat; there is nothing to restore" if self.truth.std() <= LEAST_CONTRAST else ""

    def source(self) -> af.Texture:
        """Return the reduction as the step is given it."""
        return replace(self.texture, data=_data(self.small, self.spec), wrap="repeat" if self.repeat else "clamp")


def _pair(texture: af.Texture, spec: af.MapSpec, params: Comparison) -> _Pair:
    repeat = continues(texture, params.tileable)
    if spec.kind == "data":
        texture = _in_unit(texture)
    truth = _stored(texture, spec)
    height, width = (max(1, side // params.shrink) for side in truth.shape[1:])
    if params.shrink > 1:
        truth = _file(resample(truth, (height, width), LANCZOS, repeat=repeat), spec)
    cropped = (height - height % params.scale, width - width % params.scale)
    repeat = repeat and cropped == (height, width)
    truth = truth[:, : cropped[0], : cropped[1]]
    size = (max(1, cropped[0] // params.scale), max(1, cropped[1] // params.scale))
    reduced = resample(truth, size, _KERNELS[params.reduce], repeat=repeat) if truth.numel() else truth
    small = _file(reduced, spec)
    if params.damage != "no" and spec.is_color:
        small = _damaged(small, params.damage)
    return _Pair(truth, small, spec, replace(texture, alpha=None), repeat)


def _damaged(pixels: Tensor, damage: str) -> Tensor:
    """Return color (3, H, W), 0 to 1, as it is after compression."""
    codes = (pixels * 255).round().byte().permute(1, 2, 0).numpy()
    return torch.from_numpy(np.array(_DAMAGES[damage](codes))).permute(2, 0, 1).float() / 255


def _scores(name: str, pair: _Pair, params: Comparison, context: af.Context) -> Iterator[af.Score]:
    size: tuple[int, int] = (pair.truth.shape[1], pair.truth.shape[2])
    source = pair.source()
    bicubic = _file(resample(_stored(source, pair.spec), size, BICUBIC, repeat=pair.repeat), pair.spec)
    least = _error(bicubic, pair, params.scale)
    yield af.Score(name, "bicubic", _figures(bicubic, pair, params, least))
    for method, told in _methods(params, is_color=pair.spec.is_color).items():
        found = {one: weights.find(one, _FOLDER) for one in weights_for(told)}
        made = upscale_material(af.Material(name, {name: source}), told, replace(context, weights=found))
        result = _file(_stored(made[name], pair.spec), pair.spec)
        yield af.Score(name, method, _figures(result, pair, params, least))


def _methods(params: Comparison, *, is_color: bool) -> Mapping[str, Params]:
    """Return the step's parameters for each network that is compared, by what it is called in the table."""
    chosen = params.network if is_color else params.data_network
    names = [Path(one).name for one in chosen]
    called = {name if names.count(name) == 1 else str(one): one for name, one in zip(names, chosen, strict=True)}
    return {method: _told(params, one, is_color=is_color) for method, one in called.items()}


def _told(params: Comparison, network: NetworkName, *, is_color: bool) -> Params:
    field = "network" if is_color else "data_network"
    return Params(scale=params.scale, correct=params.correct).model_copy(update={field: network})


def _figures(result: Tensor, pair: _Pair, params: Comparison, least: float) -> dict[str, float]:
    one, other = (_measured(pixels, pair.spec, params.scale) for pixels in (result, pair.truth))
    error = _error(result, pair, params.scale)
    found = {
        "PSNR": metrics.psnr(one, other),
        "SSIM": metrics.ssim(one, other),
        "HFEN": metrics.hfen(one, other),
        "GMSD": metrics.gmsd(one, other),
        "fine": metrics.fine_energy_gain(one, other, params.scale),
        "consistency": metrics.consistency(result, pair.small, _KERNELS[params.reduce], repeat=pair.repeat),
        "ratio": 1.0 if error == least else error / least if least else math.inf,
    }
    return found | ({"angle": error} if pair.spec.kind == "vector" else {})


def _error(result: Tensor, pair: _Pair, scale: int) -> float:
    """Return the mean angle of normals in degrees, or the root mean squared error."""
    if pair.spec.kind == "vector":
        return metrics.angular_error(*(_data(_inner(pixels, scale), pair.spec) for pixels in (result, pair.truth)))
    return metrics.rmse(*(_measured(pixels, pair.spec, scale) for pixels in (result, pair.truth)))


def _measured(pixels: Tensor, spec: af.MapSpec, scale: int) -> Tensor:
    return _inner(luma(pixels) if spec.is_color and pixels.shape[0] == 3 else pixels, scale)


def _inner(pixels: Tensor, border: int) -> Tensor:
    return pixels[:, border:-border, border:-border]


def _stored(texture: af.Texture, spec: af.MapSpec) -> Tensor:
    """Return a texture as files of integers hold it, 0 to 1; light beyond that is cut off."""
    if spec.is_color:
        return hdr_encode(texture.data).clamp(0, 1)
    return (texture.data * 0.5 + 0.5 if spec.kind == "vector" else texture.data).clamp(0, 1)


def _in_unit(texture: af.Texture) -> af.Texture:
    """Return data of any range as 0 to 1, as the step shows it to networks."""
    lowest, highest = torch.aminmax(texture.data)
    low, high = min(0.0, lowest.item()), max(1.0, highest.item())
    return texture.with_data((texture.data - low) / (high - low))


def _data(stored: Tensor, spec: af.MapSpec) -> Tensor:
    """Return what the host reads from a file: linear color, and vectors of unit length."""
    if spec.is_color:
        return hdr_decode(stored)
    return restore(stored * 2 - 1, spec, stored) if spec.kind == "vector" else stored


def _file(pixels: Tensor, spec: af.MapSpec) -> Tensor:
    """Return resampled pixels, 0 to 1, as a file of 8 bits holds them: rounded, and vectors of unit length before."""
    unit = _data(pixels, spec) * 0.5 + 0.5 if spec.kind == "vector" else pixels
    return (unit.clamp(0, 1) * 255).round() / 255
