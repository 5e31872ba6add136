"""Networks that give the features of a picture at several scales, frozen: what textures and styles are compared by.

A network takes a picture (C, H, W), float32, and returns a list of layers (channels, height, width), the finest first.
It runs on the device that it was moved to, and lets gradients pass to the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge import weights
from assetforge.weights.vgg19 import LAYERS, Layer

Border = Literal["repeat", "reflect", "valid"]
"""How a picture goes on beyond its edge: it tiles, it is mirrored, or it does not, and layers are smaller."""

_LEAK = 0.2


class Features(Protocol):
    """A frozen network."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    @property
    def stride(self) -> int:
        """Pixels from one place of the coarsest layer to the next."""
        ...

    @property
    def reach(self) -> int:
        """Pixels around a picture that its features depend on."""
        ...

    def __call__(self, picture: Tensor, border: Border) -> list[Tensor]:
        """Return the layers of a picture (C, H, W), the finest first."""
        ...

    def inside(self, window: Tensor) -> list[Tensor]:
        """Return the layers of a picture whose sides `stride` divides, given with `reach` pixels all around."""
        ...

    def depth(self, size: tuple[int, int]) -> int:
        """Return how many of the layers a picture of such a size is large enough for."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """Return the network on a device."""
        ...


class RandomFeatures:
    """Random filters of several sizes on an averaged pyramid, with a leaky ReLU.

    After Ustyuzhaninov et al., "What does it take to generate natural textures?", 2017, whose one layer of random
    filters we put on each octave instead of filters of up to 55 pixels. Filters have zero mean and unit norm over all
    channels; the picture's own channels are a layer of each octave too, as filters of zero mean do not see them.
    """

    def __init__(self, kernels: Sequence[Tensor], octaves: int) -> None:
        """Keep kernels (count, C, side, side), one of each size."""
        self.kernels = tuple(kernels)
        self.octaves = octaves

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.kernels[0].device

    @property
    def stride(self) -> int:
        """Pixels from one place of the coarsest octave to the next."""
        return int(2 ** (self.octaves - 1))

    @property
    def reach(self) -> int:
        """Half of the widest filter in the coarsest octave, twice as much and the pixel of `smaller` in each finer."""
        return int((self._largest // 2 + 1) * self.stride - 1)

    @property
    def _largest(self) -> int:
        return max(kernel.shape[-1] for kernel in self.kernels)

    def to(self, device: torch.device | str) -> Self:
        """Return the network on a device."""
        return type(self)([kernel.to(device) for kernel in self.kernels], self.octaves)

    def __call__(self, picture: Tensor, border: Border) -> list[Tensor]:
        """Return, for each octave that filters fit in, the channels themselves and each size's responses."""
        return [layer for octave in self._pyramid(picture, border) for layer in self._octave(octave, border)]

    def inside(self, window: Tensor) -> list[Tensor]:
        """Return the layers of a picture whose sides `stride` divides, given with `reach` pixels all around."""
        height, width = (side - 2 * self.reach for side in window.shape[1:])
        layers = []
        for octave in range(self.octaves):
            if octave:
                window = smaller(window, "valid")
            layers.append(center(window, height, width))
            for kernel in self.kernels:
                around = kernel.shape[-1] - 1
                seen = center(window, height + around, width + around)
                layers.append(F.leaky_relu(convolve(seen, kernel, None, "valid"), _LEAK))
            height, width = height // 2, width // 2
        return layers

    def depth(self, size: tuple[int, int]) -> int:
        """Return how many of the layers a picture of such a size is large enough for."""
        octaves = sum(min(size) >> octave > self._largest for octave in range(self.octaves))
        return max(1, octaves) * (1 + len(self.kernels))

    def _pyramid(self, picture: Tensor, border: Border) -> Iterator[Tensor]:
        for _ in range(self.octaves):
            if min(picture.shape[1:]) <= self._largest:
                return
            yield picture
            picture = smaller(picture, border)

    def _octave(self, picture: Tensor, border: Border) -> Iterator[Tensor]:
        yield picture
        for kernel in self.kernels:
            yield F.leaky_relu(convolve(picture, kernel, None, border), _LEAK)


def random_features(
    channels: int,
    generator: torch.Generator,
    sides: Sequence[int] = (3, 7),
    count: int = 32,
    octaves: int = 5,
) -> RandomFeatures:
    """Make random filters for pictures of so many channels: `count` of each side (odd). The generator is on the CPU."""
    kernels = []
    for side in sides:
        kernel = torch.randn(count, channels, side, side, generator=generator)
        kernel -= kernel.mean((2, 3), keepdim=True)
        kernel *= _chosen(count, channels, generator)[:, :, None, None]
        kernels.append(kernel / kernel.flatten(1).norm(dim=1)[:, None, None, None])
    return RandomFeatures(kernels, octaves)


def _chosen(count: int, channels: int, generator: torch.Generator) -> Tensor:
    """Choose two channels for each filter, or one when it is the same twice: (count, channels) of 0 and 1.

    A filter over all of many channels would see each as a part of a noise.
    """
    pairs = torch.stack([torch.arange(count) % channels, torch.randint(channels, (count,), generator=generator)])
    chosen: Tensor = torch.nn.functional.one_hot(pairs, channels).amax(0)
    return chosen


class Vgg19:
    """VGG-19 as far as its file goes: the rectified first layer of each block, with averages for maxima.

    The shipped network `forge` is of the same shape, with fewer channels between the layers that are returned.

    Gatys, Ecker and Bethge, "Texture Synthesis Using Convolutional Neural Networks", 2015, who replace the pooling so.
    Takes three channels of 0 to 1, sRGB-encoded where they are colors.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        """Keep the canonical tensors: `conv1_1.weight` and so on, `mean` and `scale`."""
        self.tensors = tensors
        self.layers = tuple(layer for layer in LAYERS if f"{layer.name}.weight" in tensors)
        self.names = tuple(layer.name.replace("conv", "relu") for layer in self.layers if _is_first(layer))
        """What is returned: relu1_1, relu2_1, and so on."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.tensors["mean"].device

    @property
    def stride(self) -> int:
        """Pixels from one place of the deepest layer to the next."""
        return int(2 ** (len(self.names) - 1))

    @property
    def reach(self) -> int:
        """A pixel for each convolution, at its own resolution."""
        return sum(2 ** (int(layer.name[4]) - 1) for layer in self.layers)

    @classmethod
    def load(cls, path: Path, deepest: str = "relu3_1") -> Self:
        """Load a canonical file, and of it what is needed for a layer, or less where it is not as deep."""
        network = cls(weights.load(path))
        wanted = [layer for layer in network.layers if layer.name <= deepest.replace("relu", "conv")]
        kept = [f"{layer.name}.{part}" for layer in wanted for part in ("weight", "bias")]
        return cls({name: network.tensors[name] for name in (*kept, "mean", "scale")})

    def to(self, device: torch.device | str) -> Self:
        """Return the network on a device."""
        return type(self)({name: tensor.to(device) for name, tensor in self.tensors.items()})

    def __call__(self, picture: Tensor, border: Border) -> list[Tensor]:
        """Return relu1_1, relu2_1 and so on of a picture, or of several of one size, (*, 3, H, W)."""
        return [x.reshape(*picture.shape[:-3], *x.shape[1:]) for x in self._found(picture, border, None)]

    def inside(self, window: Tensor) -> list[Tensor]:
        """Return the layers of a picture whose sides `stride` divides, given with `reach` pixels all around."""
        height, width = (side - 2 * self.reach for side in window.shape[-2:])
        return [x.squeeze(0) for x in self._found(window, "valid", (height, width))]

    def _found(self, picture: Tensor, border: Border, middle: tuple[int, int] | None) -> list[Tensor]:
        """Return the layers (N, C, H, W), or the middles of them, given the size of the finest."""
        x = (picture - self.tensors["mean"][:, None, None]) * self.tensors["scale"][:, None, None]
        x = x.reshape(-1, *x.shape[-3:]).contiguous(memory_format=torch.channels_last)  # it is faster
        found: list[Tensor] = []
        for layer in self.layers:
            if _is_first(layer) and found:
                x = halve(x, border)
            weight, bias = (self.tensors[f"{layer.name}.{part}"] for part in ("weight", "bias"))
            x = F.relu_(convolve(x, weight, bias, border))
            if not _is_first(layer):
                continue
            if middle is None:
                found.append(x)
            else:
                height, width = (side >> len(found) for side in middle)
                x, seen = _Middle.apply(x, height, width)  # type: ignore[no-untyped-call]
                found.append(seen)
        return found

    def depth(self, _: tuple[int, int]) -> int:
        """Return how many layers there are, at any size."""
        return len(self.names)


Backbone = Literal["forge", "random", "vgg19"]
"""What gives features: the network that comes with AssetForge, random filters, or VGG-19, which the user adds."""


def needed(backbone: Backbone) -> tuple[str, ...]:
    """Name the weights that a backbone needs."""
    return () if backbone == "random" else (backbone,)


def features_of(backbone: Backbone, files: Mapping[str, Path], seed: int) -> Features:
    """Return the backbone for pictures of three channels. files: where the weights that it needs are."""
    if backbone == "random":
        return random_features(3, torch.Generator().manual_seed(seed))
    return Vgg19.load(files[backbone])


def _is_first(layer: Layer) -> bool:
    return layer.name.endswith("_1")


def center(x: Tensor, height: int, width: int) -> Tensor:
    """Return the middle of (*, H, W)."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


class _Middle(torch.autograd.Function):
    """A layer, to go on with, and a copy of its middle.

    On the way back, the slope of the middle is added where it lies: autograd would fill a whole layer with zeros, put
    the middle in, and add that.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.shape, ctx.size = x.shape, (height, width)
        return x.detach(), center(x, height, width).contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, deeper: Tensor | None, seen: Tensor | None) -> tuple[Tensor | None, None, None]:
        if deeper is None and seen is not None:
            deeper = seen.new_zeros(ctx.shape).contiguous(memory_format=torch.channels_last)
        if deeper is not None and seen is not None:
            center(deeper, *ctx.size).add_(seen)
        return deeper, None, None


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, border: Border) -> Tensor:
    """Convolve (*, C, H, W) with odd kernels; the size stays, unless the border is "valid"."""
    around = weight.shape[-1] // 2
    return F.conv2d(_padded(x, around, border), weight, bias)


def _padded(x: Tensor, around: int, border: Border) -> Tensor:
    if border == "valid":
        return x
    if min(x.shape[-2:]) <= around:
        return F.pad(x, (around,) * 4, mode="circular" if border == "repeat" else "reflect")
    result: Tensor = _Padded.apply(x, around, border == "repeat")  # type: ignore[no-untyped-call]
    return result


class _Padded(torch.autograd.Function):
    """What `F.pad` does, but in the order of memory that convolutions like, which `F.pad` does not keep.

    On its way back, sums are always made in the same order, whatever the number of threads.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, around: int, repeat: bool) -> Tensor:
        ctx.around, ctx.repeat = around, repeat
        height, width = x.shape[-2:]
        order = torch.channels_last if x.ndim == 4 else torch.contiguous_format
        size = (*x.shape[:-2], height + 2 * around, width + 2 * around)
        padded = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=order)
        inside = padded[..., around:-around, :]
        inside[..., around:-around] = x
        for edge, source in _edges(width, around, repeat=repeat):
            inside[..., edge] = inside[..., source]
        for edge, source in _edges(height, around, repeat=repeat):
            padded[..., edge, :] = padded[..., source, :]
        return padded

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        around = ctx.around
        height, width = (side - 2 * around for side in slope.shape[-2:])
        inside = slope[..., around:-around, :].clone()
        for edge, source in _edges(height, around, repeat=ctx.repeat):
            inside[..., source - around, :] += slope[..., edge, :]
        for edge, source in _edges(width, around, repeat=ctx.repeat):
            inside[..., source] += inside[..., edge]
        return inside[..., around:-around], None, None


def _edges(side: int, around: int, *, repeat: bool) -> Iterator[tuple[int, int]]:
    """Give each line beyond the edges of what was padded, and the line that it is the same as."""
    for at in range(around):
        low, high = at, around + side + at
        yield low, low + side if repeat else 2 * around - low
        yield high, high - side if repeat else 2 * (around + side - 1) - high


def mixed(layer: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
    """Return a layer (D, H, W) whose features are mixed by a matrix (E, D), and moved by (E,): (E, H, W)."""
    # A convolution of a batch of lines is led to oneDNN, which on AMD's processors multiplies two to three times as
    # fast as what products of matrices, and convolutions of a single picture, are led to.
    lines = layer.permute(1, 0, 2)[:, :, None]
    return F.conv2d(lines, matrix[:, :, None, None], bias)[:, :, 0].permute(1, 0, 2)


def halve(x: Tensor, border: Border) -> Tensor:
    """Average (*, C, H, W) over squares of 2×2.

    Of an odd side, the last line is averaged with the first where the picture tiles, and alone where it is mirrored;
    where it ends, it is dropped.
    """
    if border == "repeat":
        x = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), mode="circular")
    return F.avg_pool2d(x, 2, ceil_mode=border == "reflect", count_include_pad=False)


def smaller(x: Tensor, border: Border) -> Tensor:
    """Reduce (C, H, W) to half, by weights of 1, 3, 3, 1 along both axes; odd sides are treated as by `halve`.

    A pyramid of mere averages aliases, and filters on it leave a weave of rows and columns in what is optimized.
    """
    if border == "repeat":
        x = F.pad(x, (0, x.shape[2] % 2, 0, x.shape[1] % 2), mode="circular")
    line = torch.tensor([0.125, 0.375, 0.375, 0.125], device=x.device)
    kernel = (line[:, None] * line).expand(x.shape[0], 1, 4, 4)
    return F.conv2d(_padded(x, 1, border), kernel, stride=2, groups=x.shape[0])
