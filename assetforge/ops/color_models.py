"""Color models in which brightness and color lie apart: CIE Lab and Luv, and those of video, YUV and YCrCb.

All take and give (3, *), float32. Brightness is the first channel. Lab and Luv are of linear light (CIE 15:2004, D65),
so that equal distances look about equal; YUV and YCrCb are of sRGB-encoded values (ITU-R BT.601), unscaled, with both
color differences about 0. Light beyond 0 to 1 goes through and comes back: cube roots are continued as an odd function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.exact import mix

Name = Literal["lab", "luv", "yuv", "ycrcb"]
"""Name of a color model."""

_TO_XYZ = ((0.4123908, 0.3575843, 0.1804808), (0.2126390, 0.7151687, 0.0721923), (0.0193308, 0.1191948, 0.9505322))
"""Of linear Rec.709, IEC 61966-2-1."""
_LIMIT = 6 / 29
_LEAST = 1e-6


@dataclass(frozen=True)
class ColorModel:
    """A way there from linear Rec.709 and one back, for pixels (3, *)."""

    of_linear: Callable[[Tensor], Tensor]
    to_linear: Callable[[Tensor], Tensor]


def lab_of_linear(rgb: Tensor) -> Tensor:
    """Return L*, a*, b*: L* is 0 to 100 for light of 0 to 1."""
    x, y, z = _root(mix(_matrix(), rgb) / _white(rgb))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def linear_of_lab(lab: Tensor) -> Tensor:
    """Invert `lab_of_linear`."""
    lightness, a, b = lab
    y = (lightness + 16) / 116
    return _linear_of_xyz(_cube(torch.stack([y + a / 500, y, y - b / 200])) * _white(lab))


def luv_of_linear(rgb: Tensor) -> Tensor:
    """Return L*, u*, v*: L* is 0 to 100 for light of 0 to 1."""
    xyz = mix(_matrix(), rgb)
    lightness = 116 * _root(xyz[1]) - 16
    u, v = _chromaticity(xyz)
    white_u, white_v = _chromaticity(_white(rgb))
    return torch.stack([lightness, 13 * lightness * (u - white_u), 13 * lightness * (v - white_v)])


def linear_of_luv(luv: Tensor) -> Tensor:
    """Invert `luv_of_linear`; what is black has no color."""
    lightness, u, v = luv
    white_u, white_v = _chromaticity(_white(luv))
    scale = 13 * torch.where(lightness.abs() < _LEAST, torch.full_like(lightness, torch.inf), lightness)
    u, v = u / scale + white_u, (v / scale + white_v).clamp_min(_LEAST)
    y = _cube((lightness + 16) / 116)
    return _linear_of_xyz(torch.stack([y * 9 * u / (4 * v), y, y * (12 - 3 * u - 20 * v) / (4 * v)]))


def _video(blue: float, red: float, *, red_first: bool) -> ColorModel:
    """Return the model of luma and the differences of blue and red to it, times factors."""
    weights = (0.299, 0.587, 0.114)

    def of_linear(rgb: Tensor) -> Tensor:
        encoded = hdr_encode(rgb)
        y = mix(torch.tensor([weights]), encoded)[0]
        u, v = blue * (encoded[2] - y), red * (encoded[0] - y)
        return torch.stack([y, v, u] if red_first else [y, u, v])

    def to_linear(yuv: Tensor) -> Tensor:
        y, u, v = yuv[[0, 2, 1]] if red_first else yuv
        r, b = y + v / red, y + u / blue
        g = (y - weights[0] * r - weights[2] * b) / weights[1]
        return hdr_decode(torch.stack([r, g, b]))

    return ColorModel(of_linear, to_linear)


COLOR_MODELS: Mapping[Name, ColorModel] = {
    "lab": ColorModel(lab_of_linear, linear_of_lab),
    "luv": ColorModel(luv_of_linear, linear_of_luv),
    "yuv": _video(0.492, 0.877, red_first=False),
    "ycrcb": _video(0.564, 0.713, red_first=True),
}
"""The color models by name, each to and from linear Rec.709."""


def into_gamut(rgb: Tensor, most: float = 1.0) -> tuple[Tensor, float]:
    """Bring light (3, *) to 0 … most by mixing it with gray of its own luminance; return the share that was moved.

    Hue and luminance stay, as far as luminance itself lies in the range; saturation goes as far as it must.
    """
    luminance = mix(_matrix()[1:2], rgb).clamp(0, most)
    color = rgb - luminance
    high, low = color.amax(0, keepdim=True), color.amin(0, keepdim=True)
    room = torch.minimum((most - luminance) / high.clamp_min(_LEAST), luminance / (-low).clamp_min(_LEAST))
    outside = (rgb.amin(0, keepdim=True) < -_LEAST) | (rgb.amax(0, keepdim=True) > most + _LEAST)
    moved = luminance + color * room.clamp(0, 1)
    return torch.where(outside, moved, rgb).clamp(0, most), outside.float().mean().item()


def _matrix() -> Tensor:
    return torch.tensor(_TO_XYZ)


def _white(like: Tensor) -> Tensor:
    """Return what white of 1 has in XYZ, (3, 1, …)."""
    return _matrix().double().sum(1).to(like).reshape(3, *[1] * (like.ndim - 1))


def _linear_of_xyz(xyz: Tensor) -> Tensor:
    return mix(torch.linalg.inv(_matrix().double()), xyz)


def _root(values: Tensor) -> Tensor:
    """Return the cube root, and near 0 the line that continues it; in float64, which all processors round alike."""
    size = values.double().abs()
    root = torch.where(size > _LIMIT**3, size.pow(1 / 3), size / (3 * _LIMIT**2) + 4 / 29)
    beyond = 8 / 29 - root  # the curve turned about its value at 0
    return torch.where(values < 0, beyond, root).to(values.dtype)


def _cube(values: Tensor) -> Tensor:
    """Invert `_root`."""
    below = values < 4 / 29
    size = torch.where(below, 8 / 29 - values, values)
    cube = torch.where(size > _LIMIT, size * size * size, 3 * _LIMIT**2 * (size - 4 / 29))
    return torch.where(below, -cube, cube)


def _chromaticity(xyz: Tensor) -> tuple[Tensor, Tensor]:
    """Return CIE 1976 u′ and v′; of black, those of white."""
    x, y, z = xyz
    total = x + 15 * y + 3 * z
    dark = total.abs() < _LEAST
    white = _white(xyz)
    whole = white[0] + 15 * white[1] + 3 * white[2]
    safe = torch.where(dark, torch.ones_like(total), total)
    return torch.where(dark, 4 * white[0] / whole, 4 * x / safe), torch.where(dark, 9 * white[1] / whole, 9 * y / safe)
