"""The flash photograph comes to lie on the guide, and what is left is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from assetforge_svbrdf._align import MOST_RESIDUAL, Alignment, align, refuse, residual_picture
from PIL import Image
from svbrdf.synthetic import Shot, photograph, shared
from torch import Tensor

from assetforge.errors import StepError
from assetforge.ops import homography as plane
from assetforge.ops.color import srgb_decode
from assetforge.ops.resample import resample
from assetforge.samples import make_sample
from assetforge.samples.photographs import Photographs, photographs

Turn = Callable[[Tensor], Tensor]
SIZE, SMALLER = (128, 192), (112, 112)


@lru_cache
def pair(name: str, size: tuple[int, int] = SIZE, seed: int = 0) -> Photographs:
    """Ten pixels apart, and the corners by up to five more."""
    return photographs(make_sample(name, max(size)), size, seed, repeats=1.0, shift=10.0)


@lru_cache
def aligned(name: str, size: tuple[int, int] = SIZE) -> Alignment:
    return align(pair(name, size).flash, pair(name, size).guide)


def error(found: Tensor, radial: float, photos: Photographs) -> float:
    """How far pixels are from where they belong, in the mean."""
    size = photos.guide.shape[1:]
    grid = plane.grid((size[0], size[1]))
    got = plane.bend(plane.apply(found, grid), radial, (size[0], size[1]))
    return torch.linalg.vector_norm(got - plane.apply(photos.homography, grid), dim=0).mean().item()


@pytest.mark.parametrize("name", ["brick", "metal"])
def test_a_pair_that_is_ten_pixels_apart_comes_together(name: str) -> None:
    photos = pair(name)
    assert error(torch.eye(3, dtype=torch.float64), 0.0, photos) > 8
    found = aligned(name)
    assert error(found.homography, found.radial, photos) <= 0.25
    assert found.residual <= 0.35
    refuse(found, photos.guide)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brick", "fabric", "metal", "stone"])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_sample_comes_together_at_the_size_of_photographs(name: str, seed: int) -> None:
    photos = pair(name, (512, 768), seed)
    found = align(photos.flash, photos.guide)
    assert error(found.homography, found.radial, photos) <= 0.25
    assert found.residual <= 0.5


def test_the_flash_is_warped_and_says_what_it_does_not_show() -> None:
    photos, found = pair("brick"), aligned("brick")
    grid = plane.grid(SIZE)
    truth = plane.sample(photos.flash, plane.apply(photos.homography, grid))
    inner = found.mask & plane.inside(grid, SIZE, 8)
    assert (found.flash - truth)[:, inner].abs().mean() < 0.15 * (photos.flash - truth)[:, inner].abs().mean()
    outside = ~plane.inside(plane.apply(photos.homography, grid), SIZE)
    assert outside.any()
    assert (found.mask == ~outside).float().mean() > 0.995
    assert found.flash.min() >= 0


def test_photographs_of_two_places_are_refused() -> None:
    found = align(pair("brick").flash, pair("metal").guide)
    assert found.residual > MOST_RESIDUAL
    with pytest.raises(StepError, match="pixels apart") as caught:
        refuse(found, pair("metal").guide)
    assert caught.value.picture is not None
    assert caught.value.picture.shape == pair("metal").guide.shape


@pytest.mark.parametrize(("turn", "name"), [
    (lambda photo: photo.flip(2), "mirrored"),
    pytest.param(lambda photo: photo.rot90(1, (1, 2)), "turned to the right", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_photograph_that_is_turned_is_refused_though_what_is_regular_lies_on_itself(turn: Turn, name: str) -> None:
    photos = pair("brick", SMALLER)
    assert aligned("brick", SMALLER).turned == ""
    found = align(turn(photos.flash).contiguous(), photos.guide)
    assert found.turned == name
    with pytest.raises(StepError, match=f"when it is {name}, and not as it is"):
        refuse(found, photos.guide)


def test_a_picture_shows_where_they_are_apart() -> None:
    photos = pair("brick")
    together, apart = aligned("brick"), replace(aligned("brick"), flash=photos.flash)
    pictures = [residual_picture(one, photos.guide) for one in (together, apart)]
    colored = [(picture[0] - picture[1]).abs()[20:-20, 20:-20].median() for picture in pictures]
    assert pictures[0].shape == photos.guide.shape
    assert colored[0] < 0.6 * colored[1]


def test_a_flash_of_another_size_is_brought_to_the_guides() -> None:
    photos = pair("brick")
    larger = resample(photos.flash, (192, 288))
    found = align(larger, photos.guide)
    assert found.flash.shape == photos.guide.shape
    assert error(found.homography, found.radial, photos) <= 0.3


def test_photographs_of_other_proportions_are_an_error() -> None:
    photos = pair("brick")
    with pytest.raises(StepError, match="192×128 and the guide 128×192"):
        align(photos.flash, photos.guide.transpose(1, 2))


def test_the_number_of_threads_changes_nothing() -> None:
    photos, first = pair("brick", SMALLER), aligned("brick", SMALLER)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        again = align(photos.flash, photos.guide)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(again.flash, first.flash)
    assert again.residual == first.residual


def test_a_photograph_without_any_detail_stays_where_it_is() -> None:
    gray = torch.full((3, 96, 128), 0.3)
    found = align(gray, gray)
    assert torch.allclose(found.homography, torch.eye(3, dtype=torch.float64), atol=1e-6)
    assert found.residual > MOST_RESIDUAL  # nothing tells that they belong together


@pytest.mark.parametrize("size", [(300, 400), pytest.param((600, 800), marks=pytest.mark.slow)], ids=str)
def test_a_real_pair_of_a_fine_weave_comes_together(size: tuple[int, int], data: Path) -> None:
    folder = data / "capture" / "green_towel"
    flash, guide = (corner_of(folder / name, size) for name in ("point.jpg", "ambient.jpg"))
    found = align(flash, guide)
    refuse(found, guide)
    assert torch.linalg.vector_norm(found.shifts, dim=0).median() < 0.7


def corner_of(path: Path, size: tuple[int, int]) -> Tensor:
    """Read the part of a photograph to the right below."""
    with Image.open(path) as picture:
        width, height = picture.size
        part = picture.crop((width - size[1], height - size[0], width, height))
    return srgb_decode(torch.from_numpy(np.array(part)).permute(2, 0, 1).float() / 255)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(320, 480), (512, 768)], ids=str)
def test_a_pair_in_register_is_not_torn_apart_by_luminance_that_is_all_shading(
    size: tuple[int, int], data: Path
) -> None:
    truth = shared(data / "materials", "Ground054", (512, 768), 2, glossy=True)
    photos = photograph(truth, Shot(seed=2))
    flash, guide = (photo[:, -size[0] :, -size[1] :] for photo in (photos.flash, photos.guide))
    found = align(flash, guide)
    refuse(found, guide)
    assert found.others  # luminance alone would have it otherwise
    still = plane.grid(size)
    off = [torch.linalg.vector_norm(places - still, dim=0).mean() for places in (found.places, *found.others)]
    assert off[0] < 0.6
    assert min(off) < 0.25
