"""The recipe `decoder`: `assetforge train decoder --data DATA`. Pictures of the deepest features of `forge`.

It learns to bring pictures back (Li et al., "Universal Style Transfer via Feature Transforms", 2017), and besides to
make pictures that have the features that it was given, where these took the statistics of other pictures, as in use.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import assetforge as af
from assetforge import weights
from assetforge.weights.distances import Moments
from assetforge.weights.features import Vgg19
from assetforge_stylize._networks import Decoder
from assetforge_stylize._transport import mean_deviation, whitened_colored
from assetforge_stylize.training.pictures import crops, device_of, read

STEPS = 1_200
RATE = 2e-3
_BATCH, _SIDE = 4, 128
_FEATURES, _GOALS = 0.1, 0.05
"""What the features of pictures that come back, and those that were given, are worth beside the pictures."""
Batch = dict[str, Tensor]


def training(data: Path, seed: int) -> af.Training:
    """Return what trains the decoder of the shipped features."""
    network_on = cache(Vgg19.load(weights.find("forge", Path(__file__).parent.parent)).to)
    pools = read(data, seed)

    def batch(step: int) -> Batch:
        rng = np.random.default_rng((seed, step))
        return {"contents": crops(pools, _BATCH, _SIDE, rng), "styles": crops(pools[::-1], _BATCH // 2, _SIDE, rng)}

    def loss(decoder: nn.Module, batch: Batch) -> Tensor:
        return _loss(decoder, network_on(batch["contents"].device), batch)

    def shown_beside(decoder: nn.Module) -> Batch:
        return {name: pictures.to(device_of(decoder)) for name, pictures in shown.items()}

    shown = batch(2**32)
    torch.manual_seed(seed)
    return af.Training(
        "decoder",
        Decoder(),
        batch,
        loss,
        STEPS,
        RATE,
        precision="float32",
        figures=lambda decoder: {"loss of pictures that are shown": float(loss(decoder, shown_beside(decoder)))},
        pictures=lambda decoder: _pictures(decoder, network_on(device_of(decoder)), shown_beside(decoder)),
    )


def _loss(decoder: nn.Module, network: Vgg19, batch: Batch) -> Tensor:
    contents, count = batch["contents"], len(batch["styles"])
    with torch.no_grad():
        own, other = network(contents, "reflect"), network(batch["styles"], "reflect")
        goals = _goals(own[-1][:count], other[-1])
    made = decoder(torch.cat([own[-1], goals]).contiguous(memory_format=torch.channels_last))
    found = network(made, "reflect")
    again = len(contents)
    loss: Tensor = (made[:again] - contents).abs().mean() + _GOALS * _error(found[-1][again:], goals)
    for layer, wanted in zip(found, own, strict=True):
        loss = loss + _FEATURES / len(own) * _error(layer[:again], wanted)
    return loss


def _error(found: Tensor, wanted: Tensor) -> Tensor:
    return (found - wanted).square().mean() / wanted.var()


def _goals(own: Tensor, other: Tensor) -> Tensor:
    """Return features (N, D, h, w) with the statistics of others: by turns all moments, and means and deviations."""
    goals = []
    for number, (layer, styled) in enumerate(zip(own, other, strict=True)):
        carry = mean_deviation if number % 2 else whitened_colored
        moments = [Moments(_moments(one)).moments() for one in (layer, styled)]
        goals.append(carry(moments[0], moments[1])(layer))
    return torch.stack(goals)


def _moments(layer: Tensor) -> Tensor:
    return Moments.collect(layer, None, 1.0, torch.Generator())


def _pictures(decoder: nn.Module, network: Vgg19, shown: Batch) -> dict[str, Tensor]:
    count = len(shown["styles"])
    contents = shown["contents"][:count]
    own = network(contents, "reflect")[-1]
    again, made = decoder(own), decoder(_goals(own, network(shown["styles"], "reflect")[-1]))
    rows = zip(contents, again, shown["styles"], made, strict=True)
    return {f"{number}: content, come back, style, result": torch.cat(row, 2) for number, row in enumerate(rows)}
