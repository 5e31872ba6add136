"""The partitions of a block into two subsets that BC7 and BC6H share, and which of them suits which block."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from assetforge.ops.blocks import PIXELS, sum_of
from assetforge.ops.exact import root

_SECOND = """
cccc 8888 eeee ecc8 c880 feec fec8 ec80 c800 ffec fe80 e800 ffe8 ff00 fff0 f000
f710 008e 7100 08ce 008c 7310 3100 8cce 088c 3110 6666 366c 17e8 0ff0 718e 399c
aaaa f0f0 5a5a 33cc 3c3c 55aa 9696 a55a 73ce 13c8 324c 3bdc 6996 c33c 9966 0660
0272 04e4 4e40 2720 c936 936c 39c6 639c 9336 9cc6 817e e718 ccf0 0fcc 7744 ee22
"""
"""A bit for each pixel of the second subset, the first pixel least; BC6H has the first half of them."""
_ANCHORS = "fffffffffffffffff282288f28228822ff6828ff28222ff66268ff22fffff22f"
"""The pixel of the second subset whose index is written without its first bit, for each partition."""


@cache
def _table() -> Tensor:
    words = [int(word, 16) for word in _SECOND.split()]
    return torch.tensor([[float(word >> pixel & 1) for word in words] for pixel in range(PIXELS)])


def second_subset(partition: Tensor) -> Tensor:
    """Return which pixels belong to the second subset of partitions (N,): (16, N), 0 or 1."""
    return _table().to(partition.device).index_select(1, partition)


def second_anchor(partition: Tensor) -> Tensor:
    """Return the pixel of the second subset whose index lacks its first bit: (N,)."""
    return torch.tensor([int(digit, 16) for digit in _ANCHORS], device=partition.device)[partition]


def best_partitions(off: Tensor, along: Tensor, index_bits: int, tried: int) -> Tensor:
    """Return the partitions that cost least, (tried, N), by the squares that `ranked` gives."""
    number = torch.arange(len(off), device=off.device)[:, None]
    order = torch.round(off + along * grain(index_bits)).long() * len(off) + number  # no two are alike
    return order.topk(tried, 0, largest=False).values % len(off)


def grain(bits: int) -> float:
    """Return which part of the squares along a line is left by rounding to indices, for values that fill the line."""
    steps = (1 << bits) - 1
    return 1 / (3 * steps * steps)


def ranked(pixels: Tensor, partitions: int) -> tuple[Tensor, Tensor]:
    """Return the squares (partitions, N) of pixels (C, 16, N) off and along the lines of the subsets, summed up."""
    mask = _table()[:, :partitions].to(pixels).T
    whole, second = _moments(pixels, torch.ones_like(mask[:1])), _moments(pixels, mask)
    parts = [_spread(sums, pixels.shape[0]) for sums in (second, whole - second)]
    return parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]


def unpartitioned(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squares (N,) of pixels (C, 16, N) off and along one line for all."""
    off, along = _spread(_moments(pixels, torch.ones_like(pixels[0, :, :1]).T), pixels.shape[0])
    return off[0], along[0]


def _moments(pixels: Tensor, mask: Tensor) -> Tensor:
    """Return the sums of 1, of each channel and of each product of two, (_, masks, N), of masks (masks, 16).

    All are whole numbers that the type of the pixels holds, so that no order of adding rounds them.
    """
    channels = range(pixels.shape[0])
    products = [pixels[a] * pixels[b] for a in channels for b in channels if a <= b]
    return torch.matmul(mask, torch.stack([torch.ones_like(pixels[0]), *pixels, *products]))


def _spread(sums: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return the squares off and along the best line, of moments.

    The largest eigenvalue of the covariance is taken as the root of the norm of its square, which is a little more.
    """
    count, first = sums[0].clamp_min(1), sums[1 : 1 + channels]
    pairs = [(a, b) for a in range(channels) for b in range(channels) if a <= b]
    matrix = {
        (a, b): value - first[a] * first[b] / count for (a, b), value in zip(pairs, sums[1 + channels :], strict=True)
    }
    trace = sum_of(matrix[c, c] for c in range(channels)).clamp_min(0)
    along = torch.minimum(_largest(matrix, channels), trace)
    return trace - along, along


def _largest(matrix: dict[tuple[int, int], Tensor], size: int) -> Tensor:
    full = matrix | {(b, a): value for (a, b), value in matrix.items()}
    squares = {(a, b): sum_of(full[a, c] * full[c, b] for c in range(size)) for a, b in matrix}
    return root(root(sum_of(entry * entry * (1 if a == b else 2) for (a, b), entry in squares.items())))
