"""Ambient occlusion by horizons: what geometry says of simple reliefs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from assetforge.ops.occlusion import horizon_occlusion


def seen(height: Tensor, radius: float = 12, *, repeat: bool = True) -> Tensor:
    return horizon_occlusion(height, torch.zeros(2, *height.shape[1:]), radius, repeat=repeat)[0]


def test_level_ground_sees_all_of_the_sky() -> None:
    assert torch.allclose(seen(torch.full((1, 16, 16), 3.0)), torch.ones(16, 16), atol=1e-5)


def test_the_ground_of_a_trench_sees_less_the_deeper_it_is_and_its_rim_all() -> None:
    shares = []
    for depth in (1.0, 4.0, 16.0):
        height = torch.zeros(1, 32, 32)
        height[:, :, 14:18] = -depth
        share = seen(height)
        assert share[16, 4].item() == pytest.approx(1, abs=1e-4)
        shares.append(share[16, 15].item())
    assert shares[0] > shares[1] > shares[2] > 0


def test_it_does_not_matter_how_high_all_lies_or_which_way_it_is_turned() -> None:
    height = torch.rand(1, 24, 24, generator=torch.Generator().manual_seed(0)) * 4
    here = seen(height)
    assert torch.allclose(seen(height + 100), here, atol=1e-4)
    assert torch.allclose(seen(height.rot90(2, (1, 2))), here.rot90(2), atol=1e-5)
    assert torch.allclose(seen(height.roll((5, 7), (1, 2))), here.roll((5, 7), (0, 1)), atol=1e-5)


def test_what_is_beyond_the_radius_hides_nothing() -> None:
    height = torch.zeros(1, 64, 64)
    height[:, :, 40:42] = 50.0
    near = seen(height, 6)
    assert torch.allclose(near[:, :30], torch.ones(64, 30), atol=1e-5)
    assert seen(height, 24)[32, 30] < 0.95


def test_a_wall_beside_a_level_ground_hides_about_half_of_the_sky() -> None:
    height = torch.zeros(1, 8, 64)
    height[:, :, 32:] = 1e4
    beside = seen(height, 20, repeat=False)[4, 31].item()
    assert beside == pytest.approx(0.5 + 0.5 / 8, abs=0.02)  # of eight lines, one runs along the wall


def test_progress_goes_up_and_shares_lie_between_none_and_all() -> None:
    told: list[float] = []
    height = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(1)) * 20
    slopes = torch.zeros(2, 16, 16) + math.tan(0.3)
    share = horizon_occlusion(height, slopes, 6, repeat=True, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert share.min() >= 0
    assert share.max() <= 1
