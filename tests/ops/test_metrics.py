"""Measures of likeness: what the papers define, written out in another way, and what must hold of any picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from assetforge.ops.color import luma
from assetforge.ops.metrics import angular_error, consistency, fine_energy_gain, gmsd, hfen, psnr, rmse, ssim
from assetforge.ops.normals import normalize
from assetforge.ops.resample import BICUBIC, BOX, resample

SIDE = 40


def noise(seed: int, channels: int = 1, side: int = SIDE) -> Tensor:
    return torch.rand(channels, side, side, generator=torch.Generator().manual_seed(seed))


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of one channel and a damaged copy, (H, W), float64."""
    truth = noise(seed)[0].double()
    return (truth * 0.8 + noise(seed + 1)[0].double() * 0.2).numpy(), truth.numpy()


def tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels)[None]


def windows(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(pixels, (side, side))


def ssim_by_windows(one: np.ndarray, other: np.ndarray) -> float:
    """The formula of Wang et al., window by window, in 0 to 255."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weight = np.outer(line, line) / np.outer(line, line).sum()
    x, y = windows(one * 255, 11), windows(other * 255, 11)
    mx, my = ((values * weight).sum((2, 3)) for values in (x, y))
    dx, dy = x - mx[:, :, None, None], y - my[:, :, None, None]
    vx, vy, cov = ((product * weight).sum((2, 3)) for product in (dx * dx, dy * dy, dx * dy))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


def gmsd_by_windows(one: np.ndarray, other: np.ndarray) -> float:
    across = np.repeat([[1.0, 0.0, -1.0]], 3, 0) / 3

    def magnitude(pixels: np.ndarray) -> np.ndarray:
        halved = (pixels[::2, ::2] + pixels[1::2, ::2] + pixels[::2, 1::2] + pixels[1::2, 1::2]) / 4 * 255
        seen = windows(halved, 3)
        return np.hypot((seen * across).sum((2, 3)), (seen * across.T).sum((2, 3)))

    a, b = magnitude(one), magnitude(other)
    return float(((2 * a * b + 170) / (a**2 + b**2 + 170)).std(ddof=1))


def hfen_by_windows(one: np.ndarray, other: np.ndarray) -> float:
    y, x = np.mgrid[-7:8, -7:8]
    square = x**2 + y**2
    gaussian = np.exp(-square / (2 * 1.5**2))
    kernel = gaussian * (square - 2 * 1.5**2) / 1.5**4
    kernel -= kernel.mean()
    wrong, right = ((windows(pixels, 15) * kernel).sum((2, 3)) for pixels in (one - other, other))
    return float(np.linalg.norm(wrong) / np.linalg.norm(right))


@pytest.mark.parametrize(
    ("measure", "reference"), [(ssim, ssim_by_windows), (gmsd, gmsd_by_windows), (hfen, hfen_by_windows)]
)
@pytest.mark.parametrize("seed", [0, 7])
def test_a_measure_is_what_its_paper_defines(
    measure: Callable[[Tensor, Tensor], float], reference: Callable[[np.ndarray, np.ndarray], float], seed: int
) -> None:
    result, truth = pair(seed)
    assert measure(tensor(result), tensor(truth)) == pytest.approx(reference(result, truth), rel=1e-9)
    assert 0.01 < reference(result, truth) < 0.999


def test_rmse_and_psnr_agree() -> None:
    result, truth = (tensor(pixels) for pixels in pair())
    assert rmse(result, truth) == pytest.approx(float(np.sqrt(np.mean((result - truth).numpy() ** 2))))
    assert psnr(result, truth) == pytest.approx(-20 * math.log10(rmse(result, truth)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), channels=st.integers(1, 3))
def test_a_picture_is_like_itself(seed: int, channels: int) -> None:
    picture = noise(seed, channels, 24)
    assert ssim(picture, picture) == pytest.approx(1)
    assert gmsd(picture, picture) == pytest.approx(0, abs=1e-12)
    assert hfen(picture, picture) == 0
    assert fine_energy_gain(picture, picture, 4) == pytest.approx(0)
    assert psnr(picture, picture) == math.inf


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), less=st.floats(0.02, 0.2), more=st.floats(0.3, 0.9))
def test_more_damage_is_worse_by_every_measure(seed: int, less: float, more: float) -> None:
    truth, other = noise(seed, 1, 32), noise(seed + 1, 1, 32)
    good, bad = (torch.lerp(truth, other, share) for share in (less, more))
    assert ssim(bad, truth) < ssim(good, truth) < 1
    assert 0 < gmsd(good, truth) < gmsd(bad, truth)
    assert 0 < hfen(good, truth) < hfen(bad, truth)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), turn=st.sampled_from([(1,), (2,), (1, 2)]))
def test_a_measure_does_not_depend_on_how_pictures_are_turned(seed: int, turn: tuple[int, ...]) -> None:
    result, truth = noise(seed, 3, 32), noise(seed + 1, 3, 32)
    for measure in (ssim, gmsd, hfen):
        assert measure(result.flip(turn), truth.flip(turn)) == pytest.approx(measure(result, truth), rel=1e-9)
        assert measure(result.mT, truth.mT) == pytest.approx(measure(result, truth), rel=1e-9)


@pytest.mark.parametrize("measure", [ssim, gmsd])
def test_two_pictures_are_as_like_as_they_are_the_other_way_round(measure: Callable[[Tensor, Tensor], float]) -> None:
    one, other = noise(1, 3), noise(2, 3)
    assert measure(one, other) == pytest.approx(measure(other, one))


@pytest.mark.parametrize("measure", [ssim, hfen, gmsd, rmse])
def test_channels_count_alike(measure: Callable[[Tensor, Tensor], float]) -> None:
    result, truth = noise(1), noise(2)
    assert measure(result.expand(3, -1, -1), truth.expand(3, -1, -1)) == pytest.approx(measure(result, truth))


def test_noise_on_a_flat_picture_does_not_explode() -> None:
    """Where the truth holds nothing, a ratio to it would be without bounds."""
    flat = torch.full((1, SIDE, SIDE), 0.5)
    noisy = flat + (noise(1) - 0.5) * 2 / 255
    assert hfen(noisy, flat) < 1
    assert 0 < fine_energy_gain(noisy, flat, 4) < 10
    assert hfen(flat, flat) == 0
    assert fine_energy_gain(flat, flat, 4) == 0
    assert 0 < hfen(flat + (noise(1) - 0.5) / 255 / 100, flat) < 0.01


def test_a_shift_of_tone_is_no_error_of_fine_detail() -> None:
    truth = noise(1, 3)
    assert hfen(truth * 1 + 0.1, truth) < 1e-5
    assert fine_energy_gain(truth + 0.1, truth, 4) == pytest.approx(0, abs=1e-5)


def test_fine_energy_tells_soft_from_sharp() -> None:
    truth = noise(3, 1, 64)
    soft = resample(resample(truth, (16, 16), BICUBIC), (64, 64), BICUBIC)
    assert fine_energy_gain(soft, truth, 4) < -10
    assert fine_energy_gain(0.5 + (truth - 0.5) * 2, truth, 4) == pytest.approx(20 * math.log10(2), abs=0.01)


@pytest.mark.parametrize(("period", "counts"), [(16, False), (4, True)])
def test_fine_is_what_the_smaller_picture_cannot_hold(period: int, counts: bool) -> None:
    wave = 0.5 + 0.2 * torch.sin(torch.arange(64) * 2 * math.pi / period).expand(1, 64, 64)
    flat = torch.full((1, 64, 64), 0.5)
    assert (fine_energy_gain(wave, flat, 4) > 20) == counts


def test_consistency_asks_what_is_left_when_it_is_reduced_again() -> None:
    truth = noise(1, 3, 64)
    for kernel in (BICUBIC, BOX):
        source = resample(truth, (16, 16), kernel)
        assert consistency(truth, source, kernel) > 100
        assert consistency(truth + 0.01, source, kernel) == pytest.approx(40, abs=0.01)
    rolled, source = truth.roll(4, 2), resample(truth, (16, 16), BICUBIC, repeat=True)
    assert consistency(rolled, source.roll(1, 2), repeat=True) > 100


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), degrees=st.floats(0, 80))
def test_the_angle_between_normals_is_that_by_which_they_are_turned(seed: int, degrees: float) -> None:
    normals = normalize(torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(seed)).double())
    a = math.radians(degrees)
    x, y, z = normals
    side = torch.hypot(x, z)
    assert angular_error(normals, torch.stack([x, y, z])) == pytest.approx(0, abs=1e-5)
    turned = torch.stack([x * math.cos(a) + z * math.sin(a), y, z * math.cos(a) - x * math.sin(a)])
    expected = 2 * torch.asin((side * math.sin(a / 2)).clamp(0, 1)).rad2deg().mean()
    assert angular_error(normals, turned) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("size", [(10, 12), (40, 24), (20, 50)])
def test_bicubic_is_that_of_pillow_away_from_the_edges(size: tuple[int, int]) -> None:
    picture = noise(5)[0]
    theirs = Image.fromarray(picture.numpy()).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    ours = resample(picture[None], size, BICUBIC)[0]
    inner = tuple(slice(margin, side - margin) for side in size for margin in [2 * max(1, round(side / SIDE))])
    torch.testing.assert_close(ours[inner], torch.from_numpy(np.array(theirs))[inner], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("is_rounded", "decibels", "likeness"), [(True, 28.42, 0.8104), (False, 28.43, 0.8111)])
def test_bicubic_on_set5_is_what_papers_print(is_rounded: bool, decibels: float, likeness: float, data: Path) -> None:
    """28.42 dB and 0.8104 at four times, where MATLAB rounds luma to 8 bits; a bit more of luma that is not rounded."""
    found = []
    for file in sorted((data / "sr" / "set5").iterdir()):
        truth = torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1) / 255
        height, width = (side - side % 4 for side in truth.shape[1:])
        truth = truth[:, :height, :width]
        small = rounded(resample(truth, (height // 4, width // 4), BICUBIC))
        large = rounded(resample(small, (height, width), BICUBIC))
        result, expected = (luma(pixels)[:, 4:-4, 4:-4] for pixels in (large, truth))
        result, expected = (rounded(result), rounded(expected)) if is_rounded else (result, expected)
        found.append((psnr(result, expected), ssim(result, expected)))
    assert np.mean(found, 0) == pytest.approx([decibels, likeness], abs=0.005)
    assert np.mean(found, 0)[1] == pytest.approx(likeness, abs=0.0003)


def rounded(pixels: Tensor) -> Tensor:
    return (pixels.clamp(0, 1) * 255).round() / 255
