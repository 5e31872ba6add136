"""Measures that tell textures of one material from others, wherever what they show lies."""

from __future__ import annotations

import pytest
import torch

from assetforge.ops.statistics import (
    PatchStatistics,
    autocorrelation,
    diversity,
    mutual_information,
    statistics_distance,
)
from assetforge.samples import make_sample


def noise(seed: int, *size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def test_the_distance_is_small_between_parts_of_one_texture_and_large_between_two() -> None:
    bricks, metal = (make_sample(name, 192)["base_color"].data for name in ("brick", "metal"))
    same = statistics_distance(bricks.roll((60, 31), (1, 2)), bricks)
    assert same < 0.3 * statistics_distance(metal, bricks)
    assert statistics_distance(bricks, bricks, repeat=False) == 0
    kept = PatchStatistics.of(bricks)
    assert all(kept.distance(one) == statistics_distance(one, bricks) for one in (metal, bricks))


def test_blur_and_contrast_count() -> None:
    grain = noise(1, 1, 128, 128)
    blurred = torch.nn.functional.avg_pool2d(grain[None], 3, 1, 1)[0]
    assert statistics_distance(blurred, grain) > 10 * statistics_distance(noise(2, 1, 128, 128), grain)
    assert statistics_distance(grain * 0.8, grain) > 3 * statistics_distance(noise(2, 1, 128, 128), grain)


def test_mutual_information_is_zero_of_what_is_independent() -> None:
    first = noise(1, 256, 256)
    assert mutual_information(first, noise(2, 256, 256)) < 0.01
    assert mutual_information(first, 1 - first) > 2
    assert mutual_information(first, torch.zeros(256, 256)) == pytest.approx(0, abs=1e-9)


def test_diversity_is_not_fooled_by_shifts() -> None:
    first = noise(1, 3, 64, 64)
    assert diversity(first, first.roll((13, 40), (1, 2))) == pytest.approx(0, abs=1e-4)
    assert diversity(first, noise(2, 3, 64, 64)) > 0.8


@pytest.mark.parametrize("repeat", [True, False])
def test_autocorrelation_finds_the_period(repeat: bool) -> None:
    line = torch.sin(torch.arange(120) * 2 * torch.pi / 20)
    alike = autocorrelation(line[:, None] + line, repeat=repeat)
    assert alike[0, 0] == pytest.approx(1)
    assert alike[20, 40] == pytest.approx(1, abs=0.02)
    assert alike[10, 10] == pytest.approx(-1, abs=0.02)
