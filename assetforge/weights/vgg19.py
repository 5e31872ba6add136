"""VGG-19 in the one form that we keep it in, made of those in which it is passed around.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014: its convolutions, or
the first of them. The canonical form holds `conv1_1.weight`, `conv1_1.bias` and so on in float32, and `mean` and
`scale`, (3,) each: the first layer sees (sRGB-encoded RGB of 0 to 1, minus mean) times scale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from torch import Tensor

from assetforge.errors import UsageError

Input = Literal["torchvision", "caffe-rgb", "caffe-bgr"]
"""What the first layer was trained on: RGB of 0 to 1, normalized; RGB or BGR of 0 to 255, minus a mean."""


@dataclass(frozen=True)
class Layer:
    """A convolution of 3×3: its name, its place in torchvision's `features`, and its channels."""

    name: str
    index: int
    inputs: int
    outputs: int


def _layers() -> Iterable[Layer]:
    index, inputs = 0, 3
    for block, (count, outputs) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)), 1):
        for number in range(1, count + 1):
            yield Layer(f"conv{block}_{number}", index, inputs, outputs)
            index, inputs = index + 2, outputs
        index += 1  # the pooling


LAYERS = tuple(_layers())
_BY_INDEX = {layer.index: layer.name for layer in LAYERS}

_TORCHVISION_MEAN, _TORCHVISION_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (123.68, 116.78, 103.94)
_PUBLISHED: Mapping[str, Input] = {"dcbb9e9d": "torchvision", "d01eb7cb": "caffe-bgr"}
"""The first digits of the sha256 of well-known files, which their names carry too."""
_OXFORD_SIZES = (0.13910, 0.17265, 0.15775)
"""Mean absolute weight of the first layer for red, green and blue, in the network that its authors published."""
_ALIKE = 0.02


def canonical(
    tensors: Mapping[str, Tensor], where: str, told: Input | None = None, sha256: str = ""
) -> dict[str, Tensor]:
    """Bring the tensors of a file to the canonical form; raise UsageError where they are no VGG-19.

    where: what to call the file. told: what the first layer takes; found out where it is not told. sha256: of the file.
    """
    named = _named(tensors, where)
    layers = [layer for layer in LAYERS if f"{layer.name}.weight" in named]
    _check_prefix(layers, where)
    result = {}
    for layer in layers:
        _check_layer(layer, named, where)
        for part in ("weight", "bias"):
            result[f"{layer.name}.{part}"] = named[f"{layer.name}.{part}"].to(torch.float32).contiguous()
    return {**result, **_input_of(result["conv1_1.weight"], tensors, where, told or _published(sha256))}


def _named(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Name convolutions as the paper's tables do: `features.2.weight` is `conv1_2.weight`. Classifiers are left out."""
    named = {}
    for name, tensor in tensors.items():
        if name.endswith("running_mean"):
            raise UsageError(where, f"{name}: a network with batch normalization", "take VGG-19 without it")
        found = re.fullmatch(r"features\.(\d+)\.(weight|bias)", name)
        if found and int(found.group(1)) not in _BY_INDEX:
            places = ", ".join(map(str, _BY_INDEX))
            raise UsageError(where, f"{name}: not a convolution of VGG-19", f"its places are features.{{{places}}}")
        named[f"{_BY_INDEX[int(found.group(1))]}.{found.group(2)}" if found else name] = tensor
    return named


def _check_prefix(layers: list[Layer], where: str) -> None:
    if not layers:
        what = "no layer of VGG-19 is in it"
        raise UsageError(where, what, "its tensors should be named conv1_1.weight or features.0.weight, and so on")
    for expected, layer in zip(LAYERS, layers, strict=False):
        if layer != expected:
            what = f"{expected.name} is missing, although {layer.name} is there"
            raise UsageError(where, what, "give all layers, or the first of them without a gap")


def _check_layer(layer: Layer, named: Mapping[str, Tensor], where: str) -> None:
    wanted = {"weight": (layer.outputs, layer.inputs, 3, 3), "bias": (layer.outputs,)}
    for part, shape in wanted.items():
        tensor = named.get(f"{layer.name}.{part}")
        if tensor is None:
            raise UsageError(where, f"{layer.name}.{part} is missing", "give each layer's weight and bias")
        if tuple(tensor.shape) != shape:
            what = f"{layer.name}.{part} is {tuple(tensor.shape)}"
            raise UsageError(where, what, f"in VGG-19 it is {shape}")
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise UsageError(where, f"{layer.name}.{part} is not all finite numbers", "download or copy the file anew")


def _published(sha256: str) -> Input | None:
    return _PUBLISHED.get(sha256[:8])


def _input_of(first: Tensor, tensors: Mapping[str, Tensor], where: str, told: Input | None) -> dict[str, Tensor]:
    """Return mean and scale of the input, and the first layer with its colors turned around where blue comes first."""
    if {"mean", "scale"} <= tensors.keys():  # the canonical form says it itself
        return {name: _three(name, tensors[name], where) for name in ("mean", "scale")}
    torchvisions = "features.0.weight" in tensors
    told = told or _guessed(first, where, torchvisions)
    if told == "torchvision":
        return {"mean": torch.tensor(_TORCHVISION_MEAN), "scale": 1 / torch.tensor(_TORCHVISION_DEVIATION)}
    first = first.flip(1) if told == "caffe-bgr" else first
    mean = torch.tensor(_CAFFE_MEAN) / 255
    return {"mean": mean, "scale": torch.full((3,), 255.0), "conv1_1.weight": first.contiguous()}


def _three(name: str, tensor: Tensor, where: str) -> Tensor:
    if tensor.numel() != 3 or not tensor.isfinite().all():
        raise UsageError(where, f"{name} is not three finite numbers", "download or copy the file anew")
    return tensor.to(torch.float32).reshape(3)


def _guessed(first: Tensor, where: str, torchvisions: bool) -> Input:
    """Tell what the first layer takes by the size of its weights, which differs from color to color.

    The authors' network is known by it, whichever color comes first; others that go by torchvision's names are taken
    for torchvision's.
    """
    sizes = first.abs().mean((0, 2, 3))
    oxford = torch.tensor(_OXFORD_SIZES)
    for wanted, name in ((oxford, "caffe-rgb"), (oxford.flip(0), "caffe-bgr")):
        if ((sizes / wanted - 1).abs() < _ALIKE).all():
            return cast("Input", name)
    if torchvisions:
        return "torchvision"
    what = "conv1_1 is not that of the authors' VGG-19, so what it takes is unknown"
    raise UsageError(where, what, f"say --input {' or '.join(get_args(Input))}")
