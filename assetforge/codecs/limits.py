"""How much of a texture a format cannot hold because of its range; what it rounds does not count."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from assetforge.codecs import hdr
from assetforge.codecs.formats import WITHOUT_Z, Format
from assetforge.material.map_spec import MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_decode

_MOST_HALF = 65520.0
"""What is less is rounded to 65504, the greatest number of half precision."""
_HALF_CODE = 1 / 255
_SRGB_SLOPE = 12.92
"""Of sRGB's curve near black."""
Bounds = tuple[float, float]


def cut_share(texture: Texture, spec: MapSpec, output_format: Format) -> float:
    """Return the share of a texture's numbers that `encode` would clamp, 0 to 1; alpha counts where it is written.

    The format's depth is resolved already. Integers hold 0 to 1, vectors −1 to 1, ids their codes, each give or take
    half a code; half precision holds ±65504, Radiance and BC6H no negative light; BC5, ASTC
    and ETC2 no normals that point down.
    """
    cut, count = _outside(texture.data, _bounds(spec, output_format)), texture.data.numel()
    if output_format.compression in WITHOUT_Z and spec.kind == "vector":  # z is found anew, and never points down
        cut += int((texture.data[2:] < -_HALF_CODE).sum())
    if texture.alpha is not None and output_format.holds_alpha:
        cut += _outside(texture.alpha, _plain_bounds(output_format))
        count += texture.alpha.numel()
    return cut / count


def _outside(values: Tensor, bounds: Bounds) -> int:
    low, high = bounds
    least, most = torch.aminmax(values)
    if least >= low and most <= high:
        return 0
    return int(((values < low) | (values > high)).sum())


def _bounds(spec: MapSpec, output_format: Format) -> Bounds:
    """Return the least and the greatest number of a map's texture that a format holds."""
    low, high = _plain_bounds(output_format)
    if output_format.is_linear:
        return low, high
    if spec.kind == "id":
        codes = _codes(output_format)
        return -0.5, codes + 0.5
    if spec.kind == "vector":
        return 2 * low - 1, 2 * high - 1
    if spec.is_color:
        return low / _SRGB_SLOPE, srgb_decode(torch.tensor(high, dtype=torch.float64)).item()
    return low, high


def _plain_bounds(output_format: Format) -> Bounds:
    """Return the bounds of numbers that are written as they are."""
    if output_format.container == "hdr":
        return 0.0, hdr.LARGEST
    if output_format.compression == "bc6h":
        return 0.0, _MOST_HALF
    match output_format.depth:
        case "half":
            return -_MOST_HALF, _MOST_HALF
        case "float":
            return -math.inf, math.inf
        case _:
            half_code = 0.5 / _codes(output_format)
            return -half_code, 1 + half_code


def _codes(output_format: Format) -> int:
    return 255 if output_format.depth == "8" else 65535
