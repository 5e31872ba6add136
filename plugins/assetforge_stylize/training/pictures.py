"""What the networks of this plugin learn from: textures, photographs and paintings, and drawn pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import assetforge as af
from assetforge.ops.color import hdr_encode
from assetforge.ops.dead_leaves import dead_leaves
from assetforge_stylize._pictures import read_color

Pixels = NDArray[np.uint8]

HELD_OUT = frozenset({
    "chicago", "cornell", "golden_gate", "newyork", "sailboat", "tubingen",
    "la_muse", "mondrian", "shipwreck", "starry_night", "the_scream", "woman-with-hat-matisse",
})  # fmt: skip
"""Photographs and paintings that the networks are measured with, and must not have seen."""
_DRAWN, _DRAWN_SIDE = 160, 384
_LONGEST = 900
_MOST = 1000
"""Textures that are read at most: as many as memory should be used for."""
_NOISY, _MOST_NOISE = 0.15, 0.15


def read(data: Path, seed: int) -> list[list[Pixels]]:
    """Return pictures (H, W, 3) in pools: textures, photographs and paintings, and dead leaves of their colors.

    Raises StepError where there are none.
    """
    textures = read_textures(data)
    others = [path for path in sorted(data.glob("style/*/*")) if path.suffix in {".jpg", ".png"}]
    pictures = [_read(path) for path in others if path.parent.name != "mask" and path.stem not in HELD_OUT]
    if not pictures:
        raise af.StepError(str(data), "holds no photographs or paintings", "they are its style/*/*.jpg and *.png")
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    return [textures, pictures, [dead_leaves(_DRAWN_SIDE, textures + pictures, rng) for _ in range(_DRAWN)]]


def read_textures(data: Path) -> list[Pixels]:
    """Return the color textures (H, W, 3) of a folder: its train/*/*_d.webp or, where it has none, all that are in it.

    Of very many, some are chosen evenly. Raises StepError where there are none, SourceError where one cannot be read.
    """
    paths = sorted(data.glob("train/*/*_d.webp"))
    paths = paths or [path for path in sorted(data.rglob("*")) if path.is_file() and _is_color(path.relative_to(data))]
    if not paths:
        raise af.StepError(str(data), "holds no color textures", "give a folder of them")
    return [_read(path) for path in paths[:: math.ceil(len(paths) / _MOST)]]


def _is_color(path: Path) -> bool:
    """Tell by its name whether a file is a picture of colors; what a program hides is none."""
    found = af.recognize(path.as_posix())
    if found is None or any(part.startswith(".") for part in path.parts):
        return False
    return not found.word or any(af.MAPS[name].is_color for name in found.maps)


def _read(path: Path) -> Pixels:
    encoded = (hdr_encode(read_color(path).data).clamp(0, 1) * 255).round().byte()
    rgb = Image.fromarray(encoded.permute(1, 2, 0).numpy())
    rgb.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(rgb)


def crops(pools: list[list[Pixels]], count: int, side: int, rng: np.random.Generator, *, varied: bool = True) -> Tensor:
    """Return crops (count, 3, side, side), sRGB-encoded, 0 to 1, of every pool in turn, in other colors if `varied`."""
    chosen = [_crop(pools[index % len(pools)], side, rng) for index in range(count)]
    pictures = [torch.from_numpy(one).permute(2, 0, 1) / 255 for one in chosen]
    return torch.stack([_varied(one, rng) if varied else one for one in pictures])


def device_of(network: nn.Module) -> torch.device:
    """Tell where a network is."""
    return next(network.parameters()).device


def _crop(pool: list[Pixels], side: int, rng: np.random.Generator) -> Pixels:
    """Cut out a square, at its own resolution or a lower one, turned and mirrored at random."""
    picture = pool[rng.integers(len(pool))]
    shortest = min(picture.shape[:2])
    wide = min(shortest, max(side, round(side * 2 ** rng.uniform(-0.5, 1.5))))
    y, x = (rng.integers(length - wide + 1) for length in picture.shape[:2])
    crop: NDArray[Any] = picture[y : y + wide, x : x + wide]
    if wide != side:
        crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA if wide > side else cv2.INTER_CUBIC)
    crop = np.rot90(crop, int(rng.integers(4)))
    return np.array(crop[:, ::-1] if rng.random() < 0.5 else crop)


def _varied(crop: Tensor, rng: np.random.Generator) -> Tensor:
    """Change colors and contrast at random: what is optimized passes through pictures that nobody has photographed."""
    if rng.random() < 0.3:
        crop = crop[torch.from_numpy(rng.permutation(3))]
    if rng.random() < 0.5:
        gain, shift = np.exp(rng.normal(0, 0.35, 3)), rng.normal(0, 0.12, 3)
        gain_, shift_ = (torch.from_numpy(one).float()[:, None, None] for one in (gain, shift))
        crop = (crop - 0.5) * gain_ + 0.5 + shift_
    if rng.random() < _NOISY:
        noise = rng.normal(0, rng.uniform(0, _MOST_NOISE), crop.shape)
        crop = crop + torch.from_numpy(noise).float()
    return crop.clamp(0, 1)
