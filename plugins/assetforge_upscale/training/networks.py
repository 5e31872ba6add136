"""Networks as they are trained: new ones, those that start from a file, and teachers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

import assetforge as af
from assetforge.weights.foreign import read
from assetforge_upscale._architectures.load import load
from assetforge_upscale._architectures.network import Network
from assetforge_upscale._architectures.span import SpanNetwork, one_convolution
from assetforge_upscale._architectures.srresnet import MsrResNet, SrResNet
from assetforge_upscale._network import BOUNDS, Compact
from assetforge_upscale._upscale import run_network
from assetforge_upscale.training.dataset import Pixels

Architecture = Literal["compact", "span", "srresnet", "msrresnet"]

_DIRAC, _NOISE = 0.8, 0.5
_CARRIED = 0.25
"""Share of the input that a PReLU lets pass below 0, which the weights before it allow for."""
_FAINT = 0.1


def new(architecture: Architecture, channels: int, scale: int, width: int, depth: int) -> nn.Module:
    """Make a network with random weights, whose file the step `upscale` knows by its tensors."""
    if architecture == "compact":
        return _initialized(Compact(channels, scale, width, depth))
    if architecture == "span":
        return Span(channels, width, scale)
    if architecture == "srresnet":
        return SrResNet(channels, width, depth, int(math.log2(scale)), has_norm=True)
    network = MsrResNet(channels, width, depth, [2, 2] if scale == 4 else [scale])
    with torch.no_grad():
        network.conv_last.weight.mul_(_FAINT)
    return network


def _initialized(network: Compact) -> Compact:
    """Begin with hidden layers that pass on what they see, with some noise: deep stacks learn faster from there.

    Zagoruyko and Komodakis, "DiracNets", 2017.
    """
    layers = [layer for layer in network.residual if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, _CARRIED)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        for layer in layers[1:-1]:
            layer.weight.mul_(_NOISE)
            layer.weight[:, :, 1, 1] += _DIRAC * torch.eye(len(layer.weight))
        layers[-1].weight.mul_(_FAINT)
    return network


class _Chain(nn.Module):
    """One 3×3 convolution that is trained as a chain of three and one beside it, and stored as such."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, 2 * inputs, 1), nn.Conv2d(2 * inputs, 2 * outputs, 3), nn.Conv2d(2 * outputs, outputs, 1)
        )
        self.sk = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = one_convolution({f"it.{name}": value for name, value in self.named_parameters()}, "it")
        return nn.functional.conv2d(x, weight, bias, padding=1)


class Span(SpanNetwork):
    """SPAN with the tensors that its files hold, without the mean of photographs."""

    no_norm: Tensor

    def __init__(self, channels: int, width: int, scale: int) -> None:
        super().__init__(channels, width, scale, is_centered=False)
        for owner in list(self.modules()):
            for name, layer in list(owner.named_children()):
                if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3) and owner is not self.upsampler:
                    setattr(owner, name, _Chain(layer.in_channels, layer.out_channels))
        self.register_buffer("no_norm", torch.zeros(1))


class _NearestCompact(Compact):
    """Compact of Real-ESRGAN under its own name, by which its base is known."""

    def __init__(self, channels: int, scale: int, width: int, depth: int) -> None:
        super().__init__(channels, scale, width, depth, "nearest")
        self.body = self._modules.pop("residual")

    @property
    def residual(self) -> nn.Module | None:  # type: ignore[override]
        return self.body


def started(path: Path, channels: int, scale: int) -> nn.Module:
    """Return the network of a file, to be trained on; ours of other channels or of a larger scale is adapted.

    Raises StepError where the file holds no network that fits.
    """
    found = load(path)
    module = found.module.requires_grad_(requires_grad=True)
    if isinstance(module, Compact) and module.base == "bicubic":
        return _adapted(module, channels, scale, path)
    if (found.channels, found.scale) != (channels, scale):
        what = f"is a network of {found.channels} channels that enlarges {found.scale} times"
        raise af.StepError(str(path), what, f"start from one of {channels} channels and {scale} times")
    if isinstance(module, Compact):
        return _refilled(_NearestCompact(channels, scale, *_size(module)), module.state_dict(), "residual.", "body.")
    if isinstance(module, SpanNetwork):
        if module.is_centered:
            raise af.StepError(str(path), "is a SPAN that takes the mean of photographs away", "start from another one")
        return _refilled(Span(channels, module.conv_1.out_channels, scale), read(path))
    return module


def frozen(path: Path, channels: int, scale: int) -> nn.Module:
    """Return the network of a file, which is not trained, and is given what is between 0 and 1, as the step does it.

    Raises StepError where it is of other channels or another scale.
    """
    found = load(path)
    if (found.channels, found.scale) != (channels, scale):
        what = f"is a network of {found.channels} channels that enlarges {found.scale} times"
        raise af.StepError(str(path), what, f"take one of {channels} channels and {scale} times")
    return nn.Sequential(nn.Hardtanh(0, 1), found.module)


def _refilled(network: nn.Module, tensors: dict[str, Tensor], old: str = "", new_name: str = "") -> nn.Module:
    named = {name.replace(old, new_name, 1) if old else name: value for name, value in tensors.items()}
    wanted = network.state_dict()
    network.load_state_dict({name: named[name].reshape(wanted[name].shape) for name in wanted})
    return network


def _size(network: Compact) -> tuple[int, int]:
    width: int = network.residual[0].weight.shape[0]  # type: ignore[assignment,index]
    return width, (len(network.residual) - 4) // 2


def _adapted(network: Compact, channels: int, scale: int, path: Path) -> Compact:
    last = network.residual[len(network.residual) - 2]
    own_channels, own_scale = network.residual[0].in_channels, network.scale
    fits = own_channels in (channels, 3) and own_scale >= scale and last.out_channels == own_channels * own_scale**2
    if not fits:
        what = f"is a network of {own_channels} channels that enlarges {own_scale} times"
        raise af.StepError(str(path), what, f"start from one of {channels} channels and {scale} times, or of more")
    adapted = Compact(channels, scale, *_size(network))
    adapted.load_state_dict(adapt(_unbounded(network.state_dict()), channels, scale))
    return adapted


def _unbounded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the bounds of activations, which hold for the weights that they were measured with."""
    return {name: value for name, value in tensors.items() if name != BOUNDS}


def adapt(start: dict[str, Tensor], channels: int, scale: int) -> dict[str, Tensor]:
    """Turn the weights of our Compact into a start for one channel or a smaller scale.

    A gray input is three equal channels, so the first layer's weights add up over them; the last layer's are averaged
    over colors, and over the sub-pixels that a larger one covers at the smaller scale.
    """
    last = max(int(key.split(".")[1]) for key in start)
    adapted = dict(start)
    first = start["residual.0.weight"]
    if channels == 1 and first.shape[1] == 3:
        adapted["residual.0.weight"] = first.sum(1, keepdim=True)
    for key in (f"residual.{last}.weight", f"residual.{last}.bias"):
        adapted[key] = _fold(start[key], first.shape[1], channels, scale)
    return adapted


def _fold(value: Tensor, own_channels: int, channels: int, scale: int) -> Tensor:
    own_scale = math.isqrt(value.shape[0] // own_channels)
    cover = _cover(own_scale, scale)
    split = value.reshape(own_channels, own_scale, own_scale, -1)
    folded = torch.einsum("pa,qb,cab...->cpq...", cover, cover, split)
    kept = folded if channels == own_channels else folded.mean(0, keepdim=True)
    return kept.reshape(-1, *value.shape[1:])


def _cover(many: int, few: int) -> Tensor:
    """Return (few, many): of each of few equal parts of a pixel, the shares that many parts have in it."""
    ends = [torch.arange(count + 1, dtype=torch.float64) / count for count in (few, many)]
    (start, end), (other_start, other_end) = ((edge[:-1], edge[1:]) for edge in ends)
    shared = torch.minimum(end[:, None], other_end) - torch.maximum(start[:, None], other_start)
    return (shared.clamp(min=0) * few).float()


def teachers(files: Sequence[Path], channels: int, scale: int) -> Callable[[Pixels], Pixels] | None:
    """Return what enlarges pictures as the mean of networks does; None where there are no files.

    Raises StepError where a network enlarges by another factor.
    """
    networks = [load(path) for path in files]
    for path, network in zip(files, networks, strict=True):
        if network.scale != scale:
            raise af.StepError(str(path), f"enlarges {network.scale} times", f"teachers must enlarge {scale} times")
    return taught_by(networks, channels) if networks else None


def taught_by(networks: Sequence[Network], channels: int) -> Callable[[Pixels], Pixels]:
    """Return what enlarges a picture (h, w, 3) as the mean of networks does; data, channel by channel."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for network in networks:
        network.module.to(device)

    def teach(small: Pixels) -> Pixels:
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).to(device).float() / 255
        batch = pixels[None] if channels == 3 else pixels[:, None]
        with torch.no_grad():
            results = [run_network(network, batch) for network in networks]
        mean = torch.stack(results).mean(0).reshape(3, *results[0].shape[2:])
        return (mean.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()

    return teach
