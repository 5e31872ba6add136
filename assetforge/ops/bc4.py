"""BC4: blocks of 8 bytes for 4 by 4 values; two of them are BC5, and one is the alpha of BC3.

The format as in the Khronos Data Format Specification, "RGTC Compressed Texture Image Formats". A block is eight values
along a line between two ends of 8 bits, or six of them, 0 and 1. The values between the ends are no whole numbers, so
that a smooth map keeps more than 8 bits where its blocks are nearly flat.
"""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from assetforge.ops.blocks import PIXELS, least_squares, packed, picked

BYTES = 8
"""Of a block."""
CHUNK = 8192
"""Blocks that are encoded at a time."""
_FINE = 32
"""Steps into which a code of 8 bits is divided where values are compared."""
_TOP = 255 * _FINE
_REFINED = 2
_NEAR = [(low, high) for low in (-1, 0, 1) for high in (-1, 0, 1)]


class _Line(NamedTuple):
    low: Tensor
    """(N,): the end of 8 bits, from 0 to 255; no more than `high`."""
    high: Tensor
    steps: Tensor
    """(16, N): where along the line each value is, from 0 to 7 or 5; −1 for 0, and 8 for 1."""
    error: Tensor
    six: Tensor
    """(N,): whether it is one of six values."""


def encode(values: Tensor) -> Tensor:
    """Encode blocks (16, N), float32 from 0 to 1: uint8 (N, 8)."""
    return torch.cat([_packed(_best(part)) for part in torch.split(values, CHUNK, 1)])


def _best(values: Tensor) -> _Line:
    fine = torch.round(values.clamp(0, 1) * _TOP)
    eight = _searched(fine, fine.amin(0), fine.amax(0), 7)
    extreme = (fine < _FINE) | (fine > _TOP - _FINE)
    chosen = (extreme.any(0) & (eight.error > 0)).nonzero()[:, 0]
    if not len(chosen):
        return eight
    part, extreme = fine.index_select(1, chosen), extreme.index_select(1, chosen)
    low = torch.where(extreme, _TOP, part).amin(0)
    high = torch.maximum(torch.where(extreme, 0, part).amax(0), low)
    six = _searched(part, low, high, 5)
    found = _nearer(_Line(*(value.index_select(-1, chosen) for value in eight)), six)
    return _Line(*(old.index_copy(-1, chosen, new) for old, new in zip(eight, found, strict=True)))


def _searched(fine: Tensor, low: Tensor, high: Tensor, top: int) -> _Line:
    """Fit the ends, at first (N,) in fine steps, and then look at those beside them."""
    best = _indexed(fine, low, high, top)
    for _ in range(_REFINED):
        inside = ((best.steps >= 0) & (best.steps <= top)).to(fine.dtype)
        first, second, usable = least_squares(fine[None], inside, best.steps.clamp(0, top), top)
        ends = torch.where(usable, first[0], best.low * _FINE), torch.where(usable, second[0], best.high * _FINE)
        best = _nearer(best, _indexed(fine, *ends, top))
    around = (_indexed(fine, (best.low + a) * _FINE, (best.high + b) * _FINE, top) for a, b in _NEAR)
    return reduce(_nearer, around, best)


def _nearer(best: _Line, other: _Line) -> _Line:
    return _Line(*picked(best.error > other.error, other, best))


def _indexed(fine: Tensor, low: Tensor, high: Tensor, top: int) -> _Line:
    low = torch.round(low / _FINE).clamp(0, 255)
    high = torch.maximum(torch.round(high / _FINE).clamp(0, 255), low)
    way = (high - low) * _FINE
    steps = torch.round((fine - low * _FINE) * (top / way.clamp_min(1))).clamp(0, top)
    # In units of 1/top of a fine step, all is whole.
    error = (fine * top - (low * (_FINE * top) + steps * way)).abs()
    if top == 5:
        for extreme, step in ((0, -1), (_TOP, 8)):
            other = (fine - extreme).abs() * top
            steps = torch.where(other < error, step, steps)
            error = torch.minimum(error, other)
    # In float64, which holds the sum of the squares exactly.
    return _Line(low, high, steps, error.double().square().sum(0), torch.full_like(low, top == 5).bool())


def _packed(line: _Line) -> Tensor:
    low, high, steps, six = line.low.long(), line.high.long(), line.steps.long(), line.six
    # Eight values are told by a first end that is the greater; where both are the same, all is the first.
    first, second = torch.where(six, low, high), torch.where(six, high, low)
    along = torch.where(six, steps, 7 - steps)
    last = torch.where(six, 5, 7)
    index = torch.where(along == 0, 0, torch.where(along == last, 1, along + 1))
    index = torch.where(six & (steps < 0), 6, torch.where(six & (steps > 5), 7, index))
    index = torch.where(first == second, torch.where(six, index.where(steps < 0, index * (steps > 5)), 0), index)
    return packed([(first, 8), (second, 8), *((index[pixel], 3) for pixel in range(PIXELS))], BYTES)
