"""BC7: blocks of 16 bytes for 4 by 4 colors of 8 bits, with or without alpha.

The format as in the Khronos Data Format Specification, "BPTC Compressed Texture Image Formats". Each block is written
in the one of eight modes that is nearest to its pixels, by the sum of squared differences. Lines of colors begin along
the principal axis and are refined by least squares; partitions are ranked by how much of their subsets' variance lies
off a line, and the best few are tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from assetforge.ops.blocks import PIXELS, Encoded, index_fields, least_squares, packed, picked, principal_line, sum_of
from assetforge.ops.partitions import best_partitions, grain, ranked, second_anchor, second_subset, unpartitioned

BYTES = 16
"""Of a block."""
CHUNK = 2048
"""Blocks that are encoded at a time, so that what is computed of them stays in the processor's caches."""
_MOST = 64
"""The weight that is all of the second end."""
_REFINED = 1
"""How often the ends are fitted to the indices, and the indices to the ends."""
_ENOUGH = 8
"""A block that differs by no more than this, as a sum of squares, is not tried in other modes."""


class _Mode(NamedTuple):
    number: int
    subsets: int
    bits: int
    """Of each channel of an end, without the bit that its channels share."""
    shared: Literal["none", "end", "subset"]
    """For what there is one more bit, the least of all channels: for each end, or for both ends of a subset."""
    index_bits: int
    """Of each index."""
    channels: int


_SHARED: dict[str, list[tuple[int | None, int | None]]] = {
    "none": [(None, None)],
    "subset": [(0, 0), (1, 1)],
    "end": [(0, 0), (0, 1), (1, 0), (1, 1)],
}
"""The shared bits that both ends of a line can have."""
_WHOLE = _Mode(6, 1, 7, "end", 4, 4)
_OPAQUE = (_Mode(1, 2, 6, "subset", 3, 3), _Mode(3, 2, 7, "end", 2, 3))
_CLEAR = (_Mode(7, 2, 5, "end", 2, 4),)
_PARTITIONS = 64
_TRIED = 2
"""Partitions that each mode with two subsets is tried with. The next two are worth 0.06 dB, and a quarter of the time.
Three subsets (modes 0 and 2) are worth 0.02 dB, and are left out."""


class _Apart(NamedTuple):
    """A mode that gives indices of its own to alpha, or to the color that changes places with alpha."""

    number: int
    longer: int
    """1 where colors have the longer indices."""
    color: _Mode
    alone: _Mode


_APART = (
    _Apart(5, 0, _Mode(5, 1, 7, "none", 2, 3), _Mode(5, 1, 8, "none", 2, 1)),
    _Apart(4, 0, _Mode(4, 1, 5, "none", 2, 3), _Mode(4, 1, 6, "none", 3, 1)),
    _Apart(4, 1, _Mode(4, 1, 5, "none", 3, 3), _Mode(4, 1, 6, "none", 2, 1)),
)


class _Line(NamedTuple):
    """A line of colors that some pixels are near to."""

    codes: Tensor
    """(2, C, N): the ends, in the mode's bits and the shared one."""
    indices: Tensor
    """(16, N)."""
    error: Tensor
    """(N,): the sum of squared differences."""


@dataclass(frozen=True)
class _Blocks(Encoded):
    """Blocks as they can be written. Whatever a mode lacks is 0; `codes` have the shared bit, and alpha last."""

    index: Tensor
    """(16, N): the indices of the colors."""
    alone: Tensor
    """(16, N): those of the channel that modes 4 and 5 keep apart."""
    rotation: Tensor
    """Which channel that is: 0 alpha, else red, green, blue."""
    longer: Tensor
    """Mode 4: whether the colors have the longer indices."""


def encode(blocks: Tensor) -> Tensor:
    """Encode blocks (3 or 4, 16, N), float32 of whole numbers from 0 to 255: uint8 (N, 16)."""
    return torch.cat([_encoded(part) for part in torch.split(blocks, CHUNK, 2)])


def _encoded(blocks: Tensor) -> Tensor:
    if blocks.shape[0] == 3:
        blocks = torch.cat([blocks, torch.full_like(blocks[:1], 255.0)])
    best = _tried(blocks, _WHOLE, torch.zeros_like(blocks[0, 0].long()))
    opaque = (blocks[3] == 255).all(0)
    for modes, meant in ((_OPAQUE, opaque), (_CLEAR, ~opaque)):
        chosen = (meant & (best.error > _ENOUGH)).nonzero()[:, 0]
        if len(chosen):
            found = _searched(blocks.index_select(2, chosen), best.of(chosen), modes)
            best = best.put(chosen, found)
    return _packed(best)


def _searched(blocks: Tensor, best: _Blocks, modes: Iterable[_Mode]) -> _Blocks:
    """Try the modes with two subsets, and those with a channel apart where they may be nearer."""
    channels = 3 if modes is _OPAQUE else 4
    squares = ranked(blocks[:channels], _PARTITIONS)
    for mode in modes:
        for partition in best_partitions(*squares, mode.index_bits, _TRIED):
            best = best.better(_tried(blocks, mode, partition))
    for rotation in range(4 - channels, 4):
        turned = _turned(blocks, rotation)
        chosen = (_cost_apart(turned) < best.error).nonzero()[:, 0]
        if len(chosen):
            found = best.of(chosen)
            for trial in _apart(turned.index_select(2, chosen), rotation):
                found = found.better(trial)
            best = best.put(chosen, found)
    return best


def _tried(blocks: Tensor, mode: _Mode, partition: Tensor) -> _Blocks:
    """Encode blocks (4, 16, N) in a mode that gives all channels the same indices, with partitions (N,)."""
    second = second_subset(partition)
    masks = [torch.ones_like(second)] if mode.subsets == 1 else [1 - second, second]
    lines = [_fitted(blocks[: mode.channels], mask, mode) for mask in masks]
    error = sum_of(line.error for line in lines)
    index = sum_of(line.indices * mask for line, mask in zip(lines, masks, strict=True))
    return _blocks(error, mode.number, partition, torch.cat([line.codes for line in lines]), index)


def _blocks(error: Tensor, mode: int, partition: Tensor, codes: Tensor, index: Tensor) -> _Blocks:
    """Return blocks whose channels share their indices; codes (2 or 4, C, N), as floats."""
    zero = torch.zeros_like(partition)
    whole = codes.new_zeros(4, 4, len(zero))
    whole[: codes.shape[0], : codes.shape[1]] = codes
    indices = index.long()
    return _Blocks(error, zero + mode, partition, whole.long(), indices, torch.zeros_like(indices), zero, zero)


def _fitted(pixels: Tensor, mask: Tensor, mode: _Mode) -> _Line:
    """Fit a line to the pixels (C, 16, N) in a mask (16, N)."""
    ends = principal_line(pixels, mask)
    best = _quantized(pixels, mask, mode, ends)
    for _ in range(_REFINED):
        weights = _weights(best.indices, mode.index_bits)
        low, high, usable = least_squares(pixels, mask, weights, _MOST)
        ends = torch.where(usable, low, ends[0]), torch.where(usable, high, ends[1])
        best = _nearer(best, _quantized(pixels, mask, mode, ends))
    return best


def _nearer(best: _Line, other: _Line) -> _Line:
    return _Line(*picked(best.error > other.error, other, best))


def _quantized(pixels: Tensor, mask: Tensor, mode: _Mode, ends: tuple[Tensor, Tensor]) -> _Line:
    """Round the ends (C, N) of lines to codes, with the shared bits that are nearest, and give indices to pixels."""
    lines = []
    for choice in _SHARED[mode.shared]:
        codes = [_code(end, mode.bits, shared) for end, shared in zip(ends, choice, strict=True)]
        lines.append(_indexed(pixels, mask, mode, torch.stack(codes)))
    return reduce(_nearer, lines)


def _code(values: Tensor, bits: int, shared: int | None) -> Tensor:
    """Return the codes whose expansion is nearest to values from 0 to 255, of so many bits and the shared one."""
    top = 2**bits - 1
    if shared is None:
        return torch.round(values * (top / 255)).clamp(0, top)
    most = 2 * top + 1
    return torch.round((values * (most / 255) - shared) / 2).clamp(0, top) * 2 + shared


def _expanded(codes: Tensor, bits: int) -> Tensor:
    """Return the 8 bits that a code of fewer stands for: its first bits are repeated."""
    first, repeated = 1 << (8 - bits), 1 << (2 * bits - 8)
    return codes * first + torch.floor(codes / repeated)


def _weights(index: Tensor, bits: int) -> Tensor:
    """Return the weights that indices stand for, of 64: the format's table is the nearest whole number."""
    return torch.round(index * (_MOST / (2**bits - 1)))


def _indexed(pixels: Tensor, mask: Tensor, mode: _Mode, codes: Tensor) -> _Line:
    """Give each pixel the index that is nearest along the line."""
    low, high = _expanded(codes, mode.bits + (mode.shared != "none"))
    way = high - low
    top = 2**mode.index_bits - 1
    channels = range(pixels.shape[0])
    scale = top / sum_of(way[c] * way[c] for c in channels).clamp_min(1)
    along = sum_of((pixels[c] - low[c]) * way[c] for c in channels)
    index = (along * scale).round_().clamp_(0, top)
    weights = _weights(index, mode.index_bits)
    total = torch.zeros_like(index)
    for c in channels:
        # Both ends and the weights are whole, so that this is what a decoder computes: with 32 of 64 added, cut off.
        off = (weights * way[c] + (low[c] * _MOST + _MOST // 2)).div_(_MOST).floor_().sub_(pixels[c])
        total += off.mul_(off)
    return _Line(codes, index, total.mul_(mask).sum(0))


def _turned(blocks: Tensor, rotation: int) -> Tensor:
    """Let alpha change places with a color: 0 none, else red, green, blue."""
    order = list(range(4))
    if rotation:
        order[rotation - 1], order[3] = 3, rotation - 1
    return blocks[order]


def _cost_apart(turned: Tensor) -> Tensor:
    """Return about how far blocks (4, 16, N) are from their best in the modes with a channel apart."""
    off, along = unpartitioned(turned[:3])
    alone = turned[3].square().sum(0) - turned[3].sum(0).square() / PIXELS
    return off + (along + alone) * grain(3)


def _apart(turned: Tensor, rotation: int) -> Iterator[_Blocks]:
    """Encode blocks (4, 16, N) in the modes that give indices of its own to the last channel."""
    everywhere = torch.ones_like(turned[0])
    zero = torch.zeros_like(turned[0, 0].long())
    for mode in _APART:
        color = _fitted(turned[:3], everywhere, mode.color)
        alone = _fitted(turned[3:], everywhere, mode.alone)
        codes = torch.cat([color.codes, alone.codes], 1)
        found = _blocks(color.error + alone.error, mode.number, zero, codes, color.indices)
        yield replace(found, alone=alone.indices.long(), rotation=zero + rotation, longer=zero + mode.longer)


def _packed(blocks: _Blocks) -> Tensor:
    """Return the bytes of blocks, (N, 16)."""
    out = torch.empty(len(blocks.mode), BYTES, dtype=torch.uint8, device=blocks.mode.device)
    for mode in (_WHOLE, *_OPAQUE, *_CLEAR):
        chosen = (blocks.mode == mode.number).nonzero()[:, 0]
        if len(chosen):
            out[chosen] = packed(_fields(blocks.of(chosen), mode), BYTES)
    for apart in _APART:
        chosen = ((blocks.mode == apart.number) & (blocks.longer == apart.longer)).nonzero()[:, 0]
        if len(chosen):
            out[chosen] = packed(_fields_apart(blocks.of(chosen), apart), BYTES)
    return out


def _fields(blocks: _Blocks, mode: _Mode) -> Iterator[tuple[Tensor, int]]:
    """Give the fields of blocks in a mode, first to last. The first index of each subset must be of its lower half."""
    codes, index, second = blocks.codes, blocks.index, second_subset(blocks.partition) * (mode.subsets - 1)
    anchors = [torch.zeros_like(blocks.mode)]
    if mode.subsets > 1:
        anchors.append(second_anchor(blocks.partition))
    ends = []
    for subset, anchor in enumerate(anchors):
        turned = index.gather(0, anchor[None])[0] >= 2 ** (mode.index_bits - 1)
        ends += _turned_round(codes[2 * subset : 2 * subset + 2], turned)
        index = torch.where(turned & (second == subset), 2**mode.index_bits - 1 - index, index)
    zero, shared = torch.zeros_like(blocks.mode), mode.shared != "none"
    yield zero + 2**mode.number, mode.number + 1
    if mode.subsets > 1:
        yield blocks.partition, 6
    for channel in range(mode.channels):
        yield from ((end[channel] >> shared, mode.bits) for end in ends)
    yield from ((end[0] & 1, 1) for end in ends[:: 1 if mode.shared == "end" else 2])
    yield from index_fields(index, mode.index_bits, anchors)


def _turned_round(ends: Tensor, turned: Tensor) -> list[Tensor]:
    """Exchange the two ends (2, *, N) of some lines."""
    return list(torch.where(turned, ends.flip(0), ends))


def _fields_apart(blocks: _Blocks, apart: _Apart) -> Iterator[tuple[Tensor, int]]:
    zero = torch.zeros_like(blocks.mode)
    sides = []
    for index, codes, mode in (
        (blocks.index, blocks.codes[:2, :3], apart.color),
        (blocks.alone, blocks.codes[:2, 3:], apart.alone),
    ):
        turned = index[0] >= 2 ** (mode.index_bits - 1)
        low = torch.where(turned, 2**mode.index_bits - 1 - index, index)
        sides.append((_turned_round(codes, turned), low, mode))
    yield zero + 2**apart.number, apart.number + 1
    yield blocks.rotation, 2
    if apart.number == 4:
        yield blocks.longer, 1
    for ends, _, mode in sides:
        yield from ((end[channel], mode.bits) for channel in range(mode.channels) for end in ends)
    for _, index, mode in sorted(sides, key=lambda side: side[2].index_bits):
        yield from index_fields(index, mode.index_bits, [zero])
