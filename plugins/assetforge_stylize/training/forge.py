"""The recipe `forge`: `assetforge train forge --data DATA`. A slim network learns the features of VGG-19.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015. What optimizes a picture by a student
finds out where it is not its teacher, and goes there: so the student also learns from pictures that it has itself led
towards the statistics of others, as an optimization would.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import assetforge as af
from assetforge import weights
from assetforge.weights.features import Vgg19
from assetforge_stylize.training.pictures import Pixels, crops, device_of, read

STEPS = 4_000
RATE = 2e-3
_BATCH, _SIDE = 6, 96
_LED = 2
"""How many of a batch are led astray."""
_LEADING_STEPS, _STRIDE = 4, 0.05
_INNER = (("conv1_1", 3, 64), ("conv1_2", 64, 32), ("conv2_1", 32, 128), ("conv2_2", 128, 64), ("conv3_1", 64, 256))
"""The convolutions of VGG-19 to conv3_1; those whose features are not compared have half as many."""
_FAINTEST = 0.1
"""Variance of a channel, in parts of the mean one, below which it counts no more."""


class Student(nn.Module):
    """A network of the shape of VGG-19, with fewer inner channels; its state is the file that `Vgg19` loads."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((3,), 0.45))
        self.register_buffer("scale", torch.full((3,), 4.0))
        for name, inputs, outputs in _INNER:
            layer = nn.Conv2d(inputs, outputs, 3)
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            self.add_module(name, layer)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return relu1_1, relu2_1 and relu3_1 of pictures (N, 3, H, W), without what the border spoils."""
        tensors = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return Vgg19(tensors)(pictures.contiguous(memory_format=torch.channels_last), "valid")


def training(data: Path, seed: int) -> af.Training:
    """Return what trains the network; raise PluginError where VGG-19 was not added."""
    teacher = Vgg19.load(weights.find("vgg19", Path(__file__).parent.parent))
    teacher_on = cache(teacher.to)
    pools = read(data, seed)
    shown = crops(pools, 12, 2 * _SIDE, np.random.default_rng((seed, 2**32)))
    units = [layer.std() for layer in teacher(shown, "valid")]
    torch.manual_seed(seed)

    def features(pictures: Tensor) -> list[Tensor]:
        with torch.no_grad():
            found = teacher_on(pictures.device)(pictures.contiguous(memory_format=torch.channels_last), "valid")
            return [layer / unit.to(layer) for layer, unit in zip(found, units, strict=True)]

    def loss(network: nn.Module, pictures: Tensor) -> Tensor:
        pictures = torch.cat([_led(network, pictures[:_LED], pictures[-_LED:]), pictures[_LED:]])
        return sum(_errors(network(pictures), features(pictures)), torch.zeros((), device=pictures.device))

    def figures(network: nn.Module) -> dict[str, float]:
        pictures = shown.to(device_of(network))
        errors = _errors(network(pictures), features(pictures))
        return {f"error of {name}": float(error) for name, error in zip(teacher.names, errors, strict=True)}

    return af.Training(
        "forge",
        Student(),
        lambda step: _batch(pools, seed, step),
        loss,
        STEPS,
        RATE,
        precision="float32",
        figures=figures,
    )


def _batch(pools: list[list[Pixels]], seed: int, step: int) -> Tensor:
    return crops(pools, _BATCH, _SIDE, np.random.default_rng((seed, step)))


def _errors(found: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    """Return, for each layer, the mean over its channels of the squared error, in parts of the channel's variance."""
    errors = []
    for ours, theirs in zip(found, wanted, strict=True):
        variance = theirs.var((0, 2, 3))
        error = (ours - theirs).square().mean((0, 2, 3))
        errors.append((error / (variance + _FAINTEST * variance.mean())).mean())
    return errors


def _led(network: nn.Module, pictures: Tensor, towards: Tensor) -> Tensor:
    """Lead pictures (N, 3, H, W) some steps towards the network's own statistics of others."""
    with torch.no_grad():
        wanted = [_gram(layer) for layer in network(towards)]
    for _ in range(_LEADING_STEPS):
        with torch.enable_grad():
            pictures = pictures.detach().requires_grad_()
            pairs = zip(network(pictures), wanted, strict=True)
            off = torch.stack([(_gram(layer) - gram).square().sum() / gram.square().sum() for layer, gram in pairs])
            slope = torch.autograd.grad(off.sum(), pictures)[0]
        pictures = (pictures.detach() - _STRIDE * slope.sign() * torch.rand_like(slope)).clamp(0, 1)
    return pictures.detach()


def _gram(layer: Tensor) -> Tensor:
    values = layer.flatten(2)
    return values @ values.mT / values.shape[2]
