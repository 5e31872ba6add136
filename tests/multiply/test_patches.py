"""The method `patches`: what is kept, shared or made anew."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch
from assetforge_multiply import Reroll
from multiply.conftest import SMALLER, exemplar, multiply, multiply_and_tell, placed, write_mask

from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import diversity


@pytest.mark.parametrize("name", ["stone", "brick", "wood"])
def test_without_variation_only_the_seams_are_removed(name: str) -> None:
    before = exemplar(name)
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
    before = exemplar("stone", 112)
    hole = torch.zeros(112, 112, dtype=torch.bool)
    hole[60:90, 40:80] = True
    marked = before["height"].data.clone()
    marked[:, hole] = 0.0
    material = Material("stone", {"height": Texture(marked, ColorSpace.NONE)})
    result = multiply(material, keep=write_mask(tmp_path / "mask.png", ~hole))["height"].data
    assert torch.equal(result[:, ~hole], marked[:, ~hole])
    assert result[:, hole].min() >= marked[:, ~hole].min()
    assert result[:, hole].std() > 0.5 * marked[:, ~hole].std()


def test_only_the_region_is_made_anew_and_its_rim_does_not_show(tmp_path: Path) -> None:
    region = torch.zeros(SMALLER, SMALLER, dtype=torch.bool)
    region[16:46, 13:50] = True
    mask = write_mask(tmp_path / "region.png", region)
    before = placed("stone", SMALLER)
    one, two = (
        multiply(exemplar("stone", SMALLER), candidates=1, reroll=Reroll(region=mask, seed=seed)) for seed in (1, 2)
    )
    for name in one:
        texture = before[name]
        assert torch.equal(one[name].data[:, ~region], texture.data[:, ~region])
        assert not torch.equal(one[name].data[:, region], two[name].data[:, region])
    height = one["height"].data[0]
    assert (height - before["height"].data[0])[22:40, 19:44].abs().mean() > 0.02
    steps = (height[:, 1:] - height[:, :-1]).abs()
    at_the_rim = torch.cat([steps[16:46, 12], steps[16:46, 49]]).mean()
    assert at_the_rim <= steps.mean(0).quantile(0.995)


def test_results_with_the_same_edges_tile_with_one_another() -> None:
    variants = [multiply(exemplar("stone", SMALLER), seed, edges=7, candidates=1) for seed in range(2)]
    edge = SMALLER // 8
    for name in variants[0]:
        tiles = [one[name].data for one in variants]
        assert diversity(tiles[0], tiles[1]) > 0.1
        off = tiles[0] - tiles[1]
        rims = (off[:, :edge], off[:, -edge:], off[:, :, :edge], off[:, :, -edge:])
        assert all(rim.abs().max() == 0 for rim in rims)
        for first, second in product(tiles, repeat=2):  # they meet at the wrap
            assert seam_score(torch.cat([second, first], 2), "x") <= 1.2
            assert seam_score(torch.cat([second, first], 1), "y") <= 1.2


@pytest.mark.parametrize("side", [66, pytest.param(96, marks=pytest.mark.slow)])
def test_small_results_share_no_more_than_their_edges(side: int) -> None:
    first, second = (multiply_and_tell(exemplar("stone", side), seed, edges=1, candidates=1) for seed in (0, 1))
    same = (first[0]["height"].data == second[0]["height"].data).float().mean().item()
    assert same == pytest.approx(first[1]["shared"], abs=0.02)
    assert same < 0.5
