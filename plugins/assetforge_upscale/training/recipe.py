"""The recipe `upscale`: `assetforge train upscale -p network=fast_color_x4 --data DATA`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

import assetforge as af
from assetforge.ops.metrics import psnr
from assetforge_upscale._network import Compact
from assetforge_upscale.training import dataset

WEIGHTS = Path(__file__).parent.parent / "weights"
LEAVES = 160
PEAK_RATE = 2e-3
SHOWN = 4
"""Pictures of the report."""
SHOWN_SIDE = 64


@dataclass(frozen=True)
class Plan:
    """What to train: channels in and out, scale, optimizer steps, and the network to start from."""

    channels: int
    scale: int
    steps: int
    start: str | None = None


PLANS = {
    "fast_color_x4": Plan(channels=3, scale=4, steps=14_000),
    "fast_color_x2": Plan(channels=3, scale=2, steps=6_000, start="fast_color_x4"),
    "fast_data_x4": Plan(channels=1, scale=4, steps=5_000, start="fast_color_x4"),
    "fast_data_x2": Plan(channels=1, scale=2, steps=5_000, start="fast_color_x2"),
}


def training(name: str, data: Path, seed: int) -> af.Training:
    """Return what trains the network NAME: the Charbonnier loss on crops of textures and of dead leaves."""
    plan = PLANS[name]
    network = Compact(plan.channels, plan.scale)
    if plan.start is None:
        _initialize(network)
    else:
        network.load_state_dict(adapt(load_file(WEIGHTS / f"{plan.start}.safetensors"), plan))
    real, drawn = _pairs(plan, data, seed)
    held = [_shown(pair, plan) for pair in real[:: max(1, len(real) // SHOWN)][:SHOWN]]
    return af.Training(
        name,
        network.channels_last(),
        lambda step: dataset.batch(real, drawn, plan.channels, plan.scale, (seed, step)),
        _loss,
        plan.steps,
        PEAK_RATE if plan.start is None else PEAK_RATE / 2,
        figures=lambda network: _figures(network, held),
        pictures=lambda network: _pictures(network, held),
    )


def _loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    small, large = batch
    return charbonnier(network(small.to(memory_format=torch.channels_last)), large)


def charbonnier(result: Tensor, truth: Tensor) -> Tensor:
    """Smooth absolute difference (Charbonnier et al. 1994), ε² = 1e-6."""
    return ((result - truth).square() + 1e-6).sqrt().mean()


def adapt(start: dict[str, Tensor], plan: Plan) -> dict[str, Tensor]:
    """Turn a color network's weights into a start for fewer channels or a smaller scale.

    A gray input is three equal channels, so the first layer's weights add up over them; the last layer's are averaged
    over colors, and over the sub-pixels that fall together at the smaller scale.
    """
    last = max(int(key.split(".")[1]) for key in start)
    adapted = dict(start)
    first = start["residual.0.weight"]
    if plan.channels == 1 and first.shape[1] == 3:
        adapted["residual.0.weight"] = first.sum(1, keepdim=True)
    for key in (f"residual.{last}.weight", f"residual.{last}.bias"):
        adapted[key] = _fold(start[key], first.shape[1], plan)
    return adapted


def _fold(value: Tensor, channels: int, plan: Plan) -> Tensor:
    scale = math.isqrt(value.shape[0] // channels)
    group = scale // plan.scale
    split = value.reshape(channels, plan.scale, group, plan.scale, group, -1).mean((2, 4))
    kept = split if plan.channels == channels else split.mean(0, keepdim=True)
    return kept.reshape(-1, *value.shape[1:])


def _initialize(network: Compact) -> None:
    convolutions = [layer for layer in network.residual if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for layer in convolutions:
            nn.init.kaiming_normal_(layer.weight, 0.25)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        convolutions[-1].weight.mul_(0.1)


def _pairs(plan: Plan, data: Path, seed: int) -> tuple[list[dataset.Pair], list[dataset.Pair]]:
    """Return pairs of the textures, and of dead leaves that are filled with them."""
    colors = [dataset.read(path) for path in dataset.color_files(data)]
    if not colors:
        raise af.StepError("recipe 'upscale'", f"finds no textures in {data}", "they are its train/*/*_d.webp")
    drawn = [dataset.reduce(leaf, plan.scale) for leaf in dataset.leaves(LEAVES, colors, seed)]
    pictures = colors if plan.channels == 3 else [dataset.read(path) for path in dataset.data_files(data)]
    return [dataset.reduce(picture, plan.scale) for picture in pictures], drawn


def _shown(pair: dataset.Pair, plan: Plan) -> tuple[Tensor, Tensor]:
    """Return the upper left of a pair: (channels, h, w) and (channels, scale · h, scale · w), 0 to 1."""
    small, large = (torch.from_numpy(side).permute(2, 0, 1).float() / 255 for side in (pair.small, pair.large))
    side = SHOWN_SIDE * plan.scale
    return small[: plan.channels, :SHOWN_SIDE, :SHOWN_SIDE], large[: plan.channels, :side, :side]


def _figures(network: nn.Module, held: list[tuple[Tensor, Tensor]]) -> Mapping[str, float]:
    """Measure the mean PSNR in dB on what the report shows, which training sees, too: a sign of life."""
    device = next(network.parameters()).device
    scores = [psnr(network(small[None].to(device))[0].cpu().clamp(0, 1), large) for small, large in held]
    return {"PSNR of the pictures below": sum(scores) / len(scores)}


def _pictures(network: nn.Module, held: list[tuple[Tensor, Tensor]]) -> Mapping[str, Tensor]:
    """Show bicubic, the network and the truth beside each other."""
    device = next(network.parameters()).device
    shown = {}
    for index, (small, large) in enumerate(held):
        bicubic = F.interpolate(small[None], size=large.shape[1:], mode="bicubic", align_corners=False)[0]
        row = torch.cat([bicubic, network(small[None].to(device))[0].cpu(), large], 2)
        shown[f"{index}: bicubic, network, truth"] = row.expand(3, *row.shape[1:])
    return shown
