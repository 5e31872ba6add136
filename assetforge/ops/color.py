"""Transfer functions, and luma."""

from __future__ import annotations

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
    size = encoded.abs()
    beyond = ((size.double().clamp_min(1) - 1) / _SHOULDER).exp().to(size.dtype)
    light = torch.where(size <= 1, srgb_decode(size), beyond)
    return torch.where(encoded < 0, -light, light)


def luma(rgb: Tensor) -> Tensor:
    """Reduce encoded RGB (*, 3, H, W) in 0 to 1 to BT.601 luma (*, 1, H, W), 16/255 to 235/255.

    It is the Y that super-resolution papers measure on.
    """
    weights = rgb.new_tensor([65.481, 128.553, 24.966]).view(3, 1, 1)
    return (16 + (rgb * weights).sum(-3, keepdim=True)) / 255
