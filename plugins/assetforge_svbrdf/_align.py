"""Bring the flash photo over the guide."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Alignment:
    """flash: (3, H, W), linear, warped to the guide. mask: (H, W), True where it shows something. residual: in pixels.

    homography: (3, 3), from the guide's pixels to the flash photo's.
    """

    flash: Tensor
    mask: Tensor
    residual: float
    homography: Tensor


def align(flash: Tensor, guide: Tensor) -> Alignment:
    """Shift the flash photo by whole pixels to where it correlates with the guide."""
    levels = [_local_contrast(photo) for photo in (flash, guide)]
    window = cv2.createHanningWindow((levels[0].shape[1], levels[0].shape[0]), cv2.CV_32F)
    (right, down), response = cv2.phaseCorrelate(levels[1], levels[0], window)
    shift = (round(down), round(right)) if response > 0.1 and max(abs(down), abs(right)) > 1.5 else (0, 0)
    moved = flash.roll((-shift[0], -shift[1]), (1, 2))
    mask = torch.ones(flash.shape[1:], dtype=torch.bool).roll((-shift[0], -shift[1]), (0, 1))
    for axis, by in enumerate(shift):
        rows = torch.arange(mask.shape[axis]) + by
        inside = (rows >= 0) & (rows < mask.shape[axis])
        mask &= inside[:, None] if axis == 0 else inside
    homography = torch.eye(3)
    homography[0, 2], homography[1, 2] = shift[1], shift[0]
    return Alignment(moved, mask, 0.0, homography)


def _local_contrast(photo: Tensor) -> np.ndarray:
    level = photo.mean(0).clamp_min(0.01).log().numpy()
    high = level - cv2.GaussianBlur(level, (0, 0), 8)
    contrast: np.ndarray = high / np.sqrt(cv2.GaussianBlur(high * high, (0, 0), 8) + 1e-3)
    return contrast
