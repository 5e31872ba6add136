"""What a result is compared with its truth by: (B, C, H, W) each, sRGB-encoded color or data, nominally 0 to 1.

Each loss is a scalar, 0 where both are equal, and its gradient is finite there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge import weights
from assetforge.weights import vgg19
from assetforge.weights.features import Vgg19
from assetforge.weights.foreign import read

Loss = Callable[[Tensor, Tensor], Tensor]

_SMOOTH = 1e-3
"""Difference below which an absolute value is smoothed: a quarter of a code of 8 bits."""
_PSNR_FLOOR = 1e-6
"""Mean squared error, that of 60 dB, below which the loss `psnr` hardly gains: 8 bits cannot hold it."""
_PSNR_UNIT = 0.01
_BROAD = 4
_LOG_SIDE, _LOG_SIGMA = 15, 1.5
"""Of the filter of HFEN."""


def mse(result: Tensor, truth: Tensor) -> Tensor:
    """Return the mean squared error."""
    return F.mse_loss(result, truth)


def l1(result: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute error."""
    return F.l1_loss(result, truth)


def charbonnier(result: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute error, smooth at 0 (Charbonnier et al. 1994)."""
    return _smooth(result - truth)


def psnr(result: Tensor, truth: Tensor) -> Tensor:
    """Return how many dB of PSNR are missing to 60, in hundreds, picture by picture.

    Unlike the squared error it asks as much of pictures that are nearly right as of others.
    """
    error = (result - truth).square().mean((1, 2, 3))
    return (10 * _PSNR_UNIT) * torch.log10(1 + error / _PSNR_FLOOR).mean()


def hfen(result: Tensor, truth: Tensor) -> Tensor:
    """Return the high-frequency error: that of both seen through a Laplacian of a Gaussian (Ravishankar 2011)."""
    difference = result - truth
    kernel = _laplacian_of_gaussian().to(difference)[None, None]
    planes = difference.flatten(0, 1)[:, None]
    padded = F.pad(planes, (_LOG_SIDE // 2,) * 4, mode="reflect")
    return _smooth(F.conv2d(padded, kernel))


def gradient(result: Tensor, truth: Tensor) -> Tensor:
    """Return the error of the differences between neighbors, across and down."""
    difference = result - truth
    return _smooth(difference.diff(dim=2)) + _smooth(difference.diff(dim=3))


def broad(result: Tensor, truth: Tensor) -> Tensor:
    """Return the error of the means of squares of 4 pixels: of what small pictures of both would show."""
    return _smooth(F.avg_pool2d(result - truth, _BROAD))


def _smooth(difference: Tensor) -> Tensor:
    return ((difference.square() + _SMOOTH**2).sqrt() - _SMOOTH).mean()


def _laplacian_of_gaussian() -> Tensor:
    """Return a filter (15, 15), σ = 1.5, whose sum is 0 and whose absolute values add up to 1."""
    at = torch.arange(_LOG_SIDE, dtype=torch.float64) - _LOG_SIDE // 2
    squared = at[:, None].square() + at[None].square()
    scaled = squared / (2 * _LOG_SIGMA**2)
    kernel = (scaled - 1) * torch.exp(-scaled)
    kernel = kernel - kernel.mean()
    return kernel / kernel.abs().sum()


class Perceptual:
    """Mean absolute error of features, each layer in parts of how much the truth's vary there.

    Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016. One channel counts as
    gray.
    """

    def __init__(self, features: Vgg19) -> None:
        self._features = features

    def __call__(self, result: Tensor, truth: Tensor) -> Tensor:
        """Return the loss."""
        if self._features.device != result.device:
            self._features = self._features.to(result.device)
        found, wanted = (self._layers(one) for one in (result, truth.detach()))
        losses = [_smooth((one - other) / (other.std() + _SMOOTH)) for one, other in zip(found, wanted, strict=True)]
        return torch.stack(losses).mean()

    def _layers(self, pictures: Tensor) -> list[Tensor]:
        return self._features(pictures.expand(-1, 3, -1, -1), "reflect")


def perceptual(network: Path | None) -> Perceptual:
    """Compare by the features of a file of VGG-19, or of the feature network that comes with AssetForge.

    Raises UsageError where the file is no VGG-19.
    """
    if network is None:
        return Perceptual(Vgg19.load(weights.find("forge", Path(__file__).parent.parent)))
    tensors = vgg19.canonical(read(network), str(network), sha256=weights.sha256(network))
    return Perceptual(Vgg19(tensors))


PLAIN: Mapping[str, Loss] = {
    "charbonnier": charbonnier,
    "l1": l1,
    "mse": mse,
    "psnr": psnr,
    "hfen": hfen,
    "broad": broad,
    "gradient": gradient,
}
"""Losses that need no network, by the names of their weights."""


def combined(shares: Mapping[str, float], network: Path | None) -> Loss:
    """Add up losses by their weights; of those that are named, `gan` is left to others."""
    parts: list[tuple[float, Loss]] = [(shares[name], loss) for name, loss in PLAIN.items() if shares.get(name)]
    if shares.get("perceptual"):
        parts.append((shares["perceptual"], perceptual(network)))

    def together(result: Tensor, truth: Tensor) -> Tensor:
        return sum((share * loss(result, truth) for share, loss in parts), result.new_zeros(()))

    return together
