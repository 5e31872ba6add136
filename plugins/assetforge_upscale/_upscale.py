"""Upscaling of textures by their kind, tile by tile, with results that do not depend on the tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

import assetforge as af
from assetforge import weights
from assetforge.ops.alpha import bleed
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.resample import LANCZOS, nearest, resample, restore
from assetforge.ops.seams import continues
from assetforge.ops.tile import Tiling, map_tiles
from assetforge_upscale import Params
from assetforge_upscale._network import Compact

TILE = {"cpu": 512, "cuda": 1024}
"""Side of a tile in source pixels: the fastest on a CPU; large enough to keep a GPU busy."""
SMALLEST_TILE = 32

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Networks:
    """The two networks: RGB in and out for color, one channel in and out for everything else."""

    color: Compact
    data: Compact
    device: str
    tile_divisor: int = 1

    @property
    def tile(self) -> int:
        """Side of a tile on this device, less where its memory does not suffice. The result is the same to the bit."""
        return max(SMALLEST_TILE, TILE[self.device.partition(":")[0]] // self.tile_divisor)


def upscale_material(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Upscale all maps of a material."""
    networks = load_networks(params, context) if params.method == "network" else None
    maps = {}
    for index, (name, texture) in enumerate(material.items()):
        progress = _part(context.progress, index, len(material))
        repeat = continues(texture, params.tileable)
        wrapped = replace(texture, wrap="repeat" if repeat else "clamp")
        maps[name] = upscale_texture(wrapped, context.specs[name], params.scale, networks, progress)
    return af.Material(material.name, maps)


def load_networks(params: Params, context: af.Context) -> Networks:
    """Load both networks of a scale onto the context's device."""
    color = load_network(context.weights[f"color_x{params.scale}"], 3, params.scale, context.device)
    data = load_network(context.weights[f"data_x{params.scale}"], 1, params.scale, context.device)
    return Networks(color, data, context.device, context.tile_divisor)


def load_network(path: Path, channels: int, scale: int, device: str) -> Compact:
    """Load one network from a verified weights file."""
    network = Compact(channels, scale)
    network.load_state_dict(weights.load(path))
    network.requires_grad_(requires_grad=False).eval()
    return network.to(device).channels_last()


def upscale_texture(
    texture: af.Texture, spec: af.MapSpec, scale: int, networks: Networks | None, progress: Progress = lambda _: None
) -> af.Texture:
    """Upscale one texture, which must say how it wraps; without networks by Lanczos. Alpha goes apart from color."""
    repeat = texture.wrap == "repeat"
    alpha = texture.alpha
    if alpha is not None:
        alpha = upscale_data(alpha, scale, networks, repeat=repeat).clamp_(0, 1)
    if spec.kind == "id":
        data = nearest(texture.data, _scaled(texture.data, scale))
    elif spec.is_color:
        data = restore(_upscale_color(texture, scale, networks, progress), spec, texture.data)
    elif spec.kind == "vector":
        # Stored as 0 to 1, which is what the network has seen; unit length is lost on the way and restored at the end.
        encoded = upscale_data(texture.data * 0.5 + 0.5, scale, networks, repeat=repeat, progress=progress)
        data = restore(encoded.mul_(2).sub_(1), spec, texture.data)
    else:
        data = upscale_data(texture.data, scale, networks, repeat=repeat, progress=progress)
        data = restore(data, spec, texture.data)
    return replace(texture, data=data, alpha=alpha)


def _upscale_color(texture: af.Texture, scale: int, networks: Networks | None, progress: Progress) -> Tensor:
    """Upscale linear color (3, H, W). The network sees it as sRGB; what that has beyond 0 to 1, in slices."""
    repeat = texture.wrap == "repeat"
    color = texture.data
    if texture.alpha is not None:
        radius = networks.color.radius if networks else int(LANCZOS[1])
        color = bleed(color, texture.alpha, radius, repeat=repeat)
    if networks is None:
        return resample(color, _scaled(color, scale), repeat=repeat)
    network, device = networks.color, networks.device

    def on_tile(piece: Tensor) -> Tensor:
        encoded = hdr_encode(piece.to(device))
        result = _run(network, encoded.clamp(0, 1)[None])[0]
        for sign, part in _beyond_unit(encoded):
            result += sign * (_run(network, part[None])[0] - _run(network, torch.zeros_like(part)[None])[0])
        return hdr_decode(result).cpu()

    return _map(color, on_tile, network, networks.tile, repeat=repeat, progress=progress)


def upscale_data(
    pixels: Tensor, scale: int, networks: Networks | None, *, repeat: bool, progress: Progress = lambda _: None
) -> Tensor:
    """Upscale (C, H, W) channel by channel; flat pixels stay what they are to the bit."""
    lowest, highest = torch.aminmax(pixels)
    if lowest == highest:
        return lowest.expand(pixels.shape[0], *_scaled(pixels, scale)).clone()
    if networks is None:
        return resample(pixels, _scaled(pixels, scale), repeat=repeat)
    network, device, span = networks.data, networks.device, _Span.of(pixels)

    def on_tile(piece: Tensor) -> Tensor:
        return span.from_unit(_run(network, span.to_unit(piece.to(device))[:, None])[:, 0]).cpu()

    return _map(pixels, on_tile, network, networks.tile, repeat=repeat, progress=progress)


def _beyond_unit(encoded: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield what encoded color has beyond 0 to 1, with its sign, in slices of 0 to 1: the network has learned no other.

    So a bright light takes nothing from the contrast of what is dark beside it. Slices of nothing are left out, which
    changes nothing: each counts by how its result differs from that of nothing.
    """
    for sign, first in ((1, 1), (-1, 0)):
        most = (sign * encoded).amax().item()
        yield from ((sign, (sign * encoded - start).clamp(0, 1)) for start in range(first, math.ceil(most)))


@dataclass(frozen=True)
class _Span:
    """The range of values that a network sees as 0 to 1, which is what it has learned: at least that itself."""

    low: float
    high: float

    @staticmethod
    def of(pixels: Tensor) -> _Span:
        lowest, highest = torch.aminmax(pixels)
        return _Span(min(0.0, lowest.item()), max(1.0, highest.item()))

    def to_unit(self, pixels: Tensor) -> Tensor:
        return pixels if self.high - self.low == 1 else (pixels - self.low) / (self.high - self.low)

    def from_unit(self, pixels: Tensor) -> Tensor:
        return pixels if self.high - self.low == 1 else pixels * (self.high - self.low) + self.low


def _run(network: Compact, batch: Tensor) -> Tensor:
    # TF32 would cost a GPU's result ten bits, and so the promise that devices differ by rounding only.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        result: Tensor = network(batch.contiguous(memory_format=torch.channels_last))
    return result


def _map(
    pixels: Tensor,
    on_tile: Callable[[Tensor], Tensor],
    network: Compact,
    tile: int,
    *,
    repeat: bool,
    progress: Progress,
) -> Tensor:
    out = torch.empty(pixels.shape[0], *_scaled(pixels, network.scale))
    tiling = Tiling(tile, network.radius, network.scale, repeat)
    return map_tiles(pixels, on_tile, tiling, out, progress)


def _scaled(pixels: Tensor, scale: int) -> tuple[int, int]:
    return pixels.shape[1] * scale, pixels.shape[2] * scale


def _part(progress: Progress, index: int, count: int) -> Progress:
    return lambda fraction: progress((index + fraction) / count)
