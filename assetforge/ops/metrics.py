"""Measures of likeness between a result and the truth. All but `angular_error` take values of 0 to 1, (C, H, W)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from assetforge.ops.resample import BICUBIC, Kernel, resample

SMALLEST_SIDE = 16
"""Of pictures that all measures can be taken of: the window of the Laplacian of Gaussian has 15 pixels."""
_CODE = 1 / 255
"""One code value of 8 bits. What is less than that is no detail; where there is none, a ratio would say nothing."""


def psnr(result: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for values of 0 to 1 of any equal shapes; infinite where they are the same."""
    error = rmse(result, truth)
    return math.inf if error == 0 else -20 * math.log10(error)


def rmse(result: Tensor, truth: Tensor) -> float:
    """Root of the mean squared difference of any equal shapes."""
    return math.sqrt((result.double() - truth.double()).square().mean().item())


def angular_error(result: Tensor, truth: Tensor) -> float:
    """Mean angle in degrees between two fields of unit vectors (3, H, W)."""
    cosine = (result.double() * truth.double()).sum(0).clamp(-1, 1)
    return torch.rad2deg(torch.acos(cosine)).mean().item()


def ssim(result: Tensor, truth: Tensor) -> float:
    """Structural similarity, 1 for equal pictures; the mean over channels and over windows that lie inside.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004: a Gaussian window of
    11 × 11 pixels with a deviation of 1.5, K1 = 0.01, K2 = 0.03.
    """
    one, other = result.double(), truth.double()
    gaussian = torch.exp(-(torch.arange(-5.0, 6.0, dtype=torch.float64) ** 2) / (2 * 1.5**2))
    taps = (gaussian / gaussian.sum()).tolist()

    def mean(pixels: Tensor) -> Tensor:
        return _filtered(_filtered(pixels, taps, 1), taps, 2)

    c1, c2 = 0.01**2, 0.03**2
    mean_one, mean_other = mean(one), mean(other)
    covariance = mean(one * other) - mean_one * mean_other
    variances = mean(one.square()) - mean_one.square() + mean(other.square()) - mean_other.square()
    luminance = (2 * mean_one * mean_other + c1) / (mean_one.square() + mean_other.square() + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean().item()


def _filtered(pixels: Tensor, taps: Sequence[float], axis: int) -> Tensor:
    """Filter (C, H, W) along one axis, where the taps lie inside; for float64, that is faster than a convolution."""
    length = pixels.shape[axis] - len(taps) + 1
    result = torch.zeros_like(pixels.narrow(axis, 0, length))
    for place, tap in enumerate(taps):
        result.add_(pixels.narrow(axis, place, length), alpha=tap)
    return result


def gmsd(result: Tensor, truth: Tensor) -> float:
    """Gradient magnitude similarity deviation: 0 for equal pictures, more is worse. The mean over channels.

    Xue et al., "Gradient Magnitude Similarity Deviation", 2014: on means of 2 × 2 pixels, with c = 170 for 8 bits.
    """
    one, other = (_gradient(pixels) for pixels in (result, truth))
    c = 170 * _CODE**2
    similarity = (2 * one * other + c) / (one.square() + other.square() + c)
    return similarity.flatten(1).std(1).mean().item()


def _gradient(pixels: Tensor) -> Tensor:
    """Return the magnitude of the gradient by Prewitt's filters, (C, h, w), of a picture that is halved."""
    halved = F.avg_pool2d(pixels.double()[:, None], 2)
    across = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64, device=pixels.device).expand(3, 3) / 3
    both = F.conv2d(halved, torch.stack([across, across.T])[:, None])
    return both.square().sum(1).sqrt()


def hfen(result: Tensor, truth: Tensor) -> float:
    """High-frequency error norm: how much of the truth's fine detail is missing or wrong, 0 to about 1.

    Ravishankar and Bresler, "MR Image Reconstruction From Highly Undersampled k-Space Data", 2011: the norm of the
    difference through a Laplacian of Gaussian of 15 × 15 pixels with a deviation of 1.5, over that of the truth. Where
    the truth has less detail than noise of one code value in 8 bits, the difference is over that of such noise.
    """
    bent, gaussian, mean = _laplacian_of_gaussian()
    flat = [1.0] * len(gaussian)

    def detail(pixels: Tensor) -> Tensor:
        parts = ((bent, gaussian, 1), (gaussian, bent, 1), (flat, flat, -mean))
        wide = pixels.double()
        return torch.stack([_filtered(_filtered(wide, down, 1), across, 2) * by for down, across, by in parts]).sum(0)

    impulse = torch.zeros(1, 29, 29, dtype=torch.float64)
    impulse[0, 14, 14] = 1
    least = _CODE * math.sqrt(detail(impulse).square().sum().item())
    wrong, right = (detail(pixels).square().mean().sqrt().item() for pixels in (result.double() - truth, truth))
    return wrong / max(right, least)


def _laplacian_of_gaussian(deviation: float = 1.5) -> tuple[list[float], list[float], float]:
    """Return the bent and the Gaussian factor of the kernel's two products, and its mean, which it does without."""
    line = torch.arange(-7.0, 8.0, dtype=torch.float64)
    gaussian = torch.exp(-line.square() / (2 * deviation**2))
    bent = (line.square() - deviation**2) / deviation**4 * gaussian
    return bent.tolist(), gaussian.tolist(), 2 * (bent.mean() * gaussian.mean()).item()


def fine_energy_gain(result: Tensor, truth: Tensor, scale: float) -> float:
    """Energy in dB that a result has more than the truth at frequencies that a picture `scale` times smaller lacks.

    Below 0, it is too soft; above 0, it has more fine detail than there was. The noise of rounding to 8 bits is added
    to both, so that it is about 0 where there is nothing on either side.
    """
    return 10 * math.log10(_fine_energy(result, scale) / _fine_energy(truth, scale))


def _fine_energy(pixels: Tensor, scale: float) -> float:
    """Return the energy above the Nyquist frequency of the smaller picture, within a Hann window."""
    rows, columns = pixels.shape[1:]
    window = _hann(rows, pixels)[:, None] * _hann(columns, pixels)
    centered = pixels.double() - pixels.double().mean((1, 2), keepdim=True)
    power = torch.fft.fft2(centered * window).abs().square().mean(0)
    down, across = (torch.fft.fftfreq(side, device=pixels.device).abs() for side in (rows, columns))
    fine = torch.maximum(down[:, None], across) > 0.5 / scale
    noise = _CODE**2 / 12 * window.square().sum()
    return float((power[fine] + noise).sum())


def _hann(side: int, like: Tensor) -> Tensor:
    return torch.hann_window(side, dtype=torch.float64, device=like.device)


def consistency(result: Tensor, source: Tensor, kernel: Kernel = BICUBIC, *, repeat: bool = False) -> float:
    """PSNR in dB of a result that is reduced again to the size of its source (C, h, w), against that."""
    size: tuple[int, int] = (source.shape[1], source.shape[2])
    return psnr(resample(result, size, kernel, repeat=repeat), source)
