"""Transfer functions, and luma."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def srgb_encode(linear: Tensor) -> Tensor:
    """Encode linear light for display (IEC 61966-2-1). Any shape; negative light becomes 0, more than 1 is kept."""
    light = linear.clamp_min(0)
    return torch.where(light <= 0.0031308, light * 12.92, _power(light, 1 / 2.4).mul_(1.055).sub_(0.055))


def srgb_decode(encoded: Tensor) -> Tensor:
    """Decode sRGB values to linear light (IEC 61966-2-1). Any shape; more than 1 is kept."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, _power((encoded.clamp_min(0) + 0.055) / 1.055, 2.4))


def _power(values: Tensor, exponent: float) -> Tensor:
    """Raise float32 to a power in float64 and round: each processor's powers of float32 end in other bits."""
    return values.double().pow_(exponent).to(values.dtype)


_SHOULDER = 1.055 / 2.4
"""Slope of the sRGB curve at 1, where the logarithm goes on."""


def hdr_encode(light: Tensor) -> Tensor:
    """Encode light of any range as sRGB with a logarithmic shoulder. Any shape; `hdr_decode` is the inverse.

    From 0 to 1 it is `srgb_encode` to the bit; beyond, equal ratios of light become equal steps, as in hybrid
    log-gamma (ITU-R BT.2100); negative light, which wide gamuts have, mirrors positive light.
    """
    size = light.abs()
    beyond = size.double().clamp_min(1).log().to(size.dtype)
    encoded = torch.where(size <= 1, srgb_encode(size), 1 + _SHOULDER * beyond)
    return torch.where(light < 0, -encoded, encoded)


def hdr_decode(encoded: Tensor) -> Tensor:
    """Decode what `hdr_encode` made, to linear light."""
    if encoded.dtype != torch.float32:
        return _decoded(encoded)
    flat = encoded.reshape(-1)
    pieces = torch.split(flat, _PIECE if flat.device.type == "cpu" else max(1, len(flat)))
    return torch.cat([_decoded_by_table(piece) for piece in pieces]).reshape(encoded.shape)


def _decoded(encoded: Tensor) -> Tensor:
    size = encoded.abs()
    beyond = ((size.double().clamp_min(1) - 1) / _SHOULDER).exp().to(size.dtype)
    light = torch.where(size <= 1, srgb_decode(size), beyond)
    return torch.where(encoded < 0, -light, light)


_PIECE = 2**17
"""Numbers that a core's cache holds, with what is made of them."""
_STEPS = 2**16
"""Pieces of sRGB's curve that are straight: so many that their error is below that of float32."""


def _decoded_by_table(encoded: Tensor) -> Tensor:
    """Decode by a table what is from 0 to 1, as almost all is: powers would take several times as long."""
    low, high = torch.aminmax(encoded) if len(encoded) else (encoded, encoded)
    if not bool((low >= 0).all() and (high <= 1).all()):  # NaN is neither
        inside = (encoded >= 0) & (encoded <= 1)
        light = _decoded_by_table(torch.where(inside, encoded, 0))
        return light.masked_scatter(~inside, _decoded(encoded[~inside]))
    starts, slopes = _table(encoded.device)
    place = encoded * _STEPS
    index = place.to(torch.int32)
    return place.sub_(index).mul_(slopes.index_select(0, index)).add_(starts.index_select(0, index))


@lru_cache
def _table(device: torch.device) -> tuple[Tensor, Tensor]:
    curve = srgb_decode(torch.arange(_STEPS + 2, dtype=torch.float64) / _STEPS)
    return curve[:-1].float().to(device), curve.diff().float().to(device)


def srgb_codes(light: Tensor) -> Tensor:
    """Return the 8-bit codes, uint8, that `srgb_encode` gives when it is rounded: the same, without its powers.

    A float32 is looked up by its first bits: where a code ends among those that share them, the rest decides.
    """
    codes, ends = _codes()
    # Numbers of 0 and more are ordered as their bits are, and those below 0 are below as bits, too.
    bits = light.reshape(-1).view(torch.int32).clamp(0, _ONE)
    index = bits >> _REST
    return codes.index_select(0, index).add_(bits >= ends.index_select(0, index)).reshape(light.shape)


_ONE = 0x3F800000
"""1.0 as bits."""
_REST = 15
"""Bits of a float32 that tell no more than one code from the next."""


@lru_cache
def _codes() -> tuple[Tensor, Tensor]:
    """Return, for each beginning of a float32 up to 1, the code of its first number, and where the next one begins."""
    wanted = torch.arange(1, 256)
    low, high = torch.zeros(255, dtype=torch.int32), torch.full((255,), _ONE, dtype=torch.int32)
    while (low < high).any():
        middle = low + (high - low) // 2
        reached = (srgb_encode(middle.view(torch.float32)) * 255).round() >= wanted
        low, high = torch.where(reached, low, middle + 1), torch.where(reached, middle, high)
    starts = torch.arange(0, _ONE + 1, 1 << _REST, dtype=torch.int32)
    codes = torch.searchsorted(low, starts, right=True)
    return codes.to(torch.uint8), torch.cat([low, low.new_tensor([_ONE + 1])])[codes]


def luma(rgb: Tensor) -> Tensor:
    """Reduce encoded RGB (*, 3, H, W) in 0 to 1 to BT.601 luma (*, 1, H, W), 16/255 to 235/255.

    It is the Y that super-resolution papers measure on.
    """
    weights = rgb.new_tensor([65.481, 128.553, 24.966]).view(3, 1, 1)
    return (16 + (rgb * weights).sum(-3, keepdim=True)) / 255
