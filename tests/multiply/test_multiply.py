"""The step `multiply`: new materials that tile, whose maps belong together, and that copy little."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from assetforge_multiply._pieces import growth_of_pieces
from assetforge_multiply._quality import MOST_GROWN
from conftest import Forge
from multiply.conftest import exemplar, luminance, multiplied, multiply, multiply_and_tell, write_mask

import assetforge as af
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import autocorrelation, diversity, mutual_information, statistics_distance
from assetforge.samples import SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_a_crop_that_does_not_tile_becomes_a_material_that_does(name: str) -> None:
    result = multiplied(name)
    assert result.keys() == exemplar(name).keys()
    for key, texture in result.items():
        check_map(texture, MAPS[key])
        assert texture.wrap == "repeat"
        assert seam_score(texture.data) <= 1.2, key


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_made_up(name: str) -> None:
    """Every value lies within what the exemplar has, and normals are unit vectors."""
    for key, texture in multiplied(name).items():
        before = exemplar(name)[key].data
        if key == "normal":
            assert (texture.data.norm(dim=0) - 1).abs().max() < 1e-5
        else:
            assert texture.data.min() >= before.min() - 1e-4
            assert texture.data.max() <= before.max() + 1e-4


def test_it_looks_like_the_exemplar_and_like_no_other() -> None:
    def distance(result: str, like: str) -> float:
        return statistics_distance(multiplied(result)["base_color"].data, exemplar(like)["base_color"].data)

    names = list(SAMPLES)[:3]
    for name in names:
        assert all(distance(name, name) < 0.5 * distance(other, name) for other in names if other != name)


@pytest.mark.parametrize("name", SAMPLES)
def test_maps_belong_together(name: str) -> None:
    for key in ("roughness", "height"):
        if key in exemplar(name):
            before, after = (
                mutual_information(luminance(one), one[key].data[0]) for one in (exemplar(name), multiplied(name))
            )
            assert before < 0.4 or after >= 0.8 * before


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_texture() -> None:
    again = multiply(exemplar("stone"), 0)
    assert all(torch.equal(again[key].data, texture.data) for key, texture in multiplied("stone").items())
    assert diversity(multiplied("stone")["height"].data, multiplied("stone", 1)["height"].data) > 0.6


@pytest.mark.parametrize("method", ["patches", "blend"])
def test_size_and_edges_are_as_asked_for(method: str) -> None:
    result = multiply(exemplar("brick"), method=method, size=(96, 160), tileable="x", candidates=1)
    texture = result["height"]
    assert texture.size == (160, 96)
    assert texture.wrap == "clamp"
    across = (texture.data[:, :, 0] - texture.data[:, :, -1]).abs().mean()
    down = (texture.data[:, 0] - texture.data[:, -1]).abs().mean()
    assert across < down


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


def test_what_is_to_be_ignored_is_never_taken(tmp_path: Path) -> None:
    before = exemplar("stone")
    stain = torch.zeros(144, 144, dtype=torch.bool)
    stain[10:130, 90:120] = True
    marked = before["base_color"].data.clone()
    marked[:, stain] = torch.tensor([1.0, 0.0, 0.0])[:, None]
    material = Material("stone", {"base_color": Texture(marked, ColorSpace.LIN_REC709)})
    mask = write_mask(tmp_path / "mask.png", stain)
    stained, clean = (
        multiply(material, polish=0, candidates=2, ignore=ignore)["base_color"].data for ignore in (None, mask)
    )
    assert (stained[0] - stained[1]).max() > 0.5
    assert (clean[0] - clean[1]).max() < 0.1


def test_what_is_to_be_kept_is_and_the_rest_is_made_of_it(tmp_path: Path) -> None:
    before = exemplar("stone")
    hole = torch.zeros(144, 144, dtype=torch.bool)
    hole[60:90, 40:80] = True
    marked = before["height"].data.clone()
    marked[:, hole] = 0.0
    material = Material("stone", {"height": Texture(marked, ColorSpace.NONE)})
    result = multiply(material, keep=write_mask(tmp_path / "mask.png", ~hole))["height"].data
    assert torch.equal(result[:, ~hole], marked[:, ~hole])
    assert result[:, hole].min() >= marked[:, ~hole].min()
    assert result[:, hole].std() > 0.5 * marked[:, ~hole].std()


def test_a_size_and_a_little_variation_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="'size' cannot be set"):
        multiply(exemplar("stone"), variation=0.5, size=64)


def test_odd_sizes_tile_too() -> None:
    result = multiply(exemplar("stone"), size=(97, 101), candidates=1)["height"]
    assert result.size == (101, 97)
    assert seam_score(result.data) <= 1.2


def grid(height: float, width: float, side: int = 160, seed: int = 0) -> torch.Tensor:
    """A pattern of rectangles of different brightness with dark lines between them."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (torch.arange(side) / period for period in (height, width))
    cells = torch.rand(int(rows[-1]) + 1, int(columns[-1]) + 1, generator=generator) * 0.3 + 0.6
    image = cells[rows.long()][:, columns.long()]
    lines = ((rows % 1) * height < 3)[:, None] | ((columns % 1) * width < 3)
    grain = torch.rand(side, side, generator=generator) * 0.05
    return torch.where(lines, 0.1, image) + grain


@pytest.mark.parametrize(("height", "width"), [(32, 32), (25.5, 40), (20, 33.3)])
def test_rows_and_columns_of_a_regular_pattern_stay(height: float, width: float) -> None:
    pattern = grid(height, width)
    material = Material("grid", {"height": Texture(pattern[None], ColorSpace.NONE)})
    result = multiply(material, candidates=1)["height"].data[0]
    cells = [max(1, round(160 / period)) for period in (height, width)]
    before = autocorrelation(pattern, repeat=False)
    after = autocorrelation(result, repeat=True)
    for axis, (period, count) in enumerate(zip((height, width), cells, strict=True)):
        lines = [one.select(1 - axis, 0) for one in (before, after)]
        assert lines[1][round(160 / count)] >= 0.8 * lines[0][round(period)]


def test_names_of_regions_and_masks_are_never_averaged() -> None:
    sample = exemplar("brick")
    mask = (sample["height"].data > sample["height"].data.median()).float()
    maps = {
        "height": sample["height"],
        "metalness": Texture(mask, ColorSpace.NONE),
        "id": Texture(mask * 7, ColorSpace.NONE),
    }
    result = multiply(Material("brick", maps), candidates=1)
    assert set(result["metalness"].data.unique().tolist()) == {0.0, 1.0}
    assert set(result["id"].data.unique().tolist()) == {0.0, 7.0}


def test_alpha_goes_with_its_color() -> None:
    color = exemplar("brick")["base_color"]
    alpha = (color.data.mean(0, keepdim=True) > color.data.mean()).float()
    result = multiply(Material("brick", {"base_color": Texture(color.data, color.color_space, "unknown", alpha)}))
    texture = result["base_color"]
    assert texture.alpha is not None
    told = mutual_information(texture.data.mean(0), texture.alpha[0])
    assert told > 0.7 * mutual_information(color.data.mean(0), alpha[0])


def test_blending_keeps_the_histogram_of_noise_and_tiles() -> None:
    generator = torch.Generator().manual_seed(3)
    grain = torch.rand(1, 160, 160, generator=generator).square()
    result = multiply(Material("noise", {"height": Texture(grain, ColorSpace.NONE)}), method="blend")["height"].data
    at = torch.linspace(0.05, 0.95, 10)
    assert torch.allclose(result.quantile(at), grain.quantile(at), atol=0.03)
    assert seam_score(result) <= 1.2


def test_maps_of_different_sizes_are_brought_to_the_largest() -> None:
    sample = exemplar("brick")
    small = Texture(sample["height"].data[:, ::2, ::2], ColorSpace.NONE)
    result = multiply(Material("brick", {"base_color": sample["base_color"], "height": small}), candidates=1)
    assert result["height"].size == result["base_color"].size == (144, 144)


def test_a_pipeline_makes_one_material_for_each_seed(tmp_path: Path, forge: Forge) -> None:
    assert forge("samples", str(tmp_path / "samples"), "--size", "96").returncode == 0
    (tmp_path / "pipeline.yaml").write_text(
        "version: 1\nsources: samples\n"
        'inputs: {base_color: "**/{name}_base_color.png", normal: "**/{name}_normal.png"}\n'
        "steps: [{use: multiply, with: {candidates: 1}}]\n"
        "variants: {seed: [1, 2]}\n"
        'outputs: {dir: "build/{seed}"}\n'
    )
    ran = forge("run", str(tmp_path / "pipeline.yaml"), "--only", "stone*")
    assert ran.returncode == 0, ran.stderr
    first, second = (sorted((tmp_path / "build" / seed).iterdir()) for seed in ("1", "2"))
    assert [path.name for path in first] == [path.name for path in second]
    assert all(one.read_bytes() != other.read_bytes() for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("method", ["patches", "blend", "neural"])
@pytest.mark.parametrize("side", [1, 8, 64])
def test_of_what_is_flat_more_of_the_same_is_made_and_nothing_is_flagged(method: str, side: int) -> None:
    flat = Material(
        "flat",
        {
            "base_color": Texture(torch.full((3, side, side), 0.3), ColorSpace.LIN_REC709),
            "normal": Texture(torch.tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, side, side), ColorSpace.NONE),
        },
    )
    result, _, flags = multiply_and_tell(flat, method=method, size=48)
    assert not flags
    assert all(texture.size == (48, 48) for texture in result.values())
    assert (result["base_color"].data == 0.3).all()


@pytest.mark.parametrize("side", [2, 15])
def test_what_is_too_small_to_take_pieces_from_is_refused(side: int) -> None:
    with pytest.raises(af.StepError, match=f"is {side}×{side} pixels.*at least 16×16"):
        multiply(exemplar("stone", side))


def test_the_smallest_exemplar_is_enough() -> None:
    assert multiply(exemplar("stone", 16), size=64, candidates=1)["height"].size == (64, 64)


@pytest.mark.parametrize("method", ["patches", "blend", "neural"])
def test_the_range_of_values_is_kept(method: str) -> None:
    """Heights in meters and light above 1 come out as they went in: nothing is cut to 0 to 1."""
    sample = exemplar("stone", 96)
    height = sample["height"].data
    height = (height - height.min()) / (height.max() - height.min()) * 8 - 2
    light = sample["base_color"].data * 10
    maps = {"height": Texture(height, ColorSpace.NONE), "base_color": Texture(light, ColorSpace.LIN_REC709)}
    result = multiply(Material("stone", maps), method=method, effort=0.05, candidates=1)
    for name, texture in maps.items():
        made = result[name].data
        assert made.min() >= texture.data.min() - 1e-4
        assert made.max() <= texture.data.max() * (1 + 1e-5)
        assert made.max() > 2
        assert made.std() > 0.4 * texture.data.std()


def test_a_mask_of_any_range_is_never_averaged() -> None:
    mask = (exemplar("brick")["height"].data > 0.5).float() * 8 - 2
    maps = {"height": exemplar("brick")["height"], "metalness": Texture(mask, ColorSpace.NONE)}
    result = multiply(Material("brick", maps), candidates=1)
    assert set(result["metalness"].data.unique().tolist()) == {-2.0, 6.0}


def wall(side: int, joints: bool = True) -> torch.Tensor:
    """Courses of stones, half as high as they are wide, of many lengths, with grooves between them."""
    generator = torch.Generator().manual_seed(5)
    image = 0.7 + 0.2 * torch.rand(side, side, generator=generator)
    for course in range(0, side, 12):
        image[course : course + 2] = 0.1
        at = int(torch.randint(20, (), generator=generator))
        while joints and at < side:
            image[course : course + 12, at : at + 2] = 0.1
            at += int(torch.randint(18, 34, (), generator=generator))
    return image


def test_pieces_that_grew_together_are_told_from_those_that_did_not() -> None:
    apart, moved, bands = wall(160), wall(160).roll((6, 31), (0, 1)), wall(160, joints=False)
    assert growth_of_pieces(moved, apart) == pytest.approx(1, abs=0.3)
    assert growth_of_pieces(bands, apart) > MOST_GROWN
    assert growth_of_pieces(torch.rand(160, 160), torch.zeros(160, 160)) is None


def test_low_stones_do_not_become_bands() -> None:
    stones = Material("wall", {"height": Texture(wall(160)[None], ColorSpace.NONE)})
    result, notes, flags = multiply_and_tell(stones, candidates=3)
    assert notes["growth_of_pieces"]["height"] <= MOST_GROWN
    assert not [flag for flag in flags if "grew together" in flag]
    # What runs across a course is a joint: there are as many as there were.
    down = (result["height"].data[0] < 0.3).float().mean().item()
    assert down == pytest.approx((wall(160) < 0.3).float().mean().item(), abs=0.06)
