"""Blur by a Gaussian."""

from __future__ import annotations

import math

import cv2
import torch
from torch import Tensor

_STEP = 2**-20
"""What is rounded to: Fourier transforms of float64 differ by much less from processor to processor."""


def blurred(pixels: Tensor, sigma: float, *, repeat: bool = False) -> Tensor:
    """Blur (C, H, W) by a Gaussian; what is beyond an edge is mirrored, or repeats."""
    if repeat:
        return _blurred_around(pixels, sigma)
    planes = [cv2.GaussianBlur(plane.numpy(), (0, 0), sigma, borderType=cv2.BORDER_REFLECT) for plane in pixels]
    return torch.stack([torch.from_numpy(plane) for plane in planes])


def _blurred_around(pixels: Tensor, sigma: float) -> Tensor:
    """Blur on the torus, by a Fourier transform: a Gaussian's spectrum is a Gaussian."""
    height, width = pixels.shape[1:]
    y = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    x = torch.fft.rfftfreq(width, dtype=torch.float64)
    kept = torch.exp(-2 * (math.pi * sigma) ** 2 * (y.square() + x.square()))
    soft: Tensor = torch.fft.irfft2(torch.fft.rfft2(pixels.double()) * kept, s=(height, width))
    return (soft / _STEP).round_().mul_(_STEP).float()
