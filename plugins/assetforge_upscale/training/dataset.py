"""Pictures that the shipped networks are measured on, and how a picture and its reduction make a pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

DATA_MAPS = ("normal", "roughness", "height", "ao")
_EVERY = 8
"""Of the color pictures of the training textures, one of so many is kept out of training."""
_FOREIGN = ("sr", "style", "capture", "weights")
"""Folders of other test data, which no training of ours may see."""


@dataclass(frozen=True)
class Pair:
    """A picture (H, W, C) and its bicubic reduction by `scale`."""

    small: Pixels
    large: Pixels


def held_out(materials: Path) -> frozenset[str]:
    """Name the materials that no training run may see: every second one, by name."""
    return frozenset(sorted(folder.name for folder in materials.iterdir() if folder.is_dir())[::2])


def color_files(data: Path) -> list[Path]:
    """List the color pictures of the training textures; every eighth of them, from the first, is kept out."""
    return sorted(data.glob("train/*/*_d.webp"))


def reserved(data: Path) -> frozenset[Path]:
    """List the files of the shared data that the shipped networks are measured on, which they have not seen."""
    materials = data / "materials"
    hidden = held_out(materials) if materials.is_dir() else ()
    folders = [*(data / name for name in _FOREIGN), *(materials / name for name in hidden)]
    inside = (path for folder in folders for path in folder.rglob("*"))
    return frozenset((*inside, *color_files(data)[::_EVERY]))


def read(path: Path) -> Pixels:
    """Read a picture as 8-bit RGB; materials are halved, which removes the noise of their JPEG files."""
    with Image.open(path) as picture:
        if picture.mode == "I;16":  # Pillow would clip it to 255 instead of scaling it
            gray = (np.asarray(picture) / 257).round().astype(np.uint8)
            rgb = Image.fromarray(gray).convert("RGB")
        else:
            rgb = picture.convert("RGB")
    if "materials" in path.parts:
        rgb = rgb.resize((rgb.width // 2, rgb.height // 2), Image.Resampling.LANCZOS)
    return np.asarray(rgb)


def reduce(picture: Pixels, scale: int) -> Pair:
    """Crop to a multiple of `scale` and reduce by antialiased bicubic, rounded to 8 bits, as the benchmarks do."""
    height, width = (side - side % scale for side in picture.shape[:2])
    large = np.ascontiguousarray(picture[:height, :width])
    small = Image.fromarray(large).resize((width // scale, height // scale), Image.Resampling.BICUBIC)
    return Pair(np.asarray(small), large)
