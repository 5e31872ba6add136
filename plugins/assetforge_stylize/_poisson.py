"""The gradients of one picture in the colors of another: photographs stay photographs."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def screened_poisson(target: Tensor, gradients_of: Tensor, screen: float, *, tiles: bool) -> Tensor:
    """Return the picture near a target (C, H, W) whose gradients are most like those of another one.

    It minimizes screen · (u − target)² + |∇u − ∇gradients_of|², channel by channel: (screen − Δ) u = screen · target −
    Δ gradients_of (Mechrez, Shechtman and Zelnik-Manor, "Photorealistic Style Transfer with Screened Poisson
    Equation", 2017), solved exactly by a Fourier transform. Edges repeat where the picture tiles, else they are
    mirrored.
    """
    off = (target - gradients_of).double()
    height, width = off.shape[1:]
    if not tiles:
        off = torch.cat([off, off.flip(1)], 1)
        off = torch.cat([off, off.flip(2)], 2)
    spectrum = torch.fft.rfft2(off)
    y, x = (axis(count, dtype=torch.float64, device=off.device) for axis, count in
            ((torch.fft.fftfreq, off.shape[1]), (torch.fft.rfftfreq, off.shape[2])))  # fmt: skip
    laplacian = 4 - 2 * torch.cos(2 * math.pi * y)[:, None] - 2 * torch.cos(2 * math.pi * x)
    kept = torch.fft.irfft2(spectrum * (screen / (screen + laplacian)), s=off.shape[1:])
    smooth: Tensor = kept[:, :height, :width].float()
    return gradients_of + smooth
