"""Parts of a result that are made anew or shared: regions, edges; and the coordinates that make it again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import pytest
import torch
from assetforge_multiply import Params, Reroll
from assetforge_multiply._multiply import multiply_material
from conftest import Forge
from multiply.conftest import SPECS, apply, exemplar, multiply, multiply_and_tell, write_mask

import assetforge as af
from assetforge.ops.resample import matched
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import diversity


def test_only_the_region_is_made_anew_and_its_rim_does_not_show(tmp_path: Path) -> None:
    region = torch.zeros(144, 144, dtype=torch.bool)
    region[40:100, 30:110] = True
    mask = write_mask(tmp_path / "region.png", region)
    before = multiply(exemplar("stone"), candidates=1)
    one, two = (multiply(exemplar("stone"), candidates=1, reroll=Reroll(region=mask, seed=seed)) for seed in (1, 2))
    for name, texture in before.items():
        assert torch.equal(one[name].data[:, ~region], texture.data[:, ~region])
        assert not torch.equal(one[name].data[:, region], two[name].data[:, region])
    height = one["height"].data[0]
    assert (height - before["height"].data[0])[50:90, 40:100].abs().mean() > 0.02
    steps = (height[:, 1:] - height[:, :-1]).abs()
    at_the_rim = torch.cat([steps[40:100, 29], steps[40:100, 109]]).mean()
    assert at_the_rim <= steps.mean(0).quantile(0.995)


def test_directions_along_the_surface_stay_in_it_and_with_their_colors() -> None:
    spec = af.MapSpec("brushed", 3, "vector", (-1.0, 1.0), (1.0, 0.0, 0.0), "Along the brush.")
    height = exemplar("stone", 64)["height"].data
    brushed = torch.cat([height.cos(), height.sin(), 0 * height])
    maps = {"height": af.Texture(height, af.ColorSpace.NONE), "brushed": af.Texture(brushed, af.ColorSpace.NONE)}
    context = af.Context(0, "float32", "cpu", lambda _: None, {}, {**SPECS, "brushed": spec})
    params = Params(candidates=1, retries=0, repair_normals=True)  # which are none
    result = multiply_material(af.Material("stone", maps), params, context)
    across = result["brushed"].data
    assert across[2].eq(0).all()
    assert (torch.atan2(across[1], across[0]) - result["height"].data[0]).abs().mean() < 0.02


def test_results_with_the_same_edges_tile_with_one_another() -> None:
    variants = [multiply(exemplar("stone", 96), seed, edges=7, candidates=1) for seed in range(3)]
    for name in variants[0]:
        tiles = [one[name].data for one in variants]
        assert diversity(tiles[0], tiles[1]) > 0.1
        off = tiles[0] - tiles[1]
        assert all(edge.abs().max() == 0 for edge in (off[:, :12], off[:, -12:], off[:, :, :12], off[:, :, -12:]))
        layout = [[tiles[(row * 2 + column) % 3] for column in range(4)] for row in range(4)]
        for row in layout:
            for left, right in pairwise(row):
                pair = torch.cat([right, left], 2)  # they meet at the wrap
                assert seam_score(pair, "x") <= 1.2
        for upper, lower in pairwise(layout):
            pair = torch.cat([lower[0], upper[0]], 1)
            assert seam_score(pair, "y") <= 1.2


@pytest.mark.parametrize("side", [64, pytest.param(96, marks=pytest.mark.slow)])
def test_small_results_share_no_more_than_their_edges(side: int) -> None:
    first, second = (multiply_and_tell(exemplar("stone", side), seed, edges=1, candidates=1) for seed in (0, 1))
    same = (first[0]["height"].data == second[0]["height"].data).float().mean().item()
    assert same == pytest.approx(first[1]["shared"], abs=0.02)
    assert same < 0.5


TOLD = [
    ("stone", {}),
    ("brick", {}),
    ("stone", {"turn": "all", "tileable": "x"}),
    ("brick", {"polish": 0.5, "flatten": 0.5, "repair_normals": True, "tileable": "none"}),
]


@pytest.mark.parametrize(("name", "params"), TOLD, ids=str)
def test_saved_coordinates_make_the_same_of_the_same_maps_to_the_bit(name: str, params: dict[str, object]) -> None:
    result = multiply(exemplar(name), save_map=True, candidates=1, **params)
    where = result["coordinates"]
    in_a_file = where.with_data((where.data * 65535).round() / 65535)
    for saved in (where, in_a_file):
        again = apply(exemplar(name).replace(coordinates=saved), **params)
        for key in exemplar(name):
            assert torch.equal(again[key].data, result[key].data), key
            assert again[key].wrap == result[key].wrap


@pytest.mark.parametrize(("scale", "number"), [(2, 3), (0.5, 1)])
def test_saved_coordinates_make_maps_of_another_size(scale: float, number: int) -> None:
    name, params = TOLD[number]
    result = multiply(exemplar(name), save_map=True, candidates=1, **params)
    side = round(144 * scale)
    other = matched(exemplar(name), (side, side))
    again = apply(other.replace(coordinates=result["coordinates"]), **params)
    assert again["height"].size == (side, side)
    expected = matched(result, (side, side))
    away = (again["height"].data - expected["height"].data).square().mean()
    assert away < 0.15 * expected["height"].data.var()


def test_coordinates_that_are_of_no_exemplar_are_refused() -> None:
    where = torch.rand(4, 96, 96, generator=torch.Generator().manual_seed(0))
    where[2] = 0
    with pytest.raises(af.StepError, match=r"coordinates.*not those of pixels"):
        apply(exemplar("stone").replace(coordinates=af.Texture(where, af.ColorSpace.NONE)))


def test_coordinates_of_turned_pieces_are_refused_by_one_who_was_not_told() -> None:
    result = multiply(exemplar("stone"), turn="all", save_map=True, candidates=1)
    with pytest.raises(af.StepError, match="turn"):
        apply(exemplar("stone").replace(coordinates=result["coordinates"]))


def test_coordinates_go_through_files_and_not_through_coarse_ones(tmp_path: Path, forge: Forge) -> None:
    assert forge("samples", str(tmp_path / "samples"), "--size", "96").returncode == 0
    inputs = "base_color: 'stone/{name}_base_color.png', height: 'stone/{name}_height.png'"
    for depth in ("png16", "png8"):
        (tmp_path / f"{depth}.yaml").write_text(
            f"version: 1\nsources: samples\ninputs: {{{inputs}}}\n"
            "steps: [{use: multiply, with: {candidates: 1, retries: 0, save_map: true}}]\n"
            f"outputs: {{dir: {depth}, format: {{default: png16, coordinates: {depth}}}}}\n"
        )
        assert forge("run", str(tmp_path / f"{depth}.yaml")).returncode == 0
        (tmp_path / "again.yaml").write_text(
            f"version: 1\ninputs: {{base_color: 'samples/stone/{{name}}_base_color.png',"
            f" height: 'samples/stone/{{name}}_height.png', coordinates: '{depth}/{{name}}_coordinates.png'}}\n"
            f"steps: [{{use: apply_map}}]\n"
            f"outputs: {{dir: again-{depth}, maps: [base_color, height], format: png16}}\n"
        )
        ran = forge("run", str(tmp_path / "again.yaml"))
        assert (ran.returncode == 0) == (depth == "png16"), ran.stderr
        assert ("a file of 8 bits" in ran.stderr) == (depth == "png8")
    for name in ("base_color", "height"):
        first, again = (tmp_path / folder / f"stone_{name}.png" for folder in ("png16", "again-png16"))
        assert (cv2.imread(str(first), -1) == cv2.imread(str(again), -1)).all()


def test_a_result_tells_what_is_measured_of_it() -> None:
    result, notes, flags = multiply_and_tell(exemplar("stone"), report=True, candidates=2)
    assert set(notes["seam_score"]) == set(exemplar("stone"))
    assert {"statistics_distance", "largest_copy", "coverage", "repetition", "coherence", "normal_curl"} <= set(notes)
    assert result["multiply_report"].size[0] == 1024
    assert not [flag for flag in flags if "seam" in flag]


def test_what_is_beyond_a_limit_is_flagged() -> None:
    # Bricks that are blended at random are bricks no longer: their maps tell less of each other.
    _, notes, flags = multiply_and_tell(exemplar("brick"), method="blend")
    lost = [pair for pair, share in notes["coherence"].items() if share < 0.8]
    assert lost
    assert lost == [flag.split(":")[0] for flag in flags if "tell of each other" in flag]


@pytest.mark.slow
def test_another_try_is_never_worse() -> None:
    # So small an exemplar leaves no choice but large copies.
    once, often = (multiply_and_tell(exemplar("stone", 56), retries=retries, candidates=1) for retries in (0, 3))
    assert any("one copy" in flag for flag in once[2])
    assert often[1]["largest_copy"] < once[1]["largest_copy"]
