"""The recipe `style`: `assetforge train style -p style=picture.jpg --data DATA`. One style, for `stylize_fast`.

Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016, with what
`stylize` minimizes: the features of contents that were carried over to the style's statistics, and these themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Self

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
from assetforge_stylize.training.pictures import crops, device_of, read_textures

STEPS = 2_000
RATE = 3e-3
_BATCH, _SIDE = 2, 192
_CONTENT, _SMOOTHNESS = 0.1, 0.02


def training(params: StyleTraining, data: Path, seed: int) -> af.Training:
    """Return what trains the network of a style."""
    goal_on = cache(_Goal.of(params).to)
    pools = [read_textures(data)]

    def batch(step: int) -> Tensor:
        return crops(pools, _BATCH, _SIDE, np.random.default_rng((seed, step)), varied=False)

    def loss(transformation: nn.Module, contents: Tensor) -> Tensor:
        return _loss(transformation, contents, goal_on(contents.device))

    shown = batch(2**32)
    torch.manual_seed(seed)
    return af.Training(
        "style",
        Transformation(),
        batch,
        loss,
        STEPS,
        RATE,
        precision="float32",
        figures=lambda network: {"loss of what is shown": float(loss(network, shown.to(device_of(network))))},
        pictures=lambda network: {"contents and results": _rows(shown, network(shown.to(device_of(network))).cpu())},
    )


@dataclass(frozen=True, eq=False)
class _Goal:
    """The statistics of a style, and the network that sees them, on one device."""

    network: Vgg19
    statistics: Sequence[Tensor]
    """Of each layer, as `Moments` collects them."""

    @classmethod
    def of(cls, params: StyleTraining) -> Self:
        """Look at the picture of a style."""
        network = Vgg19.load(weights.find("forge", Path(__file__).parent.parent))
        picture = hdr_encode(read_color(params.style).data).clamp(0, 1)
        scale = params.style_size / max(picture.shape[1:])
        size = round(picture.shape[1] * scale), round(picture.shape[2] * scale)
        with torch.no_grad():
            layers = network(resample(picture, size).clamp(0, 1), "reflect")
            return cls(network, [_moments(layer) for layer in layers])

    def to(self, device: torch.device) -> _Goal:
        """Return the same on a device."""
        return _Goal(self.network.to(device), [one.to(device) for one in self.statistics])

    @cached_property
    def wanted(self) -> list[Measure]:
        """What measures how far features are from the style's."""
        return [Moments(one) for one in self.statistics]


def _loss(transformation: nn.Module, contents: Tensor, goal: _Goal) -> Tensor:
    network, wanted = goal.network, goal.wanted
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
    for layer, target, measure in zip(network(made, "reflect"), carried, wanted, strict=True):
        distances = torch.stack([measure.distance(_moments(one)) for one in layer])
        variance = float(measure.moments()[1].trace()) / target.shape[1]
        loss = loss + distances.mean() + _CONTENT * (layer - target).square().mean() / variance
    beyond = (made - made.clamp(0, 1)).square().mean()
    result: Tensor = loss / len(wanted) + beyond
    return result


def _moments(layer: Tensor) -> Tensor:
    return Moments.collect(layer, None, 1.0, torch.Generator())


def _rows(contents: Tensor, results: Tensor) -> Tensor:
    return torch.cat([torch.cat([one, other], 2) for one, other in zip(contents, results, strict=True)], 1)
