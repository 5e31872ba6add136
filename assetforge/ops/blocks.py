"""Blocks of 4 by 4 pixels, as the compressed formats of GPUs have them, and lines of colors that are fitted to them.

Blocks are (C, 16, N): channel, pixel in reading order, block in reading order. What decides is whole numbers that
float32 holds exactly, or single operations that IEEE 754 rounds alike everywhere, so that blocks get the same bytes on
every processor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

SIDE = 4
"""Pixels along the side of a block."""
PIXELS = 16
"""Pixels of a block."""
_POWERS = 5
"""Steps of the power iteration; the axis need not be exact, as the ends of the line are refined later."""
_WORD = 32


@dataclass(frozen=True)
class Encoded:
    """Blocks as they can be written. A format adds fields; the last dimension of each goes by block."""

    error: Tensor
    """(N,): how far from its pixels a block is."""
    mode: Tensor
    partition: Tensor
    codes: Tensor
    """(4, C, N): the ends of lines."""

    def better(self, other: Self) -> Self:
        """Return the nearer of two, block by block; this one where they are alike."""
        return type(self)(*picked(self.error > other.error, vars(other).values(), vars(self).values()))

    def of(self, chosen: Tensor) -> Self:
        """Return some of the blocks."""
        return type(self)(*(value.index_select(-1, chosen) for value in vars(self).values()))

    def put(self, chosen: Tensor, others: Self) -> Self:
        """Return the blocks with others in some places."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return type(self)(*(old.index_copy(-1, chosen, new) for old, new in pairs))


def blocks_of(pixels: Tensor) -> Tensor:
    """Cut (C, H, W) into blocks (C, 16, N); sides that are no multiple of 4 go on with their last pixel."""
    channels, height, width = pixels.shape
    rows, columns = (torch.arange(-(-side // SIDE) * SIDE, device=pixels.device) for side in (height, width))
    whole = pixels[:, rows.clamp_max(height - 1)][:, :, columns.clamp_max(width - 1)]
    cut = whole.reshape(channels, len(rows) // SIDE, SIDE, len(columns) // SIDE, SIDE)
    return cut.permute(0, 2, 4, 1, 3).reshape(channels, PIXELS, -1)


def packed(fields: Iterable[tuple[Tensor, int]], size: int) -> Tensor:
    """Return the bytes (N, size), uint8, of bit fields one after the other, the least bit of each first.

    fields: whole numbers (N,) that are not negative, and the bits of each.
    """
    words: list[Tensor | None] = [None] * (8 * size // _WORD)
    at = 0
    for value, bits in fields:
        number = value.long()
        word, shift = divmod(at, _WORD)
        _merge(words, word, number << shift)
        if shift + bits > _WORD:
            _merge(words, word + 1, number >> (_WORD - shift))
        at += bits
    if at != 8 * size:
        raise ValueError(f"the fields have {at} bits; a block has {8 * size}")
    filled = [word for word in words if word is not None]
    return torch.stack([(word & 0xFFFFFFFF).to(torch.int32) for word in filled], 1).view(torch.uint8)


def index_fields(index: Tensor, bits: int, anchors: list[Tensor]) -> Iterator[tuple[Tensor, int]]:
    """Give indices (16, N) as bit fields. Those of anchors, which are elsewhere in each block, lack their first bit."""
    total = PIXELS * bits - len(anchors)
    words = [torch.zeros_like(index[0]) for _ in range(0, total, _WORD)]
    at = torch.zeros_like(index[0])
    for pixel, value in enumerate(index):
        for number, word in enumerate(words):
            shift = at - _WORD * number
            part = torch.where(shift >= 0, value << shift.clamp(0, _WORD), value >> (-shift).clamp(0, _WORD))
            words[number] = word | (part & (2**_WORD - 1))
        at = at + bits - sum_of((anchor == pixel).long() for anchor in anchors)
    for number, word in enumerate(words):
        yield word, min(_WORD, total - _WORD * number)


def _merge(words: list[Tensor | None], index: int, value: Tensor) -> None:
    before = words[index]
    words[index] = value if before is None else before | value


def principal_line(pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends (C, N) of the line along the principal axis of the pixels (C, 16, N) in a mask (16, N).

    The ends are where the outermost pixels are projected to. Pixels are whole numbers up to 255.
    """
    count = mask.sum(0).clamp_min(1)
    mean = (pixels * mask).sum(1) / count
    centered = (pixels - mean[:, None]) * mask
    axis = _axis(centered)
    along = sum_of(centered[c] * axis[c] for c in range(len(axis)))
    length = sum_of(axis[c] * axis[c] for c in range(len(axis))).clamp_min(1e-12)
    low, high = along.amin(0) / length, along.amax(0) / length
    return mean + axis * low, mean + axis * high


def _axis(centered: Tensor) -> Tensor:
    """Find the axis of most variance by power iteration, begun at the row of the channel that varies most."""
    channels = range(centered.shape[0])
    entries = {(a, b): _tree(centered[a] * centered[b]) for a in channels for b in channels if a <= b}
    row = [[entries[min(a, b), max(a, b)] for b in channels] for a in channels]
    axis, most = row[0], row[0][0]
    for one in channels[1:]:
        larger = row[one][one] > most
        axis = [torch.where(larger, new, old) for new, old in zip(row[one], axis, strict=True)]
        most = torch.maximum(row[one][one], most)
    for _ in range(_POWERS):
        scale = torch.stack(axis).abs().amax(0).clamp_min(1e-12)
        axis = [one / scale for one in axis]
        axis = [sum_of(row[a][b] * axis[b] for b in channels) for a in channels]
    scale = torch.stack(axis).abs().amax(0).clamp_min(1e-12)
    return torch.stack([one / scale for one in axis])


def _tree(values: Tensor) -> Tensor:
    """Add up the 16 pixels of (16, N), halves onto halves, so that every processor rounds alike."""
    for half in (8, 4, 2, 1):
        values = values[:half] + values[half : 2 * half]
    return values[0]


def picked(where: Tensor, these: Iterable[Tensor], those: Iterable[Tensor]) -> Iterator[Tensor]:
    """Give, of each two tensors (*, N), these where a condition (N,) holds and those elsewhere."""
    return (torch.where(where, this, that) for this, that in zip(these, those, strict=True))


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """Add tensors one after the other."""
    iterator = iter(terms)
    total = next(iterator)
    for term in iterator:
        total = total + term
    return total


def least_squares(pixels: Tensor, mask: Tensor, weights: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the ends (C, N) of the line nearest to pixels (C, 16, N) for given weights, and where there is one (N,).

    weights: (16, N), whole numbers from 0, the first end, to `most`, the second. Where all weights are equal, many
    lines are as near.
    """
    second = weights * mask
    first = mask * most - second
    aa, ab, bb = (first * first).sum(0), (first * second).sum(0), (second * second).sum(0)
    ax, bx = (pixels * first).sum(1), (pixels * second).sum(1)
    determinant = aa * bb - ab * ab
    usable = determinant > 0
    scale = most / determinant.clamp_min(1)
    return (ax * bb - bx * ab) * scale, (bx * aa - ax * ab) * scale, usable
