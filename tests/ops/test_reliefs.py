"""Reliefs: the same of the same generator, of the size that is asked for, normals that are those of a surface."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from assetforge.ops.normals import curl
from assetforge.ops.reliefs import relief, surface


def is_gray(picture: np.ndarray) -> bool:
    return bool((picture == picture[..., :1]).all())


@pytest.fixture(scope="module")
def reliefs() -> list[np.ndarray]:
    return [relief(48, np.random.default_rng(seed)) for seed in range(24)]


def test_a_relief_is_that_of_its_generator() -> None:
    one, same, other = (relief(40, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (40, 40, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("size", [16, 33, 64])
def test_a_relief_has_the_size_that_is_asked_for(size: int) -> None:
    assert {relief(size, np.random.default_rng(seed)).shape for seed in range(8)} == {(size, size, 3)}


def test_some_reliefs_are_heights_of_the_whole_range_and_most_are_normals(reliefs: list[np.ndarray]) -> None:
    heights = [picture for picture in reliefs if is_gray(picture)]
    assert 0 < len(heights) < len(reliefs) / 2
    assert all(picture.min() == 0 and picture.max() == 255 for picture in heights)


def test_normals_are_of_length_one_and_look_out_of_the_surface(reliefs: list[np.ndarray]) -> None:
    for picture in reliefs:
        if not is_gray(picture):
            vectors = picture / 127.5 - 1
            assert np.abs(np.linalg.norm(vectors, axis=2) - 1).max() < 0.02
            assert vectors[..., 2].min() > -0.01


def test_reliefs_are_neither_flat_nor_noise_alone(reliefs: list[np.ndarray]) -> None:
    assert np.mean([picture.std((0, 1)).max() > 10 for picture in reliefs]) > 0.9
    alike = [np.corrcoef(picture[:, 1:, 0].ravel(), picture[:, :-1, 0].ravel())[0, 1] for picture in reliefs]
    assert np.median(alike) > 0.6


def test_green_looks_up_as_everywhere_in_the_project(reliefs: list[np.ndarray]) -> None:
    normals = [torch.from_numpy(one / 127.5 - 1).permute(2, 0, 1).float() for one in reliefs if not is_gray(one)]
    flipped = [one * torch.tensor((1.0, -1.0, 1.0))[:, None, None] for one in normals]
    assert sum(map(curl, normals)) < sum(map(curl, flipped))


def test_a_surface_is_of_finite_heights() -> None:
    for seed in range(12):
        assert np.isfinite(surface(64, np.random.default_rng(seed))).all()
