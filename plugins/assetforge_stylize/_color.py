"""Colors that are preserved, before and after.

Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016: transfer in brightness alone, or with a style
that was given the colors of the content.
"""

from __future__ import annotations

import torch
from torch import Tensor

from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.color_models import COLOR_MODELS, Name, into_gamut
from assetforge_stylize._transfer import covariance, mean_deviation


def gray_of(encoded: Tensor, space: Name) -> Tensor:
    """Return the gray (1, H, W), sRGB-encoded, that is as bright in a color space as a color (3, H, W)."""
    model = COLOR_MODELS[space]
    brightness = model.of_linear(hdr_decode(encoded))[:1]
    gray = model.to_linear(torch.cat([brightness, torch.zeros_like(brightness), torch.zeros_like(brightness)]))
    return hdr_encode(gray).mean(0, keepdim=True).clamp(0, 1)


def as_bright_as(gray: Tensor, like: Tensor) -> Tensor:
    """Give a gray picture (1, *) the mean and deviation of another's brightness (1, *)."""
    pixels, others = (one.flatten(1).expand(3, -1) for one in (gray, like))
    return mean_deviation(pixels, others)(gray.expand(3, *gray.shape[1:]))[:1].clamp(0, 1)


def with_colors_of(style: Tensor, pixels: Tensor, content: Tensor, space: Name) -> Tensor:
    """Give a style (3, h, w) the colors of a content (3, N). pixels: (3, M), the colors of the style that count."""
    model = COLOR_MODELS[space]
    own, like = (model.of_linear(hdr_decode(one)) for one in (pixels, content))
    light = model.to_linear(covariance(own, like)(model.of_linear(hdr_decode(style))))
    return hdr_encode(into_gamut(light)[0])


def with_brightness(light: Tensor, gray: Tensor, space: Name, most: float) -> tuple[Tensor, float]:
    """Return light (3, H, W) with the brightness of an encoded gray (1, H, W), and the share that was out of gamut.

    Chroma stays where such a color exists; else it is reduced, and its hue stays.
    """
    model = COLOR_MODELS[space]
    brightness = model.of_linear(hdr_decode(gray.expand(3, -1, -1)))[:1]
    return into_gamut(model.to_linear(torch.cat([brightness, model.of_linear(light)[1:]])), most)
