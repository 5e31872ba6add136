"""BC6H: blocks of 16 bytes for 4 by 4 colors of light that is not negative, in half precision.

The format as in the Khronos Data Format Specification, "BPTC Compressed Texture Image Formats", BC6H_UFLOAT. Colors are
compared by the whole numbers that stand for half precision, which go by ratios as eyes do. Of the fourteen modes, the
eight with the same bits in all channels are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from assetforge.ops.blocks import Encoded, index_fields, least_squares, packed, picked, principal_line, sum_of
from assetforge.ops.partitions import best_partitions, ranked, second_anchor, second_subset

BYTES = 16
"""Of a block."""
CHUNK = 2048
"""Blocks that are encoded at a time."""
LARGEST = 65504.0
"""The most light of half precision."""
_MOST_HALF = 0x7BFF
_MOST = 64
"""The weight that is all of the second end."""
_PARTITIONS = 32
_TRIED = 2
_REFINED = 1


class _Mode(NamedTuple):
    code: int
    code_bits: int
    bits: int
    """Of each channel of the first end."""
    difference: int
    """Bits of what the others differ from it by; 0 where they are written as they are."""
    layout: str
    """Channel, end (w to z) and bits of each field."""


_ONE = (
    _Mode(0x03, 5, 10, 0, "rw0-9 gw0-9 bw0-9 rx0-9 gx0-9 bx0-9"),
    _Mode(0x07, 5, 11, 9, "rw0-9 gw0-9 bw0-9 rx0-8 rw10-10 gx0-8 gw10-10 bx0-8 bw10-10"),
    _Mode(0x0B, 5, 12, 8, "rw0-9 gw0-9 bw0-9 rx0-7 rw11-10 gx0-7 gw11-10 bx0-7 bw11-10"),
    _Mode(0x0F, 5, 16, 4, "rw0-9 gw0-9 bw0-9 rx0-3 rw15-10 gx0-3 gw15-10 bx0-3 bw15-10"),
)
_Z = "rx0-4 gz4-4 gy0-3 gx0-4 bz0-0 gz0-3 bx0-4 bz1-1 by0-3 ry0-4 bz2-2 rz0-4 bz3-3"
_Z6 = "rx0-5 gy0-3 gx0-5 gz0-3 bx0-5 by0-3 ry0-5 rz0-5"
_TWO = (
    _Mode(0x00, 2, 10, 5, f"gy4-4 by4-4 bz4-4 rw0-9 gw0-9 bw0-9 {_Z}"),
    _Mode(0x01, 2, 7, 6, f"gy5-5 gz4-5 rw0-6 bz0-1 by4-4 gw0-6 by5-5 bz2-2 gy4-4 bw0-6 bz3-3 bz5-4 {_Z6}"),
    _Mode(0x0E, 5, 9, 5, f"rw0-8 by4-4 gw0-8 gy4-4 bw0-8 bz4-4 {_Z}"),
    _Mode(0x1E, 5, 6, 0, f"rw0-5 gz4-4 bz0-1 by4-4 gw0-5 gy5-5 by5-5 bz2-2 gy4-4 bw0-5 gz5-5 bz3-3 bz5-4 {_Z6}"),
)
_MODES = (*_ONE, *_TWO)


class _Line(NamedTuple):
    codes: Tensor
    """(2, 3, N): the ends, in so many bits."""
    indices: Tensor
    error: Tensor


@dataclass(frozen=True)
class _Blocks(Encoded):
    """Blocks as they can be written. `mode` is the place in `_MODES`; anchors decide how the ends are ordered."""

    indices: Tensor


def encode(blocks: Tensor) -> Tensor:
    """Encode blocks (3, 16, N), float32 of linear light; what is no light in half precision is cut: uint8 (N, 16)."""
    codes = blocks.clamp(0, LARGEST).half().view(torch.int16)
    return torch.cat([_packed(_best(part.double())) for part in torch.split(codes, CHUNK, 2)])


def _best(pixels: Tensor) -> _Blocks:
    nowhere = torch.zeros_like(pixels[0, 0].long())
    found = [_tried(pixels, place, nowhere) for place in range(len(_ONE))]
    squares = ranked(pixels, _PARTITIONS)
    for partition in best_partitions(*squares, 3, _TRIED):
        found += [_tried(pixels, place, partition) for place in range(len(_ONE), len(_MODES))]
    return reduce(_Blocks.better, found)


def _tried(pixels: Tensor, place: int, partition: Tensor) -> _Blocks:
    """Encode pixels (3, 16, N) in a mode with partitions (N,); where it cannot hold them, the error is endless."""
    mode, two = _MODES[place], place >= len(_ONE)
    index_bits = 3 if two else 4
    second = second_subset(partition).to(pixels) * two
    anchors = [torch.zeros_like(partition), second_anchor(partition)][: 1 + two]
    codes, indices, error = [], torch.zeros_like(second), torch.zeros_like(pixels[0, 0])
    for subset, anchor in enumerate(anchors):
        mask = (second == subset).to(pixels)
        line = _fitted(pixels, mask, mode.bits, index_bits)
        turned = line.indices.gather(0, anchor[None])[0] >= 1 << (index_bits - 1)
        codes += list(torch.where(turned, line.codes.flip(0), line.codes))
        indices = indices + torch.where(turned, (1 << index_bits) - 1 - line.indices, line.indices) * mask
        error = error + line.error
    whole = codes[0].new_zeros(4, *codes[0].shape)
    whole[: len(codes)] = torch.stack(codes)
    if mode.difference:
        far = (whole[1 : len(codes)] - whole[0]).abs().amax((0, 1)) >= 1 << (mode.difference - 1)
        error = torch.where(far, torch.inf, error)
    return _Blocks(error, torch.full_like(partition, place), partition, whole.long(), indices.long())


def _fitted(pixels: Tensor, mask: Tensor, bits: int, index_bits: int) -> _Line:
    ends = principal_line(pixels, mask)
    best = _indexed(pixels, mask, bits, index_bits, torch.stack([_code(end, bits) for end in ends]))
    for _ in range(_REFINED):
        low, high, usable = least_squares(pixels, mask, _weights(best.indices, index_bits), _MOST)
        codes = torch.where(usable, torch.stack([_code(low, bits), _code(high, bits)]), best.codes)
        other = _indexed(pixels, mask, bits, index_bits, codes)
        best = _Line(*picked(best.error > other.error, other, best))
    return best


def _code(halves: Tensor, bits: int) -> Tensor:
    """Return the codes whose values are nearest to numbers of half precision."""
    wide = halves * (64 / 31)
    step = 1 << (16 - bits)
    return torch.floor(wide / step).clamp(0, (1 << bits) - 1)


def _wide(codes: Tensor, bits: int) -> Tensor:
    """Return the numbers of 16 bits that codes stand for."""
    if bits == 16:
        return codes
    step, top = 1 << (16 - bits), (1 << bits) - 1
    inside = codes * step + step / 2
    return torch.where(codes == 0, 0.0, torch.where(codes == top, 65535.0, inside))


def _weights(indices: Tensor, bits: int) -> Tensor:
    """Return the weights that indices stand for, of 64: the format's table is the nearest whole number."""
    return torch.round(indices * (_MOST / ((1 << bits) - 1)))


def _indexed(pixels: Tensor, mask: Tensor, bits: int, index_bits: int, codes: Tensor) -> _Line:
    """Give each pixel the index that is nearest along the line."""
    low, high = _wide(codes, bits)
    way, top = high - low, (1 << index_bits) - 1
    scale = top / sum_of(way[c] * way[c] for c in range(3)).clamp_min(1)
    along = sum_of((pixels[c] * (64 / 31) - low[c]) * way[c] for c in range(3))
    indices = torch.round(along * scale).clamp(0, top)
    weights = _weights(indices, index_bits)
    total = torch.zeros_like(indices)
    for c in range(3):
        between = torch.floor((weights * way[c] + (low[c] * _MOST + _MOST // 2)) / _MOST)
        off = torch.floor(between * 31 / 64) - pixels[c]
        total = total + off * off
    return _Line(codes, indices, (total * mask).sum(0))


def _packed(blocks: _Blocks) -> Tensor:
    """Return the bytes of blocks, (N, 16)."""
    out = torch.empty(len(blocks.mode), BYTES, dtype=torch.uint8, device=blocks.mode.device)
    for place in range(len(_MODES)):
        chosen = (blocks.mode == place).nonzero()[:, 0]
        if len(chosen):
            out[chosen] = packed(_fields(blocks.of(chosen), place), BYTES)
    return out


def _fields(blocks: _Blocks, place: int) -> Iterator[tuple[Tensor, int]]:
    mode, two = _MODES[place], place >= len(_ONE)
    codes = blocks.codes
    if mode.difference:
        codes = torch.cat([codes[:1], codes[1:] - codes[:1]]) & (1 << mode.bits) - 1
    yield torch.full_like(blocks.mode, mode.code), mode.code_bits
    for field in mode.layout.split():
        value = codes["wxyz".index(field[1]), "rgb".index(field[0])]
        first, last = map(int, field[2:].split("-"))
        step = 1 if last >= first else -1
        yield from ((value >> bit & 1, 1) for bit in range(first, last + step, step))
    if two:
        yield blocks.partition, 5
    anchors = [torch.zeros_like(blocks.mode), second_anchor(blocks.partition)][: 1 + two]
    yield from index_fields(blocks.indices, 3 if two else 4, anchors)
