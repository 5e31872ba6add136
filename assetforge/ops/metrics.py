"""Measures of likeness."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def psnr(result: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for values of 0 to 1 of any equal shapes; infinite where they are the same."""
    error = (result.double() - truth.double()).square().mean().item()
    return math.inf if error == 0 else -10 * math.log10(error)


def angular_error(result: Tensor, truth: Tensor) -> float:
    """Mean angle in degrees between two fields of unit vectors (3, H, W)."""
    cosine = (result.double() * truth.double()).sum(0).clamp(-1, 1)
    return torch.rad2deg(torch.acos(cosine)).mean().item()
