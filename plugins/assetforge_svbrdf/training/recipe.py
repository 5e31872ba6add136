"""The recipe `svbrdf`: `assetforge train svbrdf -p network=features --data DATA`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import assetforge as af
from assetforge.ops.color import srgb_encode
from assetforge.ops.normals import of_slopes
from assetforge_svbrdf._light import F0, Texels, radiance, tone
from assetforge_svbrdf._network import Unet, contrasts, feature_network, start_input, start_network
from assetforge_svbrdf._photos import flattened
from assetforge_svbrdf.training import procedural
from assetforge_svbrdf.training.dataset import Example, Surface, example, read

STEPS = {"features": 2_500, "start": 2_500}
RATE = 2e-3
BATCH = 4
DRAWN, DRAWN_SIDE = 120, 320
_RIDGE = 1e-3
_FROM_ONE = 0.35
"""Share of examples that have a flash photo alone."""
_WITHIN = 0.05
"""Least deviation of what is explained that counts: what is flat or even is not worth explaining."""
Batch = dict[str, Tensor]


def training(name: str, data: Path, seed: int) -> af.Training:
    """Return what trains the network NAME."""
    known = read(data)
    if not known:
        raise af.StepError("recipe 'svbrdf'", f"finds no materials in {data}", "they are its materials/*/material.json")
    pools = [known, procedural.surfaces(DRAWN, DRAWN_SIDE, seed)]
    shown = _batch(pools, np.random.default_rng((seed, 2**32)), 4)
    make, loss = (feature_network, _features_loss) if name == "features" else (start_network, _start_loss)
    torch.manual_seed(seed)
    network = make()
    _initialize(network)
    return af.Training(
        name,
        network,
        lambda step: _batch(pools, np.random.default_rng((seed, step)), BATCH),
        loss,
        STEPS[name],
        RATE,
        precision="float32",
        figures=lambda network: {"loss of pictures that are shown": float(loss(network, _beside(network, shown)))},
        pictures=(lambda network: _pictures(network, shown)) if name == "start" else (lambda _: {}),
    )


def _initialize(network: Unet) -> None:
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, 0.1)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        network.last.weight.mul_(0.1)


def _batch(pools: list[list[Surface]], rng: np.random.Generator, count: int) -> Batch:
    """Photograph surfaces, of every pool in turn."""
    examples = [example(pools[index % len(pools)], rng) for index in range(count)]
    parts = [_parts(one, alone=rng.random() < _FROM_ONE) for one in examples]
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


def _parts(one: Example, *, alone: bool) -> Batch:
    guide = flattened(one.guide)
    base = one.flash if alone else guide
    return {
        "guide": contrasts(guide),
        "start": start_input(one.flash, None if alone else guide, one.points),
        "log_base": base.clamp_min(0.01).log(),
        "log_guide": guide.clamp_min(0.01).log(),
        "points": one.points,
        "albedo": one.truth.albedo.log(),
        "slopes": one.truth.slopes,
        "roughness": one.truth.roughness,
    }


def _features_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Return what of the truth no linear function of the features explains, where each picture has its own function.

    The solution is in closed form, and is differentiated (Bertinetto et al., "Meta-learning with differentiable
    closed-form solvers", 2019): in use, the flash photo finds the function.
    """
    features = network(batch["guide"]).flatten(2)
    color = (batch["albedo"] - batch["log_guide"]).mean(1, keepdim=True)
    truth = torch.cat([batch["slopes"], batch["roughness"], color], 1).flatten(2)
    features = features - features.mean(2, keepdim=True)
    truth = truth - truth.mean(2, keepdim=True)
    count = features.shape[2]
    products = features @ features.mT / count
    size = products.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    ridge = (_RIDGE * size + 1e-6) * torch.eye(products.shape[1], device=products.device)
    solution = torch.linalg.solve(products + ridge, features @ truth.mT / count)
    off = (truth - solution.mT @ features).square().mean(2)
    size = truth.square().mean(2) + _WITHIN**2
    slopes = off[:, :2].sum(1) / size[:, :2].sum(1)
    unexplained: Tensor = 2 * slopes + off[:, 2] / size[:, 2] + 0.5 * off[:, 3] / size[:, 3]
    return unexplained.mean()


def _start_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Return how far renderings of what is found are from those of the truth, and the maps themselves."""
    found = network(batch["start"])
    log_albedo = batch["log_base"] + 0.5 * found[:, :1]
    log_albedo = log_albedo + (batch["albedo"] - log_albedo).mean((1, 2, 3), keepdim=True)
    slopes, roughness = found[:, 1:3], 0.05 + 0.95 * torch.sigmoid(found[:, 3:])
    made = _texels(log_albedo.exp().clamp(0.003, 1.5), slopes, roughness)
    true = _texels(batch["albedo"].exp(), batch["slopes"], batch["roughness"])
    points = batch["points"].transpose(0, 1).flatten(1)
    loss: Tensor = (slopes - batch["slopes"]).abs().mean() + 0.5 * (roughness - batch["roughness"]).abs().mean()
    loss = loss + 0.1 * (log_albedo - batch["albedo"]).abs().mean()
    for far in (0.0, 0.5, 1.0):
        offset = far * torch.randn(2, device=points.device)
        shown, wanted = (tone(radiance(texels, points, offset, math.pi)) for texels in (made, true))
        loss = loss + (shown - wanted).abs().mean()
    return loss


def _texels(albedo: Tensor, slopes: Tensor, roughness: Tensor) -> Texels:
    rows = [pixels.transpose(0, 1).flatten(1) for pixels in (albedo, slopes, roughness)]
    return Texels(rows[0], rows[0].new_full((1, 1), F0), rows[1], rows[2][0].square())


def _beside(network: nn.Module, batch: Batch) -> Batch:
    """Return a batch on the device of a network."""
    device = next(network.parameters()).device
    return {name: part.to(device) for name, part in batch.items()}


def _pictures(network: nn.Module, shown: Batch) -> Mapping[str, Tensor]:
    """Show normals and roughness, found and true, beside what they were found in."""
    found = network(_beside(network, shown)["start"]).cpu()
    made = {}
    for index, maps in enumerate(found):
        normals = [of_slopes(slopes) * 0.5 + 0.5 for slopes in (maps[1:3], shown["slopes"][index])]
        rough = [0.05 + 0.95 * torch.sigmoid(maps[3:]), shown["roughness"][index]]
        picture = srgb_encode(shown["log_base"][index].exp())
        row = [picture, *normals, *(one.expand(3, -1, -1) for one in rough)]
        made[f"{index}: picture, normals, true ones, roughness, true one"] = torch.cat(row, 2)
    return made
