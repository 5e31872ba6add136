"""Separable resampling that knows how a texture wraps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.alpha import filled
from assetforge.ops.normals import in_plane, normalize
from assetforge.ops.seams import continues

Kernel = tuple[Callable[[Tensor], Tensor], float]
"""A function of the distance in source pixels, and the distance from which it is 0."""
_BAND = 64
"""Rows that are summed up at a time: as many as a processor's cache holds."""
_FAINT = 0.1
"""Alpha from which on a color is exactly the mean by alpha: of what is fainter, dividing by it would make up colors."""


def lanczos3(x: Tensor) -> Tensor:
    """Windowed sinc of three lobes (Duchon 1979), for |x| < 3."""
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


def cubic(x: Tensor) -> Tensor:
    """Cubic convolution with a = -1/2 (Keys 1981), for |x| < 2: "bicubic" of MATLAB, Pillow and super-resolution."""
    x = x.abs()
    near, far = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def box(x: Tensor) -> Tensor:
    """Average over one source pixel."""
    return (x.abs() <= 0.5).to(x.dtype)


LANCZOS: Kernel = (lanczos3, 3.0)
"""Lanczos' kernel of three lobes."""
BICUBIC: Kernel = (cubic, 2.0)
"""Cubic convolution; of pictures that become smaller, it is antialiased."""
BOX: Kernel = (box, 0.5)
"""The mean of the source pixels whose middles a pixel covers: of all that it covers, where the ratio is whole."""


def power_of_two(side: int, to: Literal["nearest", "down", "up"]) -> int:
    """Return the power of two that a side of so many pixels becomes; the nearest is that of the least ratio."""
    down = 1 << (side.bit_length() - 1)
    if side == down or to == "down":
        return down
    return 2 * down if to == "up" or side * side >= 2 * down * down else down


def resample(pixels: Tensor, size: tuple[int, int], kernel: Kernel = LANCZOS, *, repeat: bool = False) -> Tensor:
    """Resample (C, H, W) to (C, *size); the kernel widens when the size shrinks. Edges repeat or are held."""
    for axis, length in ((1, size[0]), (2, size[1])):
        if pixels.shape[axis] != length:
            pixels = _resample_axis(pixels, axis, length, kernel, repeat=repeat)
    return pixels


def nearest(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample (C, H, W) to (C, *size) without mixing values."""
    for axis, length in ((1, size[0]), (2, size[1])):
        count = pixels.shape[axis]
        index = ((torch.arange(length, dtype=torch.float64) + 0.5) * count / length).long().clamp_max(count - 1)
        pixels = pixels.index_select(axis, index.to(pixels.device))
    return pixels


def resample_map(texture: Texture, spec: MapSpec, size: tuple[int, int]) -> Texture:
    """Resample a texture as its map allows: ids by the nearest, vectors renormalized, the rest kept in range.

    A color counts as far as it is seen, so that the result looks the same over any ground, and colors that alpha hides
    are not mixed into those that it shows. What tiles goes on tiling, also where only its edges say that it does, as of
    nearly all files.
    """
    if texture.size == size:
        return texture
    repeat = continues(texture)
    alpha = None if texture.alpha is None else resample(texture.alpha, size, repeat=repeat).clamp(0, 1)
    if spec.kind == "id":
        data = nearest(texture.data, size)
    elif spec.is_color and texture.alpha is not None:
        data = restore(_resampled_by_alpha(texture.data, texture.alpha, size, repeat=repeat), spec, texture.data)
    else:
        data = restore(resample(texture.data, size, repeat=repeat), spec, texture.data)
    return replace(texture, data=data, alpha=alpha)


def _resampled_by_alpha(color: Tensor, alpha: Tensor, size: tuple[int, int], *, repeat: bool) -> Tensor:
    """Resample a color (C, H, W) by how far alpha (1, H, W) lets it be seen.

    The mean by alpha is the plain one plus the covariance with alpha over the mean of that. Where nothing is seen, as
    far as the kernel reaches, colors stay: some games keep data there.
    """
    if bool((alpha >= 1).all()):
        return resample(color, size, repeat=repeat)
    shown = filled(color, alpha)
    plain, share, seen = (resample(one, size, repeat=repeat) for one in (shown, alpha, shown * alpha))
    mean = plain + (seen - plain * share) / share.clamp_min(_FAINT)
    return torch.where(share == 0, resample(color, size, repeat=repeat), mean)


def restore(pixels: Tensor, spec: MapSpec, source: Tensor) -> Tensor:
    """Bring resampled or filtered pixels (C, H, W) back to what the map may hold: unit length, or `held_range`."""
    if spec.kind == "vector":
        return in_plane(pixels) if spec.is_in_plane else normalize(_turned_up(pixels, source))
    return pixels.clamp(*held_range(spec, source))


def _turned_up(vectors: Tensor, source: Tensor) -> Tensor:
    """Keep what overshoots from pointing below the surface where nothing of the source does."""
    if bool((vectors[2] >= 0).all()) or bool((source[2] < 0).any()):
        return vectors
    return torch.cat([vectors[:2], vectors[2:].clamp_min(0)])


def held_range(spec: MapSpec, *sources: Tensor) -> tuple[float, float]:
    """Return the range of values that a map made of `sources` may have: the valid one, widened to what they hold.

    Files of floats hold heights in meters and lights above 1: they are kept, and nothing goes beyond them.
    """
    lowest, highest = zip(*(torch.aminmax(source) for source in sources), strict=True)
    return min(spec.valid[0], *map(float, lowest)), max(spec.valid[1], *map(float, highest))


def matched(material: Material, size: tuple[int, int]) -> Material:
    """Return the material with all maps at one size, each resampled by its kind; unknown maps count as data."""
    resampled = {
        name: resample_map(texture, MAPS.get(name) or _as_data(name, texture), size)
        for name, texture in material.items()
    }
    return Material(material.name, resampled)


def _as_data(name: str, texture: Texture) -> MapSpec:
    everything = (-math.inf, math.inf)
    return MapSpec(name, texture.channels, "data", everything, (0.0,) * texture.channels, "A plugin's own map.")


def _resample_axis(pixels: Tensor, axis: int, length: int, kernel: Kernel, *, repeat: bool) -> Tensor:
    count = pixels.shape[axis]
    index, weight = _taps(count, length, kernel)
    index = index % count if repeat else index.clamp(0, count - 1)
    index, weight = index.to(pixels.device), weight.to(pixels)
    size = (*pixels.shape[:axis], length, *pixels.shape[axis + 1 :])
    result = pixels.new_empty(size)
    for first in range(0, size[1], _BAND):
        band = slice(first, first + _BAND)
        if axis == 1:
            result[:, band] = _mixed(pixels, axis, index[band], weight[band])
        else:
            result[:, band] = _mixed(pixels[:, band], axis, index, weight)
    return result


def _mixed(pixels: Tensor, axis: int, index: Tensor, weight: Tensor) -> Tensor:
    """Return the sum of pixels (C, H, W) along an axis, of each result the taps (length, taps) with their weights."""
    shape = [1, 1, 1]
    shape[axis] = len(index)
    result = torch.zeros(1, device=pixels.device)
    for tap in range(index.shape[1]):
        picked = pixels.index_select(axis, index[:, tap])
        result = picked.mul_(weight[:, tap].view(shape)).add_(result)
    return result


def _taps(count: int, length: int, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Return the source index and the weight of every tap, (length, taps) each, as the kernel sees them."""
    function, radius = kernel
    step = count / length
    stretch = max(step, 1.0)
    center = (torch.arange(length, dtype=torch.float64) + 0.5) * step - 0.5
    first = torch.ceil(center - radius * stretch - 1e-9)
    index = first[:, None] + torch.arange(2 * math.ceil(radius * stretch) + 1)
    # Rounding the distance makes equal phases equal to the bit, so that rolling the input rolls the output.
    distance = ((index - center[:, None]) / stretch).mul(2**20).round().div(2**20)
    weight = function(distance)
    return index.long(), weight / weight.sum(1, keepdim=True)
