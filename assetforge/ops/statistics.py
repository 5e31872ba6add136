"""How much two textures are alike, when they show the same material at other places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from assetforge.ops.exact import deviation, mean_channel, moments, root, whole
from assetforge.ops.resample import resample

_PROJECTIONS, _SIDE, _SCALES = 64, 7, 4
_UNIT, _MOST = 1 / 64, 512
"""Steps, in deviations, to which values are rounded, and how many of them at most: no sum of products is rounded."""
_SMALLEST_DEVIATION = 1e-4
_BINS = 24
_MANY = 2**16
_FLAT = 1e-12


def statistics_distance(result: Tensor, exemplar: Tensor, *, repeat: bool = True) -> float:
    """Return how far the patches of a texture are from those of an exemplar, both (C, H, W); 0 where they are alike.

    The sliced Wasserstein distance of 7×7 patches, over 4 octaves, of channels divided by their deviation in the
    exemplar (Elnekave and Weiss, "Generating natural images with direct patch distributions matching", 2022). The
    projections are always the same. `repeat` says whether the texture continues at its opposite edge. Both must be
    14 pixels wide and high at least, or ValueError is raised.
    """
    return PatchStatistics.of(exemplar).distance(result, repeat=repeat)


@dataclass(frozen=True)
class PatchStatistics:
    """What `statistics_distance` looks at of an exemplar: where several textures are compared with it, it is kept.

    shift, scale: (C, 1, 1), which bring channels to mean 0 and deviation 1. octaves: of each, the projections
    (N, C, h, w), and the quantiles (N, Q) of the exemplar's patches along them.
    """

    shift: Tensor
    scale: Tensor
    octaves: Sequence[tuple[Tensor, Tensor]]

    @staticmethod
    def of(exemplar: Tensor) -> PatchStatistics:
        """Take in an exemplar (C, H, W)."""
        mean, covariance = moments(exemplar)
        deviations = root(covariance.diagonal().clamp_min(0)).clamp_min(_SMALLEST_DEVIATION)
        shift, scale = (one.to(exemplar)[:, None, None] for one in (mean, deviations))
        exemplar = (exemplar - shift) / scale
        generator = torch.Generator().manual_seed(123)
        octaves = []
        for octave in range(_SCALES):
            kernels = random_directions(_PROJECTIONS, exemplar.shape[0], _SIDE, generator).to(exemplar.device)
            small = _shrunk(exemplar, octave, repeat=False)
            if min(small.shape[1:]) >= 2 * _SIDE:
                octaves.append((kernels, _quantiles(small, kernels)))
        return PatchStatistics(shift, scale, octaves)

    def distance(self, result: Tensor, *, repeat: bool = True) -> float:
        """Return how far the patches of a texture (C, H, W) are from the exemplar's; see `statistics_distance`."""
        result = (result - self.shift) / self.scale
        distances = []
        for octave, (kernels, wanted) in enumerate(self.octaves):
            small = _shrunk(result, octave, repeat=repeat)
            if min(small.shape[1:]) >= 2 * _SIDE:
                away = (_quantiles(small, kernels) - wanted).abs().double().sum(1)
                away /= root(kernels.double().square().sum((1, 2, 3)))
                distances.append(sum(away.tolist()) * _UNIT / wanted.numel())
        if not distances:
            raise ValueError(f"textures of less than {2 * _SIDE} pixels cannot be compared")
        return math.fsum(distances) / len(distances)


def random_directions(count: int, channels: int, side: int, generator: torch.Generator) -> Tensor:
    """Return random directions of patches, (count, channels, side, side), of whole numbers to 16, all but Gaussian."""
    rolls = torch.randint(-4, 5, (4, count, channels, side, side), generator=generator)
    return rolls.sum(0).float()


def _shrunk(pixels: Tensor, octave: int, *, repeat: bool) -> Tensor:
    size = (pixels.shape[1] >> octave, pixels.shape[2] >> octave)
    return resample(pixels, size, repeat=repeat) if octave else pixels


def _quantiles(picture: Tensor, kernels: Tensor, count: int = 4096) -> Tensor:
    """Return quantiles of each kernel's responses, at every n-th row and column where there are very many.

    They are whole numbers of `_UNIT` times the length of the kernel.
    """
    picture = whole(picture, _UNIT, _MOST)
    apart = max(1, round(math.sqrt(picture[0].numel() / _MANY)))
    rows = ordered(functional.conv2d(picture[None], kernels, stride=apart)[0].flatten(1))
    at = ((torch.arange(count) + 0.5) / count * rows.shape[1]).long()
    return rows[:, at]


def ordered(rows: Tensor) -> Tensor:
    """Return each row of (N, M) in ascending order. On the CPU, NumPy does it several times as fast as PyTorch."""
    if rows.device.type != "cpu":
        return rows.sort(1).values
    return torch.from_numpy(np.sort(rows.numpy(), axis=1))


def mutual_information(first: Tensor, second: Tensor) -> float:
    """Return the mutual information of two channels (H, W), in nats, from 24 by 24 bins of equal width."""
    bins = _bins(first) * _BINS + _bins(second)
    joint = torch.bincount(bins.flatten(), minlength=_BINS * _BINS).double().reshape(_BINS, _BINS)
    joint /= joint.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    there = joint > 0
    return (joint[there] * (joint[there] / independent[there]).log()).sum().item()


def _bins(values: Tensor) -> Tensor:
    lowest, highest = torch.aminmax(values)
    return ((values - lowest) / (highest - lowest).clamp_min(_FLAT) * _BINS).long().clamp(max=_BINS - 1)


def diversity(first: Tensor, second: Tensor) -> float:
    """Return how different two tiling textures (C, H, W) are wherever one is shifted to: 0 the same, 1 unrelated.

    1 minus the highest normalized correlation over all shifts on the torus.
    """
    first, second = (mean_channel(one)[0].double() for one in (first, second))
    spectra = [torch.fft.rfft2(one - one.mean()) for one in (first, second)]
    correlation = torch.fft.irfft2(spectra[0] * spectra[1].conj(), s=first.shape)
    scale = deviation(first) * deviation(second) * first.numel()
    return 1 - correlation.max().item() / scale if scale > _FLAT else 0.0


def autocorrelation(image: Tensor, *, repeat: bool) -> Tensor:
    """Return how much (H, W) is like itself where it is shifted: (H, W), 1 where it is not, by rows and columns.

    Without `repeat`, only what overlaps is compared. float64.
    """
    image = image.double() - image.double().mean()
    height, width = image.shape
    size = (height, width) if repeat else (2 * height, 2 * width)
    spectrum = torch.fft.rfft2(image, s=size)
    products = torch.fft.irfft2(spectrum * spectrum.conj(), s=size)[:height, :width]
    if not repeat:
        overlap = (height - torch.arange(height))[:, None] * (width - torch.arange(width))
        products = products / overlap
    normalized: Tensor = products / products[0, 0].clamp_min(_FLAT)
    return normalized
