"""BC1: blocks of 8 bytes for 4 by 4 colors without alpha; with a block of BC4 for alpha they are BC3.

The format as in the Khronos Data Format Specification, "S3TC Compressed Texture Image Formats": four colors along a
line between two ends of 5, 6 and 5 bits. The three colors and black that the format can have instead are not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, reduce
from typing import NamedTuple

import torch
from torch import Tensor

from assetforge.ops.blocks import PIXELS, least_squares, packed, picked, principal_line, sum_of

BYTES = 8
"""Of a block."""
CHUNK = 8192
"""Blocks that are encoded at a time."""
_BITS = (5, 6, 5)
_TOP = 3
_REFINED = 3
_ORDER = (0, 2, 3, 1)
"""The code of each step along the line, from the first end to the second."""


class _Line(NamedTuple):
    codes: Tensor
    """(2, 3, N): the ends."""
    steps: Tensor
    """(16, N): from 0, the first end, to 3."""
    error: Tensor


def encode(blocks: Tensor) -> Tensor:
    """Encode blocks (3, 16, N), float32 of whole numbers from 0 to 255: uint8 (N, 8)."""
    return torch.cat([_packed(_best(part)) for part in torch.split(blocks, CHUNK, 2)])


def _best(blocks: Tensor) -> _Line:
    everywhere = torch.ones_like(blocks[0])
    best = _indexed(blocks, _codes(principal_line(blocks, everywhere)))
    for _ in range(_REFINED):
        low, high, usable = least_squares(blocks, everywhere, best.steps, _TOP)
        found = torch.where(usable, _codes((low, high)), best.codes)
        best = _nearer(best, _indexed(blocks, found))
    flat = (_indexed(blocks, codes) for codes in _flat(blocks))
    best = reduce(_nearer, flat, best)
    for end in range(2):
        for channel in range(3):
            trials = [_indexed(blocks, _moved(best.codes, end, channel, by)) for by in (-1, 1)]
            best = reduce(_nearer, trials, best)
    return best


def _codes(ends: tuple[Tensor, Tensor]) -> Tensor:
    """Round two ends (3, N), from 0 to 255, to their bits: (2, 3, N)."""
    rounded = [
        torch.stack([torch.round(end[c] * ((2**bits - 1) / 255)).clamp(0, 2**bits - 1) for c, bits in enumerate(_BITS)])
        for end in ends
    ]
    return torch.stack(rounded)


def _moved(codes: Tensor, end: int, channel: int, by: int) -> Tensor:
    moved = codes.clone()
    moved[end, channel] = (moved[end, channel] + by).clamp(0, 2 ** _BITS[channel] - 1)
    return moved


def _flat(blocks: Tensor) -> Iterator[Tensor]:
    """Give ends between which one color, the mean, is as near as can be: both ends alone have too few bits for that."""
    mean = torch.round(blocks.sum(1) / PIXELS).long()
    tables = [_between(bits).to(blocks.device) for bits in _BITS]
    pairs = torch.stack([table[:, mean[c]] for c, table in enumerate(tables)], 1)
    yield pairs.to(blocks.dtype)


@cache
def _between(bits: int) -> Tensor:
    """Return the two codes whose values give each of 0 to 255 best at a third of the way: (2, 256)."""
    codes = torch.arange(2**bits)
    values = _expanded(codes, bits)
    third = 2 * values[:, None] + values
    off = (third.flatten()[:, None] - 3 * torch.arange(256)).abs() * 2 ** (2 * bits)
    # Of pairs that are as near, the one of the nearest ends, which decoders agree on best.
    best = (off + (codes[:, None] - codes).abs().flatten()[:, None]).argmin(0)
    return torch.stack([best // 2**bits, best % 2**bits])


def _expanded(codes: Tensor, bits: int) -> Tensor:
    """Return the 8 bits that a code stands for: its first bits are repeated."""
    first, repeated = 1 << (8 - bits), 1 << (2 * bits - 8)
    return codes * first + torch.div(codes, repeated, rounding_mode="floor")


def _indexed(blocks: Tensor, codes: Tensor) -> _Line:
    low, high = (torch.stack([_expanded(end[c], bits) for c, bits in enumerate(_BITS)]) for end in codes)
    way = high - low
    scale = _TOP / sum_of(way[c] * way[c] for c in range(3)).clamp_min(1)
    along = sum_of((blocks[c] - low[c]) * way[c] for c in range(3))
    steps = torch.round(along * scale).clamp(0, _TOP)
    off = (blocks - low[:, None]) * _TOP - way[:, None] * steps  # whole: decoders round thirds in different ways
    return _Line(codes, steps, sum_of(off[c] * off[c] for c in range(3)).sum(0))


def _nearer(best: _Line, other: _Line) -> _Line:
    return _Line(*picked(best.error > other.error, other, best))


def _packed(line: _Line) -> Tensor:
    red, green, blue = line.codes.long().unbind(1)
    words = red << 11 | green << 5 | blue
    # Four colors are told by a first end that is the greater.
    turned = words[0] < words[1]
    steps = torch.where(turned, _TOP - line.steps.long(), line.steps.long())
    steps = torch.where(words[0] == words[1], 0, steps)
    index = torch.tensor(_ORDER, device=steps.device)[steps]
    ends = [(torch.maximum(words[0], words[1]), 16), (torch.minimum(words[0], words[1]), 16)]
    return packed([*ends, *((index[pixel], 2) for pixel in range(PIXELS))], BYTES)
