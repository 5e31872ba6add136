"""The recipe `decoder`: `assetforge train decoder --data DATA`. Pictures of the deepest features of `forge`.

It learns from features that took the statistics of other pictures', as in use, and from those that stayed as they
were: the result must have the features that it was made of, and the statistics of the style in all layers.
"""

from __future__ import annotations

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
from assetforge_stylize.training.pictures import crops, read

STEPS = 2_500
RATE = 2e-3
_BATCH, _SIDE = 4, 128
_STYLE, _PICTURE = 0.02, 2.0
"""What the statistics of the style, and pictures that are to come back as they were, are worth beside the features."""
_KINDS = 4
"""Of four pictures, one stays, one takes means and deviations, and two are whitened and colored."""


def training(data: Path, seed: int) -> af.Training:
    """Return what trains the decoder of the shipped features."""
    network = Vgg19.load(weights.find("forge", Path(__file__).parent.parent))
    pools = read(data, seed)

    def batch(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((seed, step))
        return {"contents": crops(pools, _BATCH, _SIDE, rng), "styles": crops(pools[::-1], _BATCH, _SIDE, rng)}

    shown = batch(2**32)
    torch.manual_seed(seed)
    return af.Training(
        "decoder",
        Decoder(),
        batch,
        lambda decoder, batch: _loss(decoder, network.to(batch["contents"].device), batch),
        STEPS,
        RATE,
        figures=lambda decoder: {"loss of pictures that are shown": float(_loss(decoder, network, shown))},
        pictures=lambda decoder: _pictures(decoder, network, shown),
    )


def _loss(decoder: nn.Module, network: Vgg19, batch: dict[str, Tensor]) -> Tensor:
    contents, styles = batch["contents"], batch["styles"]
    with torch.no_grad():
        own, other = network(contents, "reflect"), network(styles, "reflect")
        goals = _goals(own[-1], other[-1])
    made = decoder(goals)
    found = network(made, "reflect")
    loss = (found[-1] - goals).square().mean() / goals.var()
    loss = loss + _PICTURE * (made[::_KINDS] - contents[::_KINDS]).abs().mean()
    for layer, styled in zip(found, other, strict=True):
        distances = [
            Moments(_moments(theirs)).distance(_moments(ours))
            for number, (ours, theirs) in enumerate(zip(layer, styled, strict=True))
            if number % _KINDS
        ]
        loss = loss + _STYLE * torch.stack(distances).clamp(max=100).mean()
    result: Tensor = loss
    return result


def _goals(own: Tensor, other: Tensor) -> Tensor:
    """Return features (N, D, h, w) as they are to be decoded."""
    goals = []
    for number, (layer, styled) in enumerate(zip(own, other, strict=True)):
        kind = number % _KINDS
        carry = mean_deviation if kind == 1 else whitened_colored
        moments = [Moments(_moments(one)).moments() for one in (layer, styled)]
        goals.append(layer if kind == 0 else carry(moments[0], moments[1])(layer))
    return torch.stack(goals).contiguous(memory_format=torch.channels_last)


def _moments(layer: Tensor) -> Tensor:
    return Moments.collect(layer, None, 1.0, torch.Generator())


def _pictures(decoder: nn.Module, network: Vgg19, shown: dict[str, Tensor]) -> dict[str, Tensor]:
    goals = _goals(network(shown["contents"], "reflect")[-1], network(shown["styles"], "reflect")[-1])
    rows = zip(shown["contents"], shown["styles"], decoder(goals), strict=True)
    return {f"{number}: content, style, result": torch.cat(row, 2) for number, row in enumerate(rows)}
