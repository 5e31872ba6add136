"""The step `multiply`: new materials that tile, whose maps belong together, and that copy little."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
import torch
from conftest import Forge
from multiply.conftest import SMALLER, apply, exemplar, luminance, multiplied, multiply, multiply_and_tell

import assetforge as af
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material, check_map
from assetforge.material.texture import Texture
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import diversity, mutual_information, statistics_distance
from assetforge.samples import SAMPLES, write_sample

KINDS = [pytest.param(name, marks=() if name in ("brick", "stone") else pytest.mark.slow) for name in SAMPLES]
"""Cells, and grain without order; the others are made in the same ways."""


@lru_cache
def odd(seed: int = 0) -> Material:
    return multiply(exemplar("stone", SMALLER), seed, size=(41, 43), candidates=2 - seed)


@pytest.mark.parametrize("name", KINDS)
def test_a_crop_that_does_not_tile_becomes_a_material_that_does(name: str) -> None:
    result = multiplied(name)
    assert result.keys() == exemplar(name).keys()
    for key, texture in result.items():
        check_map(texture, MAPS[key])
        assert texture.wrap == "repeat"
        assert seam_score(texture.data) <= 1.2, key


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_made_up(name: str) -> None:
    """Every value lies within what the exemplar has, and normals are unit vectors."""
    for key, texture in multiplied(name).items():
        before = exemplar(name)[key].data
        if key == "normal":
            assert (texture.data.norm(dim=0) - 1).abs().max() < 1e-5
        else:
            assert texture.data.min() >= before.min() - 1e-4
            assert texture.data.max() <= before.max() + 1e-4


@pytest.mark.parametrize("names", [("brick", "stone"), pytest.param(tuple(SAMPLES)[:3], marks=pytest.mark.slow)])
def test_it_looks_like_the_exemplar_and_like_no_other(names: tuple[str, ...]) -> None:
    def distance(result: str, like: str) -> float:
        return statistics_distance(multiplied(result)["base_color"].data, exemplar(like)["base_color"].data)

    for name in names:
        assert all(distance(name, name) < 0.5 * distance(other, name) for other in names if other != name)


@pytest.mark.parametrize("name", KINDS)
def test_maps_belong_together(name: str) -> None:
    for key in ("roughness", "height"):
        if key in exemplar(name):
            before, after = (
                mutual_information(luminance(one), one[key].data[0]) for one in (exemplar(name), multiplied(name))
            )
            assert before < 0.4 or after >= 0.8 * before


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_texture() -> None:
    again = odd.__wrapped__()
    assert all(torch.equal(again[key].data, texture.data) for key, texture in odd().items())
    assert diversity(odd()["height"].data, odd(1)["height"].data) > 0.6


@pytest.mark.slow
def test_the_number_of_cores_changes_no_byte() -> None:
    before, made = torch.get_num_threads(), []
    try:
        for cores in (1, 4):  # layouts are tried side by side by so many threads
            torch.set_num_threads(cores)
            made.append(multiply(exemplar("stone", SMALLER), candidates=2, retries=0))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one[key].data, texture.data) for one in made for key, texture in made[0].items())


@pytest.mark.parametrize("method", ["patches", "blend"])
def test_size_and_edges_are_as_asked_for(method: str) -> None:
    result = multiply(exemplar("brick", SMALLER), method=method, size=(40, 64), tileable="x", candidates=1)
    texture = result["height"]
    assert texture.size == (64, 40)
    assert texture.wrap == "clamp"
    across = (texture.data[:, :, 0] - texture.data[:, :, -1]).abs().mean()
    down = (texture.data[:, 0] - texture.data[:, -1]).abs().mean()
    assert across < down


def test_odd_sizes_tile_too() -> None:
    result = odd()["height"]
    assert result.size == (43, 41)
    assert seam_score(result.data) <= 1.2


def test_a_pipeline_makes_one_material_for_each_seed(tmp_path: Path, forge: Forge) -> None:
    write_sample("stone", tmp_path / "samples", 32)
    (tmp_path / "pipeline.yaml").write_text(
        "version: 1\nsources: samples\n"
        'inputs: {base_color: "**/{name}_base_color.png", normal: "**/{name}_normal.png"}\n'
        "steps: [{use: multiply, with: {candidates: 1}}]\n"
        "variants: {seed: [1, 2]}\n"
        'outputs: {dir: "build/{seed}"}\n'
    )
    ran = forge("run", str(tmp_path / "pipeline.yaml"))
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
    result, _, flags = multiply_and_tell(flat, method=method, size=48, report=True)
    assert not flags
    assert result.keys() == {"base_color", "normal", "multiply_report"}
    assert all(result[name].size == (48, 48) for name in flat)
    assert (result["base_color"].data == 0.3).all()


def test_what_is_flat_has_coordinates_too() -> None:
    flat = Material("flat", {"roughness": Texture(torch.full((1, 32, 32), 0.3), ColorSpace.NONE)})
    result = multiply(flat, save_map=True, candidates=1)
    assert result.keys() == {"roughness", "coordinates"}
    assert torch.equal(
        apply(flat.replace(coordinates=result["coordinates"]))["roughness"].data, result["roughness"].data
    )


@pytest.mark.parametrize("side", [2, 15])
def test_what_is_too_small_to_take_pieces_from_is_refused(side: int) -> None:
    with pytest.raises(af.StepError, match=f"is {side}×{side} pixels.*at least 16×16"):
        multiply(exemplar("stone", side))


def test_the_smallest_exemplar_is_enough() -> None:
    assert multiply(exemplar("stone", 16), size=48, candidates=1)["height"].size == (48, 48)


@pytest.mark.parametrize("method", ["patches", "blend", "neural"])
def test_the_range_of_values_is_kept(method: str) -> None:
    """Heights in meters and light above 1 come out as they went in: nothing is cut to 0 to 1."""
    sample = exemplar("stone", 64 if method == "neural" else SMALLER)
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
