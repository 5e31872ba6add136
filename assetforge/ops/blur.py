"""Blur by a Gaussian."""

from __future__ import annotations

import math

import cv2
import torch
from torch import Tensor

_STEP = 2**-20
"""What is rounded to: Fourier transforms of float64 differ by much less from processor to processor."""


def blurred(pixels: Tensor, sigma: float) -> Tensor:
    """Blur (C, H, W) by a Gaussian; what is beyond an edge is mirrored."""
    planes = [cv2.GaussianBlur(plane.numpy(), (0, 0), sigma, borderType=cv2.BORDER_REFLECT) for plane in pixels]
    return torch.stack([torch.from_numpy(plane) for plane in planes])


def blurred_widely(pixels: Tensor, sigma: float, *, repeat: bool) -> Tensor:
    """Blur (C, H, W) by a Gaussian of any width at the same cost, by a Fourier transform; edges repeat or are mirrored.

    The transform of a Gaussian is a Gaussian.
    """
    rows, columns = pixels.shape[1:]
    wide = pixels.double()
    if not repeat:
        wide = torch.cat([wide, wide.flip(1)], 1)
        wide = torch.cat([wide, wide.flip(2)], 2)
    height, width = wide.shape[1:]
    y = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    x = torch.fft.rfftfreq(width, dtype=torch.float64)
    kept = torch.exp(-2 * (math.pi * sigma) ** 2 * (y.square() + x.square()))
    soft: Tensor = torch.fft.irfft2(torch.fft.rfft2(wide) * kept, s=(height, width))
    return (soft[:, :rows, :columns] / _STEP).round_().mul_(_STEP).float()
