"""Portable float maps: three lines of text, then floats from the bottom row to the top one.

Debevec, "The Portable Float Map".
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from assetforge.codecs.raster import check_size

_HEADER = re.compile(rb"P([Ff])\s+(\d{1,9})\s+(\d{1,9})\s+(-?)[\d.]+\s")


def read(content: bytes) -> NDArray[np.float32]:
    """Return the pixels (H, W, 1 or 3) of a file."""
    header = _HEADER.match(content)
    if header is None:
        raise ValueError("is damaged: its header gives no size")
    channels, width, height = 3 if header[1] == b"F" else 1, int(header[2]), int(header[3])
    check_size(width, height)
    numbers = content[header.end() : header.end() + 4 * width * height * channels]
    if len(numbers) < 4 * width * height * channels:
        raise ValueError("is cut off; copy it again")
    rows = np.frombuffer(numbers, "<f4" if header[4] else ">f4").reshape(height, width, channels)
    return rows[::-1].astype(np.float32)


def write(pixels: NDArray[np.float32]) -> bytes:
    """Return a file of pixels (H, W, 1 or 3)."""
    height, width, channels = pixels.shape
    header = f"P{'F' if channels == 3 else 'f'}\n{width} {height}\n-1.0\n".encode()
    return header + pixels[::-1].astype("<f4").tobytes()
