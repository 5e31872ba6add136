"""Measure the shipped networks against bicubic, as their cards quote it.

    python -m assetforge_upscale.training.evaluate --data ../shared/data

Color: PSNR on BT.601 luma, `scale` pixels cropped, 8-bit pictures reduced by Pillow's bicubic, as in the literature.
Data maps: PSNR of all channels, each through the network by itself. Materials are halved first, which removes the
noise of their JPEG files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from assetforge.ops.color import luma
from assetforge.ops.metrics import psnr
from assetforge_upscale._architectures import Network, load
from assetforge_upscale.training import dataset
from assetforge_upscale.training.recipe import WEIGHTS

LEAST_CONTRAST = 0.5
"""Flat maps are left out: there is nothing to restore, and any PSNR is infinite."""


@dataclass(frozen=True)
class Score:
    """PSNR in dB of one picture."""

    name: str
    bicubic: float
    network: float


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of test data.")
@click.option("--weights", type=click.Path(path_type=Path), default=WEIGHTS, help="Folder of the networks.")
@click.option("--each", is_flag=True, help="Print every picture's score.")
def main(data: Path, weights: Path, each: bool) -> None:
    """Print the mean PSNR of bicubic and of the networks on every test set."""
    for scale in (2, 4):
        for title, scores in score_sets(data, weights, scale):
            bicubic, network = (np.mean([getattr(score, key) for score in scores]) for key in ("bicubic", "network"))
            worst = min(scores, key=lambda score: score.network - score.bicubic)
            click.echo(
                f"x{scale} {title} ({len(scores)}): bicubic {bicubic:.2f}, network {network:.2f}, gain "
                f"{network - bicubic:+.2f}, least {worst.network - worst.bicubic:+.2f} ({worst.name})"
            )
            for score in scores if each else []:
                click.echo(f"    {score.name}: {score.bicubic:.2f} {score.network:.2f}")


def score_sets(data: Path, weights: Path, scale: int) -> Iterator[tuple[str, list[Score]]]:
    """Yield each test set's title and scores."""
    color = load(weights / f"fast_color_x{scale}.safetensors")
    for name in ("set5", "set14"):
        files = sorted((data / "sr" / name).iterdir())
        yield name, [score(file.stem, dataset.read(file), color) for file in files]
    yield "albedo", _score_maps(data, "albedo", color)
    network = load(weights / f"fast_data_x{scale}.safetensors")
    for name in dataset.DATA_MAPS:
        yield name, _score_maps(data, name, network)


def _score_maps(data: Path, name: str, network: Network) -> list[Score]:
    hidden = dataset.held_out(data / "materials")
    scores = []
    for folder in sorted((data / "materials").iterdir()):
        for file in folder.glob(f"{name}.*"):
            picture = dataset.read(file)
            if (name == "albedo" or folder.name in hidden) and picture.std() > LEAST_CONTRAST:
                scores.append(score(folder.name, picture, network))
    return scores


def score(name: str, picture: dataset.Pixels, network: Network) -> Score:
    """Reduce a picture (H, W, 3), restore it both ways, and compare."""
    pair = dataset.reduce(picture, network.scale)
    height, width = pair.large.shape[:2]
    bicubic = np.asarray(Image.fromarray(pair.small).resize((width, height), Image.Resampling.BICUBIC))
    is_color = network.channels == 3
    measure = _measure(_tensor(pair.large), network.scale, luma if is_color else lambda pixels: pixels)
    small = _tensor(pair.small)
    with torch.no_grad():
        restored = network.module(small[None])[0] if is_color else network.module(small[:, None])[:, 0]
    return Score(name, measure(_tensor(bicubic)), measure((restored.clamp(0, 1) * 255).round() / 255))


def _measure(truth: Tensor, crop: int, view: Callable[[Tensor], Tensor]) -> Callable[[Tensor], float]:
    inner = slice(crop, -crop)
    return lambda result: psnr(view(result)[:, inner, inner], view(truth)[:, inner, inner])


def _tensor(pixels: dataset.Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


if __name__ == "__main__":
    main()
