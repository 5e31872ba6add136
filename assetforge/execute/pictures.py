"""What a failed step drew of its failure, as a file's content."""

from __future__ import annotations

import traceback

import imagecodecs
import torch
from torch import Tensor

from assetforge.ops.resample import BOX, resample

LARGEST = 2048
"""Pixels along the longer side: a picture of a failure is looked at, and travels through a pipe."""


def as_png(picture: object) -> bytes:
    """Return the PNG of a picture, sRGB (3, H, W) or gray (1, H, W), 0 to 1; a larger one than `LARGEST` is shrunk.

    What cannot be drawn is logged and left out: it must not hide the failure that it was to show.
    """
    try:
        return _encoded(picture)
    except (ValueError, RuntimeError, MemoryError):
        traceback.print_exc()
        return b""


def _encoded(picture: object) -> bytes:
    if not (isinstance(picture, Tensor) and picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.numel()):
        raise ValueError("the picture of a failure is none; give a tensor (3, H, W) or (1, H, W), 0 to 1")
    pixels = picture.detach().to("cpu", torch.float32).nan_to_num()
    height, width = pixels.shape[1:]
    scale = min(1.0, LARGEST / max(height, width))
    pixels = resample(pixels, (max(1, round(height * scale)), max(1, round(width * scale))), BOX)
    codes = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return bytes(imagecodecs.png_encode(codes[:, :, 0] if codes.shape[2] == 1 else codes))
