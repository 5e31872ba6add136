"""The method `patches`: what is kept, shared or made anew."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from pathlib import Path

import pytest
import torch
from assetforge_multiply import Reroll
from multiply.conftest import SMALL, exemplar, multiply, multiply_and_tell, placed, write_mask

from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import diversity


@pytest.mark.parametrize("name", ["stone", *(pytest.param(one, marks=pytest.mark.slow) for one in ("brick", "wood"))])
def test_without_variation_only_the_seams_are_removed(name: str) -> None:
    before = exemplar(name, 96)
    result = multiply(before, variation=0)
    for key, texture in result.items():
        check_map(texture, MAPS[key])
        untouched = (texture.data == before[key].data).all(0).float().mean()
        assert untouched >= 0.6
        assert seam_score(texture.data) <= max(1.2, 0.6 * seam_score(before[key].data))


@pytest.mark.slow
def test_a_little_variation_stays_nearer_to_the_exemplar_than_much() -> None:
    before = exemplar("stone")["height"].data
    away = [
        diversity(multiply(exemplar("stone"), variation=amount, candidates=1)["height"].data, before)
        for amount in (0.02, 0.2, 1.0)
    ]
    assert away[0] < away[1] < away[2]
    assert away[0] < 0.5 * away[2]


def test_what_is_to_be_kept_is_and_the_rest_is_made_of_it(tmp_path: Path) -> None:
    before = exemplar("stone", 96)
    hole = torch.zeros(96, 96, dtype=torch.bool)
    hole[50:80, 30:70] = True
    marked = before["height"].data.clone()
    marked[:, hole] = 0.0
    material = Material("stone", {"height": Texture(marked, ColorSpace.NONE)})
    result = multiply(material, keep=write_mask(tmp_path / "mask.png", ~hole))["height"].data
    assert torch.equal(result[:, ~hole], marked[:, ~hole])
    assert result[:, hole].min() >= marked[:, ~hole].min()
    assert result[:, hole].std() > 0.5 * marked[:, ~hole].std()


def test_what_is_ignored_is_not_taken_for_what_is_made_anew_beside_what_is_kept(tmp_path: Path) -> None:
    height = exemplar("stone", 48)["height"].data.clone()
    hole, stain = (torch.zeros(48, 48, dtype=torch.bool) for _ in range(2))
    hole[16:32, 30:42], stain[:, 24:] = True, True
    height[:, stain] = 1.0 + height[:, stain]
    masks = {"keep": write_mask(tmp_path / "keep.png", ~hole), "ignore": write_mask(tmp_path / "stain.png", stain)}
    result = multiply(Material("stone", {"height": Texture(height, ColorSpace.NONE)}), **masks)["height"].data
    assert torch.equal(result[:, ~hole], height[:, ~hole])
    assert result[:, hole].max() < 1.0


def region(tmp_path: Path) -> tuple[torch.Tensor, Path]:
    """What is made anew, and its mask."""
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[16:46, 13:50] = True
    return inside, write_mask(tmp_path / "region.png", inside)


def test_only_the_region_is_made_anew_and_its_rim_does_not_show(tmp_path: Path) -> None:
    inside, mask = region(tmp_path)
    before = placed("stone", 64)
    made = multiply(exemplar("stone", 64), candidates=1, reroll=Reroll(region=mask, seed=1))
    for name, texture in before.items():
        if name in made:
            assert torch.equal(made[name].data[:, ~inside], texture.data[:, ~inside])
    height = made["height"].data[0]
    assert (height - before["height"].data[0])[22:40, 19:44].abs().mean() > 0.02
    steps = (height[:, 1:] - height[:, :-1]).abs()
    at_the_rim = torch.cat([steps[16:46, 12], steps[16:46, 49]]).mean()
    assert at_the_rim <= steps.mean(0).quantile(0.995)


@pytest.mark.slow
def test_another_number_makes_another_region(tmp_path: Path) -> None:
    inside, mask = region(tmp_path)
    one, two = (multiply(exemplar("stone", 64), candidates=1, reroll=Reroll(region=mask, seed=seed)) for seed in (1, 2))
    assert not any(torch.equal(one[name].data[:, inside], two[name].data[:, inside]) for name in one)


@lru_cache
def with_the_same_edges(side: int) -> list[tuple[Material, float]]:
    """Two results, and which part of them is shared."""
    told = [multiply_and_tell(exemplar("stone", side), seed, edges=7, candidates=1) for seed in range(2)]
    return [(made, notes["shared"]) for made, notes, _ in told]


SIDES = [SMALL, pytest.param(64, marks=pytest.mark.slow), pytest.param(96, marks=pytest.mark.slow)]
"""Patches lie at every second pixel, at every one, and at every second one of more levels."""


@pytest.mark.parametrize("side", SIDES)
def test_results_with_the_same_edges_tile_with_one_another(side: int) -> None:
    variants = [made for made, _ in with_the_same_edges(side)]
    edge = side // 8
    for name in variants[0]:
        tiles = [one[name].data for one in variants]
        assert diversity(tiles[0], tiles[1]) > 0.1
        off = tiles[0] - tiles[1]
        rims = (off[:, :edge], off[:, -edge:], off[:, :, :edge], off[:, :, -edge:])
        assert all(rim.abs().max() == 0 for rim in rims)
        for first, second in product(tiles, repeat=2):  # they meet at the wrap
            assert seam_score(torch.cat([second, first], 2), "x") <= 1.2
            assert seam_score(torch.cat([second, first], 1), "y") <= 1.2


@pytest.mark.parametrize("side", SIDES)
def test_small_results_share_no_more_than_their_edges(side: int) -> None:
    (first, shared), (second, _) = with_the_same_edges(side)
    same = (first["height"].data == second["height"].data).float().mean().item()
    assert same == pytest.approx(shared, abs=0.02)
    assert same < 0.5
