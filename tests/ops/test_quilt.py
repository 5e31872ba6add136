"""Quilting: one cut for all maps."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from assetforge.ops.blur import blurred
from assetforge.ops.quilt import quilted
from assetforge.ops.seams import seam_score


def maps(height: int = 40, width: int = 56) -> dict[str, Tensor]:
    noise = torch.rand(1, height, width, generator=torch.Generator().manual_seed(0))
    soft = blurred(noise, 2.0)
    return {"height": soft, "copy": soft.clone(), "id": (soft > soft.median()).float() * 7}


def by_height(given: Mapping[str, Tensor]) -> Tensor:
    return given["height"]


@pytest.mark.parametrize("axes", ["x", "y", "xy"])
def test_ends_meet_along_the_axes_that_are_asked_for(axes: str) -> None:
    made = quilted(maps(), by_height, axes)
    assert seam_score(made["height"], axes) <= 1.3
    assert (made["height"].shape[2] < 56) == ("x" in axes)
    assert (made["height"].shape[1] < 40) == ("y" in axes)


@pytest.mark.parametrize("period", [41, 55, 58])
def test_what_repeats_is_cut_after_whole_periods(period: int) -> None:
    """Also where the middle is far from 0 and noise lies over it."""
    noise = torch.rand(1, 64, period, generator=torch.Generator().manual_seed(1)).repeat(1, 1, 3)[:, :, :100]
    over = torch.rand(1, 64, 100, generator=torch.Generator().manual_seed(2))
    made = quilted({"height": 20 + blurred(noise, 1.5) + 0.02 * over}, by_height, "x")
    assert made["height"].shape[2] in (period, 2 * period)


def test_all_maps_are_cut_along_the_same_path() -> None:
    made = quilted(maps(), by_height)
    assert torch.equal(made["copy"], made["height"])
    assert made["id"].shape == made["height"].shape


def test_what_must_not_be_mixed_keeps_its_values() -> None:
    made = quilted(maps(), by_height, unmixed=frozenset({"id"}))
    assert set(made["id"].unique().tolist()) == {0.0, 7.0}
    assert quilted(maps(), by_height)["id"].unique().numel() > 2


def test_a_pattern_is_cut_to_whole_periods() -> None:
    across = torch.sin(torch.arange(70) / 16 * 2 * torch.pi).expand(1, 32, 70).contiguous()
    made = quilted({"height": across}, by_height, "x")
    assert made["height"].shape[2] % 16 == 0


def test_nothing_is_made_up() -> None:
    given = maps()
    made = quilted(given, by_height)
    assert made["height"].min() >= given["height"].min()
    assert made["height"].max() <= given["height"].max()


def test_rows_that_go_on_around_are_cut_so_that_they_still_do() -> None:
    rows = torch.sin(torch.arange(32) / 32 * 2 * torch.pi)[:, None]
    given = {"height": (rows * 0.3 + maps(32, 56)["height"])}
    tiled = quilted(given, by_height, "y")  # continues down
    made = quilted(tiled, by_height, "x", closed=True)
    assert seam_score(made["height"], "xy") <= 1.3
