"""Homographies: laws that planes seen from elsewhere obey."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from assetforge.ops import homography as plane

SIZE = (30, 50)
IDENTITY = torch.eye(3, dtype=torch.float64)


def corners() -> Tensor:
    height, width = SIZE
    return torch.tensor([[0, width - 1, width - 1, 0], [0, 0, height - 1, height - 1]], dtype=torch.float64)


def offsets(seed: int) -> Tensor:
    return torch.rand(4, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 6 - 3


def test_a_grid_counts_pixels_right_and_down() -> None:
    grid = plane.grid(SIZE)
    assert grid.shape == (2, *SIZE)
    assert grid[:, 3, 7].tolist() == [7, 3]


@pytest.mark.parametrize("seed", range(3))
def test_corners_go_where_they_are_sent(seed: int) -> None:
    moved = plane.apply(plane.of_corners(offsets(seed), SIZE), corners())
    assert torch.allclose(moved, corners() + offsets(seed).T, atol=1e-9)


def test_corners_that_stay_leave_all_as_it_is() -> None:
    assert torch.allclose(plane.of_corners(torch.zeros(4, 2), SIZE), IDENTITY, atol=1e-12)


def test_one_after_the_other_is_the_product() -> None:
    first, second = (plane.of_corners(offsets(seed), SIZE) for seed in (1, 2))
    points = plane.grid(SIZE)
    assert torch.allclose(plane.apply(second @ first, points), plane.apply(second, plane.apply(first, points)))


def test_the_inverse_leads_back_and_straight_lines_stay_straight() -> None:
    homography = plane.of_corners(offsets(4), SIZE)
    line = torch.stack([torch.linspace(0, 49, 9), torch.linspace(3, 20, 9)]).double()
    moved = plane.apply(homography, line)
    assert torch.allclose(plane.apply(homography.inverse(), moved), line)
    along = moved - moved[:, :1]
    assert (along[0] * along[1, -1] - along[1] * along[0, -1]).abs().max() < 1e-8


@pytest.mark.parametrize("radial", [-0.1, 0.0, 0.2])
def test_bending_keeps_the_center_and_moves_corners_by_the_radial_term(radial: float) -> None:
    center = torch.tensor([[24.5], [14.5]], dtype=torch.float64)
    bent = plane.bend(torch.cat([center, corners()], 1), radial, SIZE)
    assert torch.allclose(bent[:, :1], center)
    assert torch.allclose(bent[:, 1:] - center, (corners() - center) * (1 + radial))


@pytest.mark.parametrize("bicubic", [False, True])
def test_sampling_at_its_own_pixels_changes_nothing(bicubic: bool) -> None:
    pixels = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(plane.sample(pixels, plane.grid(SIZE), bicubic=bicubic), pixels, atol=1e-5)


def test_sampling_between_pixels_of_a_ramp_goes_by_the_place_and_edges_are_held() -> None:
    ramp = torch.arange(SIZE[1]).float().expand(1, *SIZE)
    right = plane.grid(SIZE) + torch.tensor([0.25, 0.0])[:, None, None]
    for bicubic, most in ((False, 1e-4), (True, 0.1)):
        made = plane.sample(ramp, right, bicubic=bicubic)
        assert torch.allclose(made[..., 2:-3], ramp[..., 2:-3] + 0.25, atol=most)
    beyond = plane.grid(SIZE) + 100
    assert (plane.sample(ramp, beyond, bicubic=False) == SIZE[1] - 1).all()


@pytest.mark.parametrize("margin", [0, 1, 7])
def test_a_margin_is_left_out_on_each_side(margin: int) -> None:
    inside = plane.inside(plane.grid(SIZE), SIZE, margin)
    assert inside.sum() == (SIZE[0] - 2 * margin) * (SIZE[1] - 2 * margin)
    assert not plane.inside(plane.grid(SIZE) - SIZE[1], SIZE).any()
