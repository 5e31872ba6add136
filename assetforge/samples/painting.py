"""A painting of strokes along a flow, to take a style from."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assetforge.ops.color import srgb_decode
from assetforge.samples.noise import noise

_OVERSAMPLING = 2
_LAYERS = ((0.05, 160), (0.03, 700), (0.016, 2200), (0.008, 2600))
"""Of strokes, the first below: how wide they are, in parts of the side, and how many there are."""
_STEPS, _STRIDE = 14, 0.7
"""Points of a stroke, and how far they are apart, in widths."""
_PALETTE = np.array(
    [(18, 26, 64), (30, 64, 132), (58, 112, 176), (120, 168, 198), (214, 196, 120), (240, 214, 92), (176, 92, 52)],
    np.float32,
)
"""From the deepest to the brightest, and one that stands out."""
_JITTER = 14.0

Floats = NDArray[np.float32]


def painting(size: int, seed: int = 7) -> Tensor:
    """Paint a picture (3, size, size), linear Rec.709, 0 to 1, which tiles."""
    side = size * _OVERSAMPLING
    tones, flow = (noise(side, seed + offset, (3, 3), octaves=2).numpy() for offset in (0, 50))
    tones = (tones - tones.min()) / (tones.max() - tones.min())
    rng = np.random.default_rng(seed)
    canvas = np.empty((side, side, 3), np.float32)
    canvas[:] = _PALETTE[1]
    for width, count in _LAYERS:
        for _ in range(count):
            _stroke(canvas, width * side, tones, flow, rng)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return srgb_decode(torch.from_numpy(small).permute(2, 0, 1).clamp(0, 255) / 255).contiguous()


def _stroke(canvas: Floats, width: float, tones: Floats, flow: Floats, rng: np.random.Generator) -> None:
    """Draw one stroke along the flow, in a color by the tone of where it begins, and again across the edges."""
    side = canvas.shape[0]
    point = rng.uniform(0, side, 2)
    y, x = point.astype(int)
    color = _color(float(tones[y, x]), rng)
    points = [point]
    for _ in range(_STEPS):
        y, x = points[-1].astype(int) % side
        angle = 2.2 * float(flow[y, x])
        points.append(points[-1] + _STRIDE * width * np.array([np.sin(angle), np.cos(angle)]))
    line = np.stack(points)
    for down in (-side, 0, side):
        for across in (-side, 0, side):
            moved = line + np.array([down, across])
            if (moved.max(0) >= -width).all() and (moved.min(0) <= side + width).all():
                drawn = np.rint(moved[:, ::-1]).astype(np.int32)[None]
                cv2.polylines(canvas, [drawn], False, color, max(1, round(width)), cv2.LINE_8)


def _color(tone: float, rng: np.random.Generator) -> tuple[float, float, float]:
    place = np.clip(tone + rng.normal(0, 0.12), 0, 1) * (len(_PALETTE) - 2)
    index = int(place)
    color = _PALETTE[index] if rng.random() < 1 - place + index else _PALETTE[min(index + 1, len(_PALETTE) - 2)]
    if rng.random() < 0.04:
        color = _PALETTE[-1]
    red, green, blue = color + rng.normal(0, _JITTER, 3)
    return float(red), float(green), float(blue)
