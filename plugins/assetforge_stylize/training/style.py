"""The recipe `style`: `assetforge train style -p style=picture.jpg --data DATA`. One style, for `stylize_fast`.

Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016, with what
`stylize` minimizes: the features of contents that were carried over to the style's statistics, and these themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import assetforge as af
from assetforge import weights
from assetforge.ops.color import hdr_encode
from assetforge.ops.resample import resample
from assetforge.weights.distances import Measure, Moments
from assetforge.weights.features import Vgg19
from assetforge_stylize._networks import Transformation
from assetforge_stylize._pictures import read_color
from assetforge_stylize._recipes import StyleTraining
from assetforge_stylize._transport import whitened_colored
from assetforge_stylize.training.pictures import crops, read_textures

STEPS = 2_000
RATE = 3e-3
_BATCH, _SIDE = 2, 192
_CONTENT, _SMOOTHNESS = 0.1, 0.02


def training(params: StyleTraining, data: Path, seed: int) -> af.Training:
    """Return what trains the network of a style."""
    network = Vgg19.load(weights.find("forge", Path(__file__).parent.parent))
    picture = hdr_encode(read_color(params.style).data).clamp(0, 1)
    scale = params.style_size / max(picture.shape[1:])
    picture = resample(picture, (round(picture.shape[1] * scale), round(picture.shape[2] * scale))).clamp(0, 1)
    with torch.no_grad():
        wanted = [Moments(_moments(layer)) for layer in network(picture, "reflect")]
    pools = [read_textures(data)]

    def batch(step: int) -> Tensor:
        return crops(pools, _BATCH, _SIDE, np.random.default_rng((seed, step)), varied=False)

    shown = batch(2**32)
    torch.manual_seed(seed)
    return af.Training(
        "style",
        Transformation(),
        batch,
        lambda transformation, contents: _loss(transformation, network.to(contents.device), contents, wanted),
        STEPS,
        RATE,
        figures=lambda transformation: {"loss of what is shown": float(_loss(transformation, network, shown, wanted))},
        pictures=lambda transformation: {"contents and results": _rows(shown, transformation(shown))},
    )


def _loss(transformation: nn.Module, network: Vgg19, contents: Tensor, wanted: Sequence[Measure]) -> Tensor:
    with torch.no_grad():
        carried = [
            torch.stack([whitened_colored(Moments(_moments(one)).moments(), measure.moments())(one) for one in layer])
            for layer, measure in zip(network(contents, "reflect"), wanted, strict=True)
        ]
    made = transformation(contents.contiguous(memory_format=torch.channels_last))
    loss = _SMOOTHNESS * sum(
        (made.narrow(axis, 1, made.shape[axis] - 1) - made.narrow(axis, 0, made.shape[axis] - 1)).square().mean()
        for axis in (2, 3)
    )
    for layer, goal, measure in zip(network(made, "reflect"), carried, wanted, strict=True):
        distances = torch.stack([measure.distance(_moments(one)) for one in layer])
        variance = float(measure.moments()[1].trace()) / goal.shape[1]
        loss = loss + distances.mean() + _CONTENT * (layer - goal).square().mean() / variance
    beyond = (made - made.clamp(0, 1)).square().mean()
    result: Tensor = loss / len(wanted) + beyond
    return result


def _moments(layer: Tensor) -> Tensor:
    return Moments.collect(layer, None, 1.0, torch.Generator())


def _rows(contents: Tensor, results: Tensor) -> Tensor:
    return torch.cat([torch.cat([one, other], 2) for one, other in zip(contents, results, strict=True)], 1)
