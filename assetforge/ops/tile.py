"""Cut a texture into tiles, so that memory is bounded, with borders that make the result that of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from assetforge.ops.threads import each


@dataclass(frozen=True)
class Tile:
    """One piece of the source: the rows and columns of its upper left corner."""

    y: int
    x: int


def tiles(size: tuple[int, int], tile: int) -> Iterator[Tile]:
    """Cover (H, W) with tiles of one side, row by row; the last ones are moved inward rather than cut smaller."""
    for y in range(0, size[0], tile):
        for x in range(0, size[1], tile):
            yield Tile(max(0, min(y, size[0] - tile)), max(0, min(x, size[1] - tile)))


def window(pixels: Tensor, start: tuple[int, int], size: tuple[int, int], *, repeat: bool) -> Tensor:
    """Read (C, *size) from (C, H, W) at `start`, which may lie outside: there edges repeat or are held."""
    for axis, (first, length) in enumerate(zip(start, size, strict=True), start=1):
        count = pixels.shape[axis]
        if first >= 0 and first + length <= count:
            pixels = pixels.narrow(axis, first, length)
        else:
            index = torch.arange(first, first + length, device=pixels.device)
            pixels = pixels.index_select(axis, index % count if repeat else index.clamp(0, count - 1))
    return pixels


def extended(pixels: Tensor, around: int, multiple: int = 1, *, repeat: bool) -> Tensor:
    """Add lines to (C, H, W) on all sides, and more below and to the right until a multiple of sides is between them.

    They repeat the picture, or mirror it, however many there are.
    """
    for axis in (1, 2):
        side = pixels.shape[axis]
        lines = torch.arange(-around, -(-side // multiple) * multiple + around, device=pixels.device)
        period = max(1, 2 * (side - 1))
        lines = lines % side if repeat else torch.minimum(lines % period, -lines % period)
        pixels = pixels.index_select(axis, lines)
    return pixels


def middle(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the middle of (C, H, W), of a size (h, w) that leaves as much away on one side as on the other."""
    for axis, length in enumerate(size, start=1):
        pixels = pixels.narrow(axis, (pixels.shape[axis] - length) // 2, length)
    return pixels


@dataclass(frozen=True)
class Tiling:
    """How to cut: the side of a tile, the border that it shares with its neighbors, and what lies beyond the edges."""

    tile: int
    overlap: int
    scale: int
    repeat: bool


def map_tiles(
    pixels: Tensor,
    function: Callable[[Tensor], Tensor],
    tiling: Tiling,
    out: Tensor,
    progress: Callable[[float], None] = lambda _: None,
) -> Tensor:
    """Apply a function that upscales by `scale` to all of (C, H, W), tile by tile, and write into `out`.

    The function maps (C, h, w) to (channels of `out`, scale·h, scale·w), or to the middle of that alone, without what
    is made of the border. Where `overlap` is at least the number of source pixels that one of its outputs depends on to
    a side, the result is that of the whole at once. Every call has the same shape, as exact equality of convolutions
    asks for. Within `one_thread`, tiles on the CPU are computed side by side.
    """
    height, width = pixels.shape[1:]
    overlap, scale = tiling.overlap, tiling.scale
    side = (min(tiling.tile, height), min(tiling.tile, width))
    padded = (side[0] + 2 * overlap, side[1] + 2 * overlap)
    places = list(dict.fromkeys(tiles((height, width), tiling.tile)))
    made = (side[0] * scale, side[1] * scale)

    def applied(place: Tile) -> Tensor:
        piece = window(pixels, (place.y - overlap, place.x - overlap), padded, repeat=tiling.repeat)
        return middle(function(piece), made)

    results = each(applied, places) if pixels.device.type == "cpu" else map(applied, places)
    for done, (place, result) in enumerate(zip(places, results, strict=True), start=1):
        y, x = place.y * scale, place.x * scale
        out[:, y : y + made[0], x : x + made[1]] = result
        progress(done / len(places))
    return out
