"""The samples are materials that tile."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch

from assetforge.codecs.decode import decode
from assetforge.errors import UsageError
from assetforge.material.map_spec import MAPS
from assetforge.ops import homography as plane
from assetforge.ops.seams import seam_score
from assetforge.samples import SAMPLES, make_sample, write_painting, write_sample
from assetforge.samples.photographs import FLASH, GUIDE, photographs


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_a_tileable_material(name: str) -> None:
    material = make_sample(name, 128)
    assert {"base_color", "normal", "roughness", "height", "ambient_occlusion"} <= material.keys()
    for map_name, texture in material.items():
        spec = MAPS[map_name]
        assert texture.size == (128, 128)
        assert texture.wrap == "repeat"
        assert seam_score(texture.data) <= 1.2, map_name
        assert spec.valid[0] <= texture.data.min()
        assert texture.data.max() <= spec.valid[1]
    assert material["base_color"].data.std() > 0.02
    assert material["normal"].data[2].min() < 0.97  # there is relief


def test_a_sample_is_the_same_every_time() -> None:
    first, second = make_sample("stone", 64), make_sample("stone", 64)
    assert all(torch.equal(first[name].data, second[name].data) for name in first)


def test_an_unknown_sample_is_asked_back() -> None:
    with pytest.raises(UsageError, match="did you mean 'brick'"):
        make_sample("bricks")


def test_normals_and_heights_are_written_with_sixteen_bits(tmp_path: Path) -> None:
    files = {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in write_sample("brick", tmp_path, 64)}
    assert files["brick_normal.png"].dtype == "uint16"
    assert files["brick_base_color.png"].dtype == "uint8"
    assert {pixels.shape[:2] for name, pixels in files.items() if name.endswith(".png")} == {(64, 64)}


def test_two_photographs_of_a_sample_say_how_they_were_taken(tmp_path: Path) -> None:
    files = {path.name: path for path in write_sample("metal", tmp_path / "one", 64)}
    again = {path.name: path for path in write_sample("metal", tmp_path / "other", 64)}
    flash, guide = (decode(files[f"metal_{name}.jpg"], MAPS[name]) for name in ("flash", "guide"))
    assert flash.texture.size == guide.texture.size == (64, 96)
    assert (flash.texture.camera, guide.texture.camera) == (FLASH, GUIDE)
    assert flash.flags == guide.flags == ()
    for name in ("metal_flash.jpg", "metal_guide.jpg"):
        assert files[name].read_bytes() == again[name].read_bytes()
    middle, corner = (flash.texture.data[:, y : y + 16, x : x + 16].mean() for y, x in ((24, 40), (0, 0)))
    assert middle > 1.2 * corner  # the flash lights the middle


def test_the_flash_shows_what_the_guide_shows_a_little_further_off() -> None:
    photos = photographs(make_sample("fabric", 96), (96, 144), seed=4, repeats=1.5, shift=6.0)
    grid = plane.grid((96, 144))
    moved = plane.apply(photos.homography, grid)
    assert 3 < torch.linalg.vector_norm(moved - grid, dim=0).mean() < 9
    inner = plane.inside(moved, (96, 144), 4)
    errors = []
    for points in (moved, grid):
        # Hues do not depend on the light's direction; the tint of the daylight is divided out by the mean.
        ratios = [light[0] / light[1].clamp_min(0.02) for light in (plane.sample(photos.flash, points), photos.guide)]
        first, second = (ratio[inner] / ratio[inner].median() for ratio in ratios)
        errors.append((first - second).abs().median())
    assert errors[0] < 0.5 * errors[1]


def test_photographs_depend_on_their_seed_and_on_nothing_else() -> None:
    material = make_sample("wood", 48)
    first, again, other = (photographs(material, (48, 72), seed) for seed in (1, 1, 2))
    assert torch.equal(first.flash, again.flash)
    assert torch.equal(first.guide, again.guide)
    assert not torch.equal(first.homography, other.homography)
    for photo in (first.flash, first.guide):
        assert photo.min() >= 0
        assert photo.max() <= 1
        assert 0.15 < photo.mean() < 0.45


def test_the_painting_tiles_and_is_the_same_every_time(tmp_path: Path) -> None:
    first, again = write_painting(tmp_path / "one", 96), write_painting(tmp_path / "other", 96)
    assert first.read_bytes() == again.read_bytes()
    picture = decode(first, MAPS["base_color"]).texture.data
    assert picture.shape == (3, 96, 96)
    assert seam_score(picture) <= 1.2
    assert picture.flatten(1).std(1).min() > 0.05
