"""Upscaling of textures by their kind, tile by tile, with results that do not depend on the tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

import assetforge as af
from assetforge.ops.alpha import bleed
from assetforge.ops.color import hdr_decode, hdr_encode
from assetforge.ops.resample import LANCZOS, held_range, nearest, resample, restore
from assetforge.ops.seams import continues
from assetforge.ops.tile import Tiling, map_tiles
from assetforge_upscale import DETAIL, Params, files_for, name_of
from assetforge_upscale._architectures.load import load
from assetforge_upscale._architectures.network import Network
from assetforge_upscale._choose import choose
from assetforge_upscale._correct import corrected

TILE = {"cpu": 512, "cuda": 1024}
"""Side of a tile in source pixels: the fastest on a CPU; large enough to keep a GPU busy."""
SMALLEST_TILE = 32
BAND = 256
"""Rows that are worked on at a time where a copy of a whole result would be too large."""
_KEPT = 4
"""Networks that a process keeps for the next material: to load one takes as long as to enlarge 64²."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Pass:
    """One enlargement: by which network, where, and in tiles of which side, in source pixels."""

    network: Network
    device: str
    tile: int


class Networks:
    """The networks that parameters ask for, each loaded when it is first needed."""

    def __init__(self, params: Params, context: af.Context) -> None:
        self._params, self._context = params, context
        self._loaded: dict[str, Network] = {}
        self.choices: dict[str, str] = {}
        """What was chosen for each map where the choice was left to us."""

    @property
    def scale(self) -> int:
        """How many times larger a picture becomes where nothing says it: as the network of a file does it, or twice."""
        files = [one for one in self._params.networks.values() if isinstance(one, Path)]
        return self._load(files[0]).scale if files and self._params.method == "network" else 2

    @property
    def inexact(self) -> list[str]:
        """Name the files whose networks see farther than what is around a tile."""
        return sorted(Path(name).name for name, network in self._loaded.items() if not network.is_exact)

    def for_map(self, texture: af.Texture, spec: af.MapSpec, factor: float) -> list[Pass]:
        """Return what enlarges a map; what `auto` has chosen for its pixels is noted."""
        if not spec.is_color:
            return self.passes("data", self._params.data_network, factor)
        chosen = self._params.network
        if chosen == "auto" and self._params.method == "network":
            chosen = self.choices[spec.name] = choose(texture.data)
        return self.passes("color", chosen, factor)

    def passes(self, kind: Literal["color", "data"], chosen: str | Path, factor: float) -> list[Pass]:
        """Return what enlarges, one after the other, by the factor or more; nothing where all is interpolated."""
        if self._params.method == "lanczos":
            return []
        if isinstance(chosen, str):
            names = files_for(chosen, kind, factor, self._params.detail)
            return [self._at_work(self._load(self._context.weights[name])) for name in names]
        network = self._load(chosen)
        if network.scale > 1:
            return [self._at_work(network)] * max(0, math.ceil(math.log(factor, network.scale) - 1e-9))
        if factor > 1:
            what = f"its network keeps the size of a picture, and {factor:g} times is asked for"
            raise af.StepError(str(chosen), what, "leave out `scale`; one more step `upscale` may enlarge")
        return [self._at_work(network)]

    def _at_work(self, network: Network) -> Pass:
        """Choose the side of tiles, less where memory does not suffice: an exact network's result stays the same."""
        usual = TILE[self._context.device.partition(":")[0]] // (2 if network.is_large else 1)
        side = max(SMALLEST_TILE, usual // self._context.tile_divisor)
        return Pass(network, self._context.device, side)

    def _load(self, file: Path) -> Network:
        name = str(file)
        if name not in self._loaded:
            mix, share = self._mixed_with(file)
            self._loaded[name] = _loaded(file, mix, share, self._context.device, _version(file), _version(mix))
        return self._loaded[name]

    def _mixed_with(self, file: Path) -> tuple[Path | None, float]:
        """Return the weights that those of a file are averaged with, and how much they count."""
        params, weights = self._params, self._context.weights
        if params.detail and file == weights.get(name_of("quality", "color", 4)):
            return weights[DETAIL], params.detail
        return (params.mix if file == params.network else None), params.mix_share


def _version(file: Path | None) -> tuple[int, int] | None:
    """Return what tells one content of a file from another."""
    if file is None or not file.exists():
        return None
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(_KEPT)
def _loaded(file: Path, mix: Path | None, share: float, device: str, *_versions: tuple[int, int] | None) -> Network:
    network = load(file, mix, share)
    network.module.to(device)
    return network


def upscale_material(material: af.Material, params: Params, context: af.Context) -> af.Material:
    """Upscale all maps of a material, and note which networks may let tiles show."""
    networks = Networks(params, context)
    maps = {}
    for index, (name, texture) in enumerate(material.items()):
        progress = _part(context.progress, index, len(material))
        repeat = continues(texture, params.tileable)
        wrapped = replace(texture, wrap="repeat" if repeat else "clamp")
        factor = params.size / max(texture.size) if params.size else params.scale or networks.scale
        maps[name] = upscale_texture(wrapped, context.specs[name], factor, networks, params, progress)
    if networks.choices:
        context.note("networks", networks.choices)
    if inexact := networks.inexact:
        context.note("inexact", inexact)
    return af.Material(material.name, maps)


def upscale_texture(
    texture: af.Texture,
    spec: af.MapSpec,
    factor: float,
    networks: Networks,
    params: Params,
    progress: Progress = lambda _: None,
) -> af.Texture:
    """Enlarge one texture, which must say how it wraps, by a factor. Alpha goes apart from color, ids are not mixed."""
    size = _scaled(texture.data, factor)
    if spec.kind == "id":
        return replace(texture, data=nearest(texture.data, size))
    repeat, alpha = texture.wrap == "repeat", texture.alpha
    chain = networks.for_map(texture, spec, factor)
    source = _source(texture, spec, chain)
    if spec.is_color:
        held = held_range(spec, texture.data)
        data = _upscale_color(source, size, chain, held, repeat=repeat, progress=progress)
    else:
        data = upscale_data(source, size, chain, repeat=repeat, progress=progress)
    if chain and params.correct != "no":
        encode, decode = (hdr_encode, hdr_decode) if spec.is_color else (_as_it_is, _as_it_is)  # as the network sees it
        data = decode(corrected(encode(data), encode(source), params.correct, repeat=repeat))
    if alpha is not None:
        alpha = upscale_data(alpha, size, networks.passes("data", params.data_network, factor), repeat=repeat)
        alpha = alpha.clamp(0, 1)  # a copy: where the size stays, it is still the source's
        alpha = alpha.round_() if params.alpha == "cutout" else alpha
    data = data.clone() if data is source else data
    return replace(texture, data=_restored(data, spec, texture.data), alpha=alpha)


def _restored(data: Tensor, spec: af.MapSpec, source: Tensor) -> Tensor:
    """Bring pixels back, in place, to what the map may hold; vectors are 0 to 1 here."""
    if spec.kind != "vector":
        return data.clamp_(*held_range(spec, source))
    for band in torch.split(data, BAND, 1):
        band.copy_(restore(band * 2 - 1, spec, source))
    return data


def _as_it_is(pixels: Tensor) -> Tensor:
    return pixels


def _source(texture: af.Texture, spec: af.MapSpec, chain: Sequence[Pass]) -> Tensor:
    """Return what is enlarged: colors go on where nothing is seen of them, and vectors are 0 to 1, as they are stored.

    Networks have seen them so; unit length is lost on the way and restored at the end.
    """
    if spec.is_color and texture.alpha is not None:
        around = _seen_around(chain) if chain else int(LANCZOS[1])
        return bleed(texture.data, texture.alpha, around, repeat=texture.wrap == "repeat")
    return texture.data * 0.5 + 0.5 if spec.kind == "vector" else texture.data


def _seen_around(chain: Sequence[Pass]) -> int:
    """Return how many source pixels around itself a pixel depends on after all passes."""
    around, enlarged = 0.0, 1
    for one in chain:
        around += one.network.overlap / enlarged
        enlarged *= one.network.scale
    return math.ceil(around)


def _upscale_color(
    color: Tensor,
    size: tuple[int, int],
    chain: Sequence[Pass],
    held: tuple[float, float],
    *,
    repeat: bool,
    progress: Progress,
) -> Tensor:
    """Bring linear color (3, H, W), which `held` bounds, to a size; what is made larger is reduced in linear light.

    The networks see it as sRGB; what that has beyond 0 to 1, in slices. Each result is kept in bounds, or the overshoot
    at a bright edge would be such a slice for the next network.
    """
    low, high = hdr_encode(torch.tensor(held)).tolist()
    bounds = min(0.0, low), max(1.0, high)  # 1 is encoded as a little less
    for number, one in enumerate(chain):
        on_tile = partial(_on_color, one, bounds)
        color = _map(color, on_tile, one, repeat=repeat, progress=_part(progress, number, len(chain)))
    return resample(color, size, repeat=repeat)


def _on_color(one: Pass, bounds: tuple[float, float], around: int, piece: Tensor) -> Tensor:
    encoded = hdr_encode(piece.to(one.device))
    result = run_inside(one.network, encoded.clamp(0, 1)[None], around)[0]
    for sign, part in _beyond_unit(encoded):
        more, nothing = (run_inside(one.network, value[None], around)[0] for value in (part, torch.zeros_like(part)))
        result += sign * (more - nothing)
    return hdr_decode(result.clamp_(*bounds)).cpu()


def upscale_data(
    pixels: Tensor,
    size: tuple[int, int],
    chain: Sequence[Pass],
    *,
    repeat: bool,
    progress: Progress = lambda _: None,
) -> Tensor:
    """Bring (C, H, W) to a size channel by channel; flat pixels stay what they are to the bit."""
    lowest, highest = torch.aminmax(pixels)
    if lowest == highest:
        return lowest.expand(pixels.shape[0], *size).clone()
    for number, one in enumerate(chain):
        on_tile = partial(_on_data, one, _Span.of(pixels))
        pixels = _map(pixels, on_tile, one, repeat=repeat, progress=_part(progress, number, len(chain)))
    return resample(pixels, size, repeat=repeat)


def _on_data(one: Pass, span: _Span, around: int, piece: Tensor) -> Tensor:
    batch = span.to_unit(piece.to(one.device))[:, None]
    return span.from_unit(run_inside(one.network, batch, around)[:, 0]).cpu()


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


def run_inside(network: Network, batch: Tensor, around: int) -> Tensor:
    """Run a network on (B, C, H, W) with so many pixels around what is wanted, of which nothing is returned."""
    if around and network.inside is not None and around == network.radius:
        return run_network(network, batch, network.inside)
    result = run_network(network, batch, network.module)
    rows, columns = (slice(around * network.scale, (side - around) * network.scale) for side in batch.shape[2:])
    return result[:, :, rows, columns]


def run_network(network: Network, batch: Tensor, run: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Run a network on (B, C, H, W) of one channel or of colors, whichever of them it was made for."""
    run = run or network.module
    channels = batch.shape[1]
    if channels == 1 and network.channels > 1:
        return run_network(network, batch.expand(-1, network.channels, -1, -1), run).mean(1, keepdim=True)
    if channels > 1 and network.channels == 1:
        return torch.cat([run_network(network, batch[:, one : one + 1], run) for one in range(channels)], 1)
    height, width = batch.shape[2:]
    missing = (0, -width % network.multiple, 0, -height % network.multiple)
    batch = F.pad(batch, missing, mode="replicate") if any(missing) else batch
    # TF32 would cost a GPU's result ten bits, and so the promise that devices differ by rounding only.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        result: Tensor = run(batch.contiguous(memory_format=torch.channels_last))
    return result[:, :, : height * network.scale, : width * network.scale]


def _map(
    pixels: Tensor, on_tile: Callable[[int, Tensor], Tensor], one: Pass, *, repeat: bool, progress: Progress
) -> Tensor:
    network = one.network
    out = torch.empty(pixels.shape[0], *_scaled(pixels, network.scale))
    around = 0 if _is_whole(pixels, one, repeat=repeat) else network.overlap
    tiling = Tiling(one.tile, around, network.scale, repeat)
    return map_tiles(pixels, partial(on_tile, around), tiling, out, progress)


def _is_whole(pixels: Tensor, one: Pass, *, repeat: bool) -> bool:
    """Tell whether a network that is not exact is given the whole picture as it is: as it was trained and published.

    Pixels around it that only continue the edges would cost RLFN and EFDN 0.17 dB on Set5. Pictures that are smaller
    than any tile get them all the same, as some networks need more than so few.
    """
    height, width = pixels.shape[1:]
    fits = min(height, width) >= SMALLEST_TILE and max(height, width) <= one.tile
    return fits and not repeat and not one.network.is_exact


def _scaled(pixels: Tensor, factor: float) -> tuple[int, int]:
    height, width = (max(1, round(side * factor)) for side in pixels.shape[1:])
    return height, width


def _part(progress: Progress, index: int, count: int) -> Progress:
    return lambda fraction: progress((index + fraction) / count)
