"""Train one of the networks that the plugin ships, and write it beside the others.

python -m assetforge_upscale.training color_x4 --data ../shared/data --threads 2
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from assetforge_upscale._network import Compact
from assetforge_upscale.training import dataset

WEIGHTS = Path(__file__).parent.parent / "weights"
LEAVES = 160
PEAK_RATE = 2e-3
SMOOTHING = 0.999


@dataclass(frozen=True)
class Recipe:
    """What to train: channels in and out, scale, optimizer steps, and the network to start from."""

    channels: int
    scale: int
    steps: int
    start: str | None = None


RECIPES = {
    "color_x4": Recipe(channels=3, scale=4, steps=14_000),
    "color_x2": Recipe(channels=3, scale=2, steps=6_000, start="color_x4"),
    "data_x4": Recipe(channels=1, scale=4, steps=5_000, start="color_x4"),
    "data_x2": Recipe(channels=1, scale=2, steps=5_000, start="color_x2"),
}


@click.command()
@click.argument("name", type=click.Choice(sorted(RECIPES)))
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of training data.")
@click.option("--threads", default=2, show_default=True)
@click.option("--steps", type=int, help="Fewer or more optimizer steps than the recipe's.")
@click.option("--out", type=click.Path(path_type=Path), default=WEIGHTS, help="Folder to write NAME.safetensors to.")
def main(name: str, data: Path, threads: int, steps: int | None, out: Path) -> None:
    """Train the network NAME."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    recipe = RECIPES[name]
    start = load_file(out / f"{recipe.start}.safetensors") if recipe.start else None
    network = train(recipe, data, steps or recipe.steps, start)
    save_file(network, out / f"{name}.safetensors")


def train(recipe: Recipe, data: Path, steps: int, start: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """Minimize the Charbonnier loss with Adam on a cosine schedule; return the moving average of the weights."""
    network = Compact(recipe.channels, recipe.scale)
    if start is None:
        _initialize(network)
    else:
        network.load_state_dict(adapt(start, recipe))
    network.channels_last()
    average = {name: value.clone() for name, value in network.state_dict().items()}
    peak = PEAK_RATE if start is None else PEAK_RATE / 2
    optimizer = torch.optim.Adam(network.parameters(), peak, betas=(0.9, 0.99))
    for step, (small, large) in zip(range(steps), _batches(recipe, data), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = peak * max(0.01, (1 + math.cos(math.pi * step / steps)) / 2) * min(1, (step + 1) / 100)
        result = network(small.to(memory_format=torch.channels_last))
        loss = charbonnier(result, large)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decay = min(SMOOTHING, (step + 1) / (step + 10))
        for key, value in network.state_dict().items():
            average[key].lerp_(value, 1 - decay)
        if step % 250 == 0:
            click.echo(f"{step}/{steps} loss {loss.item():.5f}")
    return {key: value.contiguous() for key, value in average.items()}


def charbonnier(result: Tensor, truth: Tensor) -> Tensor:
    """Smooth absolute difference (Charbonnier et al. 1994), ε² = 1e-6."""
    return ((result - truth).square() + 1e-6).sqrt().mean()


def adapt(start: dict[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """Turn a color network's weights into a start for fewer channels or a smaller scale.

    A gray input is three equal channels, so the first layer's weights add up over them; the last layer's are averaged
    over colors, and over the sub-pixels that fall together at the smaller scale.
    """
    last = max(int(key.split(".")[1]) for key in start)
    adapted = dict(start)
    first = start["body.0.weight"]
    if recipe.channels == 1 and first.shape[1] == 3:
        adapted["body.0.weight"] = first.sum(1, keepdim=True)
    for key in (f"body.{last}.weight", f"body.{last}.bias"):
        adapted[key] = _fold(start[key], first.shape[1], recipe)
    return adapted


def _fold(value: Tensor, channels: int, recipe: Recipe) -> Tensor:
    scale = math.isqrt(value.shape[0] // channels)
    group = scale // recipe.scale
    split = value.reshape(channels, recipe.scale, group, recipe.scale, group, -1).mean((2, 4))
    kept = split if recipe.channels == channels else split.mean(0, keepdim=True)
    return kept.reshape(-1, *value.shape[1:])


def _initialize(network: Compact) -> None:
    convolutions = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for layer in convolutions:
            nn.init.kaiming_normal_(layer.weight, 0.25)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        convolutions[-1].weight.mul_(0.1)


def _batches(recipe: Recipe, data: Path) -> Iterator[tuple[Tensor, Tensor]]:
    colors = [dataset.read(path) for path in dataset.color_files(data)]
    drawn = [dataset.reduce(leaf, recipe.scale) for leaf in dataset.leaves(LEAVES, colors, seed=0)]
    pictures = colors if recipe.channels == 3 else [dataset.read(path) for path in dataset.data_files(data)]
    real = [dataset.reduce(picture, recipe.scale) for picture in pictures]
    return dataset.batches(real, drawn, recipe.channels, recipe.scale, seed=0)


if __name__ == "__main__":
    main()
