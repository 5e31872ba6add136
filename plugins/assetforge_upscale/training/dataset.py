"""Pairs of a picture and its reduction, and the random crops that training reads from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from assetforge.ops.dead_leaves import dead_leaves

Pixels = NDArray[np.uint8]

DATA_MAPS = ("normal", "roughness", "height", "ao")
LEAVES_SIZE = 384
CROP = 32
"""Side of a training crop in source (low-resolution) pixels."""


@dataclass(frozen=True)
class Pair:
    """A picture (H, W, C) and its bicubic reduction by `scale`."""

    small: Pixels
    large: Pixels


def held_out(materials: Path) -> frozenset[str]:
    """Name the materials whose data maps no training run may see: every second one, by name."""
    return frozenset(sorted(folder.name for folder in materials.iterdir() if folder.is_dir())[::2])


def color_files(data: Path) -> list[Path]:
    """List the color pictures of the training textures. No material's albedo is among them: they are the test."""
    return sorted(data.glob("train/*/*_d.webp"))


def data_files(data: Path) -> list[Path]:
    """List the training textures' normals and the maps of the materials that are not held out."""
    return sorted(data.glob("train/*/*_n.webp")) + _material_files(data, DATA_MAPS)


def _material_files(data: Path, maps: Iterable[str]) -> list[Path]:
    hidden = held_out(data / "materials")
    found = (path for name in maps for path in (data / "materials").glob(f"*/{name}.*"))
    return sorted(path for path in found if path.parent.name not in hidden)


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


def leaves(count: int, textures: list[Pixels], seed: int) -> list[Pixels]:
    """Draw `count` dead-leaves pictures with a fixed seed."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    return [dead_leaves(LEAVES_SIZE, textures, rng) for _ in range(count)]


def batch(
    real: list[Pair], drawn: list[Pair], channels: int, scale: int, seed: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return a batch of (16, channels, 32, 32) crops in 0 to 1 and what they should become.

    Half of it comes from `drawn`. One-channel batches take a random channel of each crop. seed: that of the training,
    and the step.
    """
    rng = np.random.default_rng(seed)
    crops = [_crop(pool[rng.integers(len(pool))], scale, rng) for pool in (real, drawn) for _ in range(8)]
    flipped = [_augment(crop, channels, rng) for crop in crops]
    return _stack([small for small, _ in flipped]), _stack([large for _, large in flipped])


def _stack(crops: list[Pixels]) -> Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def _crop(pair: Pair, scale: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Cut the liveliest of three random crops: flat ones teach nothing."""
    height, width = pair.small.shape[:2]
    corners = [(rng.integers(height - CROP + 1), rng.integers(width - CROP + 1)) for _ in range(3)]
    y, x = max(corners, key=lambda at: float(pair.small[at[0] : at[0] + CROP, at[1] : at[1] + CROP].std()))
    large = pair.large[y * scale : (y + CROP) * scale, x * scale : (x + CROP) * scale]
    return pair.small[y : y + CROP, x : x + CROP], large


def _augment(crop: tuple[Pixels, Pixels], channels: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    flip, transpose = rng.random() < 0.5, rng.random() < 0.5
    order = rng.permutation(3)[:channels] if channels == 1 or rng.random() < 0.5 else np.arange(3)
    small, large = (side[:, ::-1] if flip else side for side in crop)
    if transpose:
        small, large = small.transpose(1, 0, 2), large.transpose(1, 0, 2)
    return small[..., order], large[..., order]
