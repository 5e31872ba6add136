"""What happened to a source before it is upscaled: it was reduced, and perhaps compressed.

Pictures are 8-bit RGB (H, W, 3), sRGB-encoded where they hold colors.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import cv2
import imagecodecs
import numpy as np
import torch
from PIL import Image

from assetforge.codecs.gpu_blocks import compressed
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge_upscale._recipe import Damage
from assetforge_upscale.training.dataset import Pixels

Reduction = Literal["bicubic", "box", "lanczos", "mip"]

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}
_LIGHT = srgb_decode(torch.arange(256) / 255).numpy()
"""Of each code."""
_SUBSAMPLINGS = (0, 2)
"""Of Pillow: colors at full size, and at half."""


def reduced(picture: Pixels, scale: int, reduction: Reduction) -> Pixels:
    """Reduce a picture, whose sides `scale` divides, and round it to 8 bits.

    `bicubic` and `lanczos` are antialiased, `box` is the mean of codes, and `mip` the mean of light: what a GPU's mip
    map of an sRGB texture holds.
    """
    size = picture.shape[1] // scale, picture.shape[0] // scale
    if reduction != "mip":
        return np.asarray(Image.fromarray(picture).resize(size, _FILTERS[reduction]))
    mean = cv2.resize(_LIGHT[picture], size, interpolation=cv2.INTER_AREA)
    return (srgb_encode(torch.from_numpy(mean)) * 255).round().byte().numpy()


def damaged(picture: Pixels, damages: Sequence[Damage], rng: np.random.Generator) -> Pixels:
    """Do to a picture what each damage's probability has happen, in their order."""
    for damage in damages:
        if rng.random() < damage.probability:
            picture = _damaged(picture, damage, rng)
    return picture


def _damaged(picture: Pixels, damage: Damage, rng: np.random.Generator) -> Pixels:
    if damage.kind == "jpeg":
        return jpeg(
            picture, int(rng.integers(damage.quality[0], damage.quality[1] + 1)), int(rng.choice(_SUBSAMPLINGS))
        )
    if damage.kind == "palette":
        least, most = damage.colors
        count = round(2 ** rng.uniform(np.log2(least), np.log2(most)))
        return palette(picture, count, dithered=bool(rng.random() < damage.dithered))
    return bc1(picture)


def jpeg(picture: Pixels, quality: int, subsampling: int = 2) -> Pixels:
    """Compress a picture as JPEG and decompress it. subsampling: of colors, 0 (none) or 2 (4:2:0)."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as opened:
        return np.asarray(opened)


def bc1(picture: Pixels) -> Pixels:
    """Compress a picture as BC1 (DXT1) and decompress it; blocks that it does not fill continue its edge."""
    height, width = picture.shape[:2]
    filled = np.pad(picture, ((0, -height % 4), (0, -width % 4), (0, 0)), mode="edge")
    decoded = imagecodecs.bcn_decode(compressed(filled, "bc1"), 1, shape=(*filled.shape[:2], 4))
    return np.asarray(decoded)[:height, :width, :3]


def palette(picture: Pixels, colors: int, *, dithered: bool) -> Pixels:
    """Bring a picture to so many colors, 2 to 256, chosen by median cut; dithered as Floyd and Steinberg do, or not."""
    dither = Image.Dither.FLOYDSTEINBERG if dithered else Image.Dither.NONE
    image = Image.fromarray(picture)
    chosen = image.quantize(colors, Image.Quantize.MEDIANCUT)
    return np.asarray(image.quantize(palette=chosen, dither=dither).convert("RGB"))
