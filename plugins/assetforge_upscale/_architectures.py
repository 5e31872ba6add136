"""Networks of super-resolution in the files in which they are passed around, known by the names of their tensors.

ESRGAN (Wang et al. 2018; in its old and its new names), Compact (SRVGGNetCompact of Real-ESRGAN, Wang et al. 2021),
SPAN (Wan et al. 2023), RLFN (Kong et al. 2022), EFDN (Wang 2022), and SRResNet, the generator of SRGAN (Ledig et al.
2017), with and without batch normalization. All other architectures are those of the package spandrel, where that is
installed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import assetforge as af
from assetforge.weights.foreign import read
from assetforge_upscale._network import Base, Compact

Tensors = Mapping[str, Tensor]

FARTHEST = 64
"""Source pixels around a tile that are computed with it at most. What a network sees beyond is lost at tiles' edges."""


@dataclass(frozen=True)
class Network:
    """A network that maps (B, channels, H, W) to (B, channels, scale·H, scale·W), both nominally 0 to 1.

    radius: how many source pixels around itself a result depends on; None where that may be all. multiple: of what the
    sides of its input must be multiples.
    """

    module: nn.Module
    channels: int
    scale: int
    radius: int | None
    multiple: int = 1

    @property
    def overlap(self) -> int:
        """Source pixels that a tile needs around it, or what of them is affordable."""
        around = FARTHEST if self.radius is None else min(self.radius, FARTHEST)
        return -(-around // self.multiple) * self.multiple

    @property
    def inside(self) -> Callable[[Tensor], Tensor] | None:
        """What makes a result without its outermost `radius` source pixels, where the network can leave them out."""
        return self.module.inside if isinstance(self.module, Compact) else None

    @property
    def is_exact(self) -> bool:
        """Whether a result in tiles is that of the whole."""
        return self.radius is not None and self.radius <= self.overlap

    @property
    def is_large(self) -> bool:
        """Whether a tile of usual size would take much memory."""
        return sum(parameter.numel() for parameter in self.module.parameters()) > 2_000_000


def load(path: Path, mix: Path | None = None, share: float = 0.5) -> Network:
    """Load a network from a file; with `mix`, its weights are averaged with those of another, which counts `share`.

    Raises StepError where a file is damaged, or holds no network that is known.
    """
    tensors = _read(path)
    if mix is not None:
        tensors = _mixed(tensors, _read(mix), share, mix)
    for recognize in (_compact, _esrgan, _span, _rlfn, _efdn, _srresnet, _msrresnet):
        try:
            network = recognize(tensors)
        except _MALFORMED as error:
            raise _lookalike(path, recognize.__name__.strip("_"), error) from error
        if network is not None:
            return network
    return _by_spandrel(path, tensors)


_SAVE = "save the state_dict() of the whole network"
_MALFORMED = (RuntimeError, LookupError, ValueError, ArithmeticError)
"""What tensors raise whose names or shapes are not those of the network that they look like."""


def _lookalike(path: Path, name: str, error: Exception) -> af.StepError:
    return af.StepError(str(path), f"looks like {name}, but is not: {_first_line(error)}", _SAVE)


def _read(path: Path) -> dict[str, Tensor]:
    """Read a file's tensors, in the names of today and in float32."""
    try:
        tensors = read(path)
    except af.AssetForgeError as error:
        problem = error.problem
        raise af.StepError(problem.where, problem.what, problem.instead) from error
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    if "model.0.weight" in tensors and "model.1.sub.0.RDB1.conv1.0.weight" in tensors:
        try:
            return _renamed(tensors)
        except _MALFORMED as error:
            raise _lookalike(path, "esrgan", error) from error
    if "RRDB_trunk.0.RDB1.conv1.weight" in tensors:
        for pattern, name in _OLD_NAMES:
            tensors = {re.sub(pattern, name, old): tensor for old, tensor in tensors.items()}
    return tensors


def _mixed(one: Tensors, other: Tensors, share: float, path: Path) -> dict[str, Tensor]:
    """Average the weights of two networks (network interpolation, Wang et al. 2018, ESRGAN, section 3.4)."""
    if ("activation_bounds" in one) != ("activation_bounds" in other):  # older files have none
        one, other = (
            {name: value for name, value in both.items() if name != "activation_bounds"} for both in (one, other)
        )
    if {name: value.shape for name, value in one.items()} != {name: value.shape for name, value in other.items()}:
        what = "is of another architecture than the network that it is mixed with"
        raise af.StepError(str(path), what, "mix two networks that are alike")
    floats = (name for name, value in one.items() if value.is_floating_point())
    return {**one, **{name: torch.lerp(one[name], other[name], share) for name in floats}}


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))[:160]


def _filled(module: nn.Module, tensors: Tensors) -> nn.Module:
    module.load_state_dict(dict(tensors))
    return module.requires_grad_(requires_grad=False).eval()


def _numbers(tensors: Tensors, pattern: str) -> list[int]:
    """Return the different numbers that a group of a pattern stands for in the names, in order."""
    found = (re.match(pattern, name) for name in tensors)
    return sorted({int(match.group(1)) for match in found if match})


# Compact


def _compact(tensors: Tensors) -> Network | None:
    """Ours has the same shape as that of Real-ESRGAN, other names, and another base."""
    bases: Mapping[str, Base] = {"residual": "bicubic", "body": "nearest"}
    for body, base in bases.items():
        first = tensors.get(f"{body}.0.weight")
        places = _numbers(tensors, rf"{body}\.(\d+)\.weight$")
        if first is None or first.ndim != 4 or f"{body}.{places[-1]}.bias" not in tensors:
            continue
        width, channels = first.shape[:2]
        scale = math.isqrt(tensors[f"{body}.{places[-1]}.weight"].shape[0] // channels)
        depth = (len(places) - 3) // 2
        bounds = tensors["activation_bounds"].tolist() if "activation_bounds" in tensors else ()
        module = Compact(channels, scale, width, depth, base, bounds)
        _filled(module, {name.replace(body, "residual", 1): value for name, value in tensors.items()})
        return Network(module.channels_last(), channels, scale, module.radius)
    return None


# ESRGAN


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it; a fifth of the last one's result is added to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            nn.Conv2d(width + number * growth, growth, 3, padding=1) for number in range(4)
        )
        self.conv5 = nn.Conv2d(width + 4 * growth, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, F.leaky_relu(layer(seen), 0.2)], 1)
        result: Tensor = x + 0.2 * self.conv5(seen)
        return result


class _DenseBlocks(nn.Module):
    """Residual in residual dense block."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_DenseBlock(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))
        return result


class _Esrgan(nn.Module):
    """`unshuffled`: squares of so many pixels to a side become channels first, which makes networks of less scale."""

    def __init__(self, channels: int, width: int, growth: int, depth: int, doublings: int, unshuffled: int) -> None:
        super().__init__()
        self.unshuffled = unshuffled
        self.conv_first = nn.Conv2d(channels * unshuffled**2, width, 3, padding=1)
        self.body = nn.Sequential(*(_DenseBlocks(width, growth) for _ in range(depth)))
        self.conv_body = nn.Conv2d(width, width, 3, padding=1)
        self.conv_up = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(doublings))
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv_first(F.pixel_unshuffle(x, self.unshuffled))
        features = first + self.conv_body(self.body(first))
        for layer in self.conv_up:
            features = F.leaky_relu(layer(F.interpolate(features, scale_factor=2, mode="nearest")), 0.2)
        result: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(features), 0.2))
        return result


def _esrgan(tensors: Tensors) -> Network | None:
    if "conv_first.weight" not in tensors or "body.0.rdb1.conv1.weight" not in tensors:
        return None
    named = {re.sub(r"^conv_up(\d)", lambda one: f"conv_up.{int(one[1]) - 1}", name): tensors[name] for name in tensors}
    channels = named["conv_last.weight"].shape[0]
    width, seen = named["conv_first.weight"].shape[:2]
    growth = named["body.0.rdb1.conv1.weight"].shape[0]
    depth, doublings = len(_numbers(named, r"body\.(\d+)\.")), len(_numbers(named, r"conv_up\.(\d+)\."))
    unshuffled = math.isqrt(seen // channels)
    if not unshuffled or seen != channels * unshuffled**2:
        raise ValueError(f"{seen} channels go in, and {channels} come out")
    module = _Esrgan(channels, width, growth, depth, doublings, unshuffled)
    # Two convolutions beside those of the blocks at the input's resolution, and less than three pixels of it beyond.
    radius = (15 * depth + 2 + 3) * unshuffled
    return Network(_filled(module, named), channels, 2**doublings // unshuffled, radius, unshuffled)


def _renamed(tensors: Tensors) -> dict[str, Tensor]:
    """Give the tensors of the first ESRGAN, which are numbered by layer, the names that they have today."""
    places = _numbers(tensors, r"model\.(\d+)\.weight$")
    trunk = max(_numbers(tensors, r"model\.1\.sub\.(\d+)\."))
    names = {0: "conv_first", places[-2]: "conv_hr", places[-1]: "conv_last"}
    names |= {place: f"conv_up{number}" for number, place in enumerate(places[1:-2], 1)}

    def renamed(name: str) -> str:
        name = name.replace(f"model.1.sub.{trunk}.", "conv_body.")
        name = re.sub(r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3.", name)
        return re.sub(r"^model\.(\d+)\.", lambda one: f"{names[int(one[1])]}.", name)

    return {renamed(name): tensor for name, tensor in tensors.items()}


_OLD_NAMES = (
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)
"""Between the first names of ESRGAN and those of today."""


# SPAN


class _Attention(nn.Module):
    """Three convolutions; how strong the last one's result is, is how much of itself and the input it lets pass."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (nn.Conv2d(width, width, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result and what the first convolution gives."""
        first = F.silu(self.c1_r(x))
        last = self.c3_r(F.silu(self.c2_r(first)))
        return (last + x) * (torch.sigmoid(last) - 0.5), first


class SpanNetwork(nn.Module):
    MEAN, RANGE = (0.4488, 0.4371, 0.4040), 255.0

    def __init__(self, channels: int, width: int, scale: int, *, is_centered: bool) -> None:
        super().__init__()
        self.is_centered = is_centered
        self.conv_1 = nn.Conv2d(channels, width, 3, padding=1)
        for number in range(1, 7):
            self.add_module(f"block_{number}", _Attention(width))
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_cat = nn.Conv2d(4 * width, width, 1)
        self.upsampler = nn.Sequential(nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        if self.is_centered:
            x = (x - x.new_tensor(self.MEAN).view(1, 3, 1, 1)) * self.RANGE
        first = features = self.conv_1(x)
        results = []
        for number in range(1, 7):
            features, inner = self.get_submodule(f"block_{number}")(features)
            results.append(features)
        together = torch.cat([first, self.conv_2(features), results[0], inner], 1)
        result: Tensor = self.upsampler(self.conv_cat(together))
        return result


def _span(tensors: Tensors) -> Network | None:
    if "conv_1.sk.weight" not in tensors or "block_1.c1_r.sk.weight" not in tensors:
        return None
    width, channels = tensors["conv_1.sk.weight"].shape[:2]
    scale = math.isqrt(tensors["upsampler.0.weight"].shape[0] // channels)
    module = SpanNetwork(channels, width, scale, is_centered="no_norm" not in tensors)
    return Network(_filled(module, _merged(tensors)), channels, scale, 6 * 3 + 3)


def _merged(tensors: Tensors) -> dict[str, Tensor]:
    """Make one convolution of each chain of three and the one beside it, as they were trained."""
    merged = {name: value for name, value in tensors.items() if name.startswith(("conv_cat.", "upsampler."))}
    for name in tensors:
        if name.endswith(".sk.weight"):
            block = name.removesuffix(".sk.weight")
            merged[f"{block}.weight"], merged[f"{block}.bias"] = one_convolution(tensors, block)
    return merged


def one_convolution(tensors: Tensors, block: str) -> tuple[Tensor, Tensor]:
    """Merge 1×1, 3×3 and 1×1 convolutions and a 1×1 beside them (the "structural re-parameterization" of SPAN)."""
    (w1, b1), (w2, b2), (w3, b3) = (
        (tensors[f"{block}.conv.{number}.weight"].double(), tensors[f"{block}.conv.{number}.bias"].double())
        for number in range(3)
    )
    weight = torch.einsum("om,mnhw,ni->oihw", w3[:, :, 0, 0], w2, w1[:, :, 0, 0])
    bias = w3[:, :, 0, 0] @ (torch.einsum("mnhw,n->m", w2, b1) + b2) + b3
    weight[:, :, 1, 1] += tensors[f"{block}.sk.weight"][:, :, 0, 0]
    return weight.float(), (bias + tensors[f"{block}.sk.bias"]).float()


# SRResNet


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))
        return result


class _Doubling(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width * 4, 3, padding=1)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.prelu(F.pixel_shuffle(self.conv(x), 2))
        return result


class SrResNet(nn.Module):
    """With the names of the most spread implementation for PyTorch; its results are -1 to 1, and made 0 to 1."""

    def __init__(self, channels: int, width: int, depth: int, doublings: int, *, has_norm: bool) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        for number in range(2, depth + 2):
            self.add_module(f"block{number}", _ResidualBlock(width))
        closing = nn.BatchNorm2d(width) if has_norm else nn.PReLU()
        self.add_module(f"block{depth + 2}", nn.Sequential(nn.Conv2d(width, width, 3, padding=1), closing))
        upscaling = [*(_Doubling(width) for _ in range(doublings)), nn.Conv2d(width, channels, 9, padding=4)]
        self.add_module(f"block{depth + 3}", nn.Sequential(*upscaling))

    def forward(self, x: Tensor) -> Tensor:
        first, *blocks, last = self.children()
        features = start = first(x)
        for block in blocks:
            features = block(features)
        return (torch.tanh(last(start + features)) + 1) / 2


def _srresnet(tensors: Tensors) -> Network | None:
    if "block1.0.weight" not in tensors or "block2.conv1.weight" not in tensors:
        return None
    width, channels = tensors["block1.0.weight"].shape[:2]
    depth = len(_numbers(tensors, r"block(\d+)\.conv1\.weight"))
    doublings = len(_numbers(tensors, rf"block{depth + 3}\.(\d+)\.conv\.weight"))
    has_norm = f"block{depth + 2}.1.running_mean" in tensors
    module = SrResNet(channels, width, depth, doublings, has_norm=has_norm)
    # 9×9, two to a block and the one after them; then one at each doubled resolution, and 9×9 at the last.
    radius = 4 + 2 * depth + 1 + 2 + math.ceil(4 / 2**doublings)
    return Network(_filled(module, tensors), channels, 2**doublings, radius)


class _PlainBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.conv2(F.relu(self.conv1(x)))
        return result


class MsrResNet(nn.Module):
    """SRResNet without batch normalization, over a bilinear base: MSRResNet of BasicSR."""

    def __init__(self, channels: int, width: int, depth: int, factors: list[int]) -> None:
        super().__init__()
        self.factors = factors
        self.conv_first = nn.Conv2d(channels, width, 3, padding=1)
        self.body = nn.Sequential(*(_PlainBlock(width) for _ in range(depth)))
        for number, factor in enumerate(factors, 1):
            self.add_module(f"upconv{number}", nn.Conv2d(width, width * factor**2, 3, padding=1))
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(F.leaky_relu(self.conv_first(x), 0.1))
        for number, factor in enumerate(self.factors, 1):
            layer = self.get_submodule(f"upconv{number}")
            features = F.leaky_relu(F.pixel_shuffle(layer(features), factor), 0.1)
        base = F.interpolate(x, scale_factor=math.prod(self.factors), mode="bilinear", align_corners=False)
        result: Tensor = base + self.conv_last(F.leaky_relu(self.conv_hr(features), 0.1))
        return result


def _msrresnet(tensors: Tensors) -> Network | None:
    if "conv_first.weight" not in tensors or "body.0.conv1.weight" not in tensors or "upconv1.weight" not in tensors:
        return None
    width, channels = tensors["conv_first.weight"].shape[:2]
    depth = len(_numbers(tensors, r"body\.(\d+)\."))
    upscaling = _numbers(tensors, r"upconv(\d+)\.")
    factors = [math.isqrt(tensors[f"upconv{number}.weight"].shape[0] // width) for number in upscaling]
    module = MsrResNet(channels, width, depth, factors)
    return Network(_filled(module, tensors), channels, math.prod(factors), 1 + 2 * depth + len(factors) + 2)


# RLFN and EFDN, which look at a small copy of the whole picture to tell where to work


class _SpatialAttention(nn.Module):
    """Weighs features by what a much smaller copy of them shows (ESA, Liu et al. 2020, "RFANet").

    The copy is laid over the picture from edge to edge, so a result depends on where the edges are, if only a little.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1, self.conv4 = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)
        self.conv_f = nn.Conv2d(inner, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=2)
        self.conv3 = nn.Conv2d(inner, inner, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.conv1(x)
        small = self.coarse(F.max_pool2d(self.conv2(narrow), 7, stride=3))
        over = F.interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.conv4(over + self.conv_f(narrow)))

    def coarse(self, small: Tensor) -> Tensor:
        """Work on the small copy."""
        result: Tensor = self.conv3(small)
        return result


class _DeepSpatialAttention(_SpatialAttention):
    """That of EFDN: three convolutions on the small copy."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__(width, inner)
        self.conv_max, self.conv3_ = (nn.Conv2d(inner, inner, 3, padding=1) for _ in range(2))

    def coarse(self, small: Tensor) -> Tensor:
        result: Tensor = self.conv3_(F.relu(self.conv3(F.relu(self.conv_max(small)))))
        return result


class _RlfnBlock(nn.Module):
    def __init__(self, width: int, middle: int, inner: int) -> None:
        super().__init__()
        self.c1_r, self.c3_r = nn.Conv2d(width, middle, 3, padding=1), nn.Conv2d(middle, width, 3, padding=1)
        self.c2_r = nn.Conv2d(middle, middle, 3, padding=1)
        self.c5 = nn.Conv2d(width, width, 1)
        self.esa = _SpatialAttention(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for layer in (self.c1_r, self.c2_r, self.c3_r):
            features = F.leaky_relu(layer(features), 0.05)
        result: Tensor = self.esa(self.c5(features + x))
        return result


class _Rlfn(nn.Module):
    """Its pictures are 0 to 255."""

    def __init__(self, channels: int, width: int, middle: int, inner: int, depth: int, scale: int) -> None:
        super().__init__()
        self.depth = depth
        self.fea_conv = nn.Conv2d(channels, width, 3, padding=1)
        for number in range(1, depth + 1):
            self.add_module(f"B{number}", _RlfnBlock(width, middle, inner))
        self.LR_conv = nn.Conv2d(width, width, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        first = features = self.fea_conv(x * 255)
        for number in range(1, self.depth + 1):
            features = self.get_submodule(f"B{number}")(features)
        result: Tensor = self.upsampler(self.LR_conv(features) + first) / 255
        return result


def _rlfn(tensors: Tensors) -> Network | None:
    if "fea_conv.weight" not in tensors or "B1.esa.conv1.weight" not in tensors:
        return None
    width, channels = tensors["fea_conv.weight"].shape[:2]
    middle, inner = tensors["B1.c1_r.weight"].shape[0], tensors["B1.esa.conv1.weight"].shape[0]
    scale = math.isqrt(tensors["upsampler.0.weight"].shape[0] // channels)
    module = _Rlfn(channels, width, middle, inner, len(_numbers(tensors, r"B(\d+)\.")), scale)
    return Network(_filled(module, tensors), channels, scale, None)


class _EfdnLayer(nn.Module):
    """A convolution and PReLU; `name` is what the convolution is called."""

    def __init__(self, width: int, size: int, name: str) -> None:
        super().__init__()
        self.add_module(name, nn.Conv2d(width, width, size, padding=size // 2))
        self.act = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        convolution, activation = self.children()
        result: Tensor = activation(convolution(x))
        return result


class _EfdnCell(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1 = _EfdnLayer(width, 1, "conv1x1")
        self.conv2, self.conv3 = (_EfdnLayer(width, 3, "rep_conv") for _ in range(2))
        self.branch = nn.ModuleList(nn.Conv2d(width, width // 2, 1) for _ in range(4))
        self.fuse = nn.Conv2d(2 * width, width, 1)
        self.att = _DeepSpatialAttention(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        stages = [x]
        for layer in (self.conv1, self.conv2, self.conv3):
            stages.append(layer(stages[-1]))
        distilled = [branch(stage) for branch, stage in zip(self.branch, stages, strict=True)]
        result: Tensor = x + self.att(self.fuse(torch.cat(distilled, 1)))
        return result


class _Efdn(nn.Module):
    """Four cells; each but the first is mixed with an earlier one. Its blocks are those that are merged for use."""

    MIXED_WITH = (0, 1, 1)

    def __init__(self, channels: int, width: int, inner: int, scale: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(channels, width, 3, padding=1)
        self.cells = nn.ModuleList(_EfdnCell(width, inner) for _ in range(4))
        self.local_fuse = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for _ in range(3))
        self.tail = nn.Sequential(nn.Conv2d(width, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        start = self.head(x)
        features = self.cells[0](start)
        results = [features]
        for number, (fuse, earlier) in enumerate(zip(self.local_fuse, self.MIXED_WITH, strict=True), 1):
            results.append(self.cells[number](features))
            features = fuse(torch.cat([results[earlier], results[-1]], 1))
        result: Tensor = self.tail(features + start)
        return result


def _efdn(tensors: Tensors) -> Network | None:
    if "cells.0.conv2.rep_conv.weight" not in tensors or "local_fuse.0.weight" not in tensors:
        return None
    width, channels = tensors["head.weight"].shape[:2]
    scale = math.isqrt(tensors["tail.0.weight"].shape[0] // channels)
    module = _Efdn(channels, width, tensors["cells.0.att.conv1.weight"].shape[0], scale)
    return Network(_filled(module, tensors), channels, scale, None)


# All others


def _by_spandrel(path: Path, tensors: Tensors) -> Network:
    """Let the package spandrel recognize what we do not; what its networks see of a picture is not known."""
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # torchvision of another torch raises RuntimeError
        what = "holds no network that AssetForge itself knows: ESRGAN, Compact, SPAN, RLFN, EFDN, SRResNet"
        instead = f"pip install 'assetforge[spandrel]' for many more ({_first_line(error)})"
        raise af.StepError(str(path), what, instead) from error
    try:
        found = spandrel.ModelLoader("cpu").load_from_state_dict(dict(tensors))
    except (spandrel.UnsupportedModelError, RuntimeError, KeyError, ValueError) as error:
        raise af.StepError(str(path), f"holds no network that is known ({_first_line(error)})", _SAVE) from error
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.input_channels != found.output_channels:
        raise af.StepError(str(path), f"holds a network for another task ({found.purpose})", "use one that upscales")
    module = found.model.requires_grad_(requires_grad=False).eval()
    requirements = found.size_requirements
    return Network(module, found.input_channels, found.scale, None, requirements.multiple_of or 1)
