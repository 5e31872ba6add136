"""Which of the shipped networks a picture asks for, told by what is measured of it.

Compression leaves traces that can be told from what was painted: a block of BC1 has two colors, and of those between
them only that in the middle or those at the thirds; most of the fine waves of a block of JPEG are rounded to nothing,
in its blocks of eight pixels and in no others; and a palette lacks the colors between its own, which pixels have that
are blended with their neighbors. Drawings have even fills, and sharp edges between them.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.color import srgb_encode

Choice = Literal["quality", "denoise", "drawn"]

_LOOKED_AT = 1024
"""Pixels across."""
_OF_BC1 = 0.9
"""Of the lively blocks of a picture that was BC1, so many are as BC1 has them; of others, hardly any."""
_BETWEEN = (0, 1 / 3, 1 / 2, 2 / 3, 1)
"""Where the colors of such a block are between two of them."""
_DECODED = 2
"""Codes by which decoders may miss them."""
_ROUNDED = 0.13
"""By so much more of the fine waves are next to nothing in the blocks of JPEG than half a block beside them."""
_PALETTE = 256
"""Colors, at most."""
_BLENDED = 1.25
"""By so many times more are there where each four pixels of a palette are blended. In other pictures that have few
colors, there are fewer then."""
_EVEN, _SHARP = 0.06, 0.4
"""A drawing has this share of even pixels, and of all others this share are at sharp edges."""
_OF_EVEN, _OF_SHARP = 2, 60
"""Codes by which a pixel's neighborhood differs: at most where it is even, at least where it is sharp."""
_FINE_WAVES = 7
"""Half waves across a block, horizontally and vertically together, from which on they are fine."""
_NEXT_TO_NOTHING = 1.5
"""Codes."""
_LIVELY = 16
"""Codes by which the pixels of a block differ, at least."""


def choose(color: Tensor) -> Choice:
    """Choose for linear color (3, H, W), as it would be in a file of 8 bits; of a large one, by its middle."""
    middle = color[:, _middle(color.shape[1]), _middle(color.shape[2])]
    codes = (srgb_encode(middle.clamp(0, 1)) * 255).round()
    if is_bc1(codes) or is_jpeg(codes):
        return "denoise"
    if is_drawn(codes):
        return "drawn"
    return "denoise" if is_palette(codes) else "quality"


def _middle(side: int) -> slice:
    """Cut off what is more than is looked at, where blocks begin."""
    start = max(0, side - _LOOKED_AT) // 2 // 8 * 8
    return slice(start, start + _LOOKED_AT)


def is_drawn(codes: Tensor) -> bool:
    """Tell whether codes (3, H, W) are of even fills with sharp edges between them."""
    most, least = (F.max_pool2d(sign * codes[None], 3, 1, 1)[0] for sign in (1, -1))
    differs = (most + least).amax(0)
    even, sharp = _share(differs <= _OF_EVEN), _share(differs >= _OF_SHARP)
    return even >= _EVEN and sharp > _SHARP * (1 - even)


def is_bc1(codes: Tensor) -> bool:
    """Tell whether codes (3, H, W) were in blocks of 4 × 4 pixels of two colors and of what BC1 has between them.

    Blocks that have no color between two others, as those of sprites and of stars in the sky, tell nothing.
    """
    blocks = _blocks(codes, 4)
    blocks = blocks[:, (blocks.amax(2) - blocks.amin(2)).amax(0) >= _LIVELY]
    luma = _luma(blocks)
    dark, light = (blocks.gather(2, at[None, :, None].expand(3, -1, 1)) for at in (luma.argmin(1), luma.argmax(1)))
    missed = torch.stack([(blocks - torch.lerp(dark, light, share)).abs().amax(0) for share in _BETWEEN])
    tells = (torch.minimum(missed[0], missed[-1]) > _DECODED).any(1)
    return bool(tells.any()) and _share(missed.amin(0).amax(1)[tells] <= _DECODED) >= _OF_BC1


def is_jpeg(codes: Tensor) -> bool:
    """Tell whether codes (3, H, W) were in blocks of 8 × 8 pixels whose fine waves are rounded."""
    luma = _luma(codes)[None]
    if min(luma.shape[1:]) < 4 + 8:  # then there is no block beside those of JPEG
        return False
    return _without_fine_waves(luma) - _without_fine_waves(luma[:, 4:, 4:]) >= _ROUNDED


def is_palette(codes: Tensor) -> bool:
    """Tell whether codes (3, H, W) are of few colors, and neighbors are not of colors that are next to each other."""
    few = _count(codes)
    if not 2 < few <= _PALETTE or min(codes.shape[1:]) == 1:
        return False
    return _count(F.avg_pool2d(codes, 2).round()) >= _BLENDED * few


def _without_fine_waves(luma: Tensor) -> float:
    """Return the share of the fine waves in blocks of 8 × 8 pixels (1, H, W) that are next to nothing."""
    at = torch.arange(8.0)
    waves = torch.cos(torch.pi / 8 * at[:, None] * (at + 0.5)) / 2  # the cosine transform, but for its constant
    spectrum = waves @ _blocks(luma, 8).reshape(-1, 8, 8) @ waves.T
    fine = spectrum[:, at[:, None] + at >= _FINE_WAVES]
    return _share(fine.abs() < _NEXT_TO_NOTHING)


def _luma(codes: Tensor) -> Tensor:
    """Return the luma (…) of codes (3, …)."""
    luma: Tensor = torch.tensordot(torch.tensor((0.299, 0.587, 0.114)), codes, 1)
    return luma


def _count(codes: Tensor) -> int:
    """Count the colors of codes (3, …)."""
    return len(torch.unique(_numbered(codes)))


def _numbered(codes: Tensor) -> Tensor:
    """Return one number for each color of codes (3, …)."""
    number: Tensor = (codes[0] * 256 + codes[1]) * 256 + codes[2]
    return number


def _share(is_so: Tensor) -> float:
    return float(is_so.float().mean())


def _blocks(pixels: Tensor, side: int) -> Tensor:
    """Cut (C, H, W) into whole blocks (C, count, side · side)."""
    down, across = (length // side for length in pixels.shape[1:])
    cut = pixels[:, : down * side, : across * side].reshape(len(pixels), down, side, across, side)
    return cut.transpose(2, 3).reshape(len(pixels), down * across, side * side)
