"""Drawings: the same of the same generator, of the size that is asked for, and each kind as it should be."""

from __future__ import annotations

import numpy as np
import pytest

from assetforge.ops.drawings import KINDS, diffused_dither, drawing, ordered_dither


def colors(picture: np.ndarray) -> int:
    return len(np.unique(picture.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_is_that_of_its_generator(kind: str) -> None:
    one, same, other = (KINDS[kind](40, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (40, 40, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("size", [16, 33, 64])
def test_a_drawing_has_the_size_that_is_asked_for(size: int) -> None:
    assert {drawing(size, np.random.default_rng(seed)).shape for seed in range(12)} == {(size, size, 3)}


def test_drawings_are_lively() -> None:
    pictures = [drawing(48, np.random.default_rng(seed)) for seed in range(24)]
    assert np.mean([picture.std() > 10 for picture in pictures]) > 0.9


def test_line_art_is_antialiased() -> None:
    picture = KINDS["line art"](64, np.random.default_rng(3))
    assert 2 < colors(picture) < 200


def test_sprites_are_squares_of_few_colors() -> None:
    picture = KINDS["sprites"](60, np.random.default_rng(4)).astype(int)
    assert colors(picture) < 20
    edges = np.flatnonzero(np.abs(np.diff(picture, axis=1)).sum((0, 2)))
    assert len(edges) > 2
    assert np.diff(edges).min() >= 2  # no column of pixels stands alone


@pytest.mark.parametrize("dither", [ordered_dither, diffused_dither])
@pytest.mark.parametrize("levels", [2, 4])
def test_dithering_keeps_the_mean_with_few_levels(dither: object, levels: int) -> None:
    ramp = np.linspace(20, 235, 64).round().astype(np.uint8)
    picture = np.repeat(np.repeat(ramp[None], 64, 0)[..., None], 3, 2)
    result = dither(picture, levels)  # type: ignore[operator]
    assert len(np.unique(result)) <= levels
    blocks = result.reshape(4, 16, 4, 16, 3).mean((1, 3)) - picture.reshape(4, 16, 4, 16, 3).mean((1, 3))
    assert np.abs(blocks).max() < 10


def test_what_has_no_more_than_the_levels_is_not_dithered() -> None:
    picture = np.random.default_rng(0).choice(np.array([0, 85, 170, 255], np.uint8), (16, 16, 3))
    assert np.array_equal(diffused_dither(picture, 4), picture)
    assert np.array_equal(ordered_dither(picture, 4), picture)


def test_errors_are_diffused_as_pixel_by_pixel() -> None:
    picture = np.random.default_rng(5).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    values = picture.astype(np.float32) / 255 * 2
    wanted = np.zeros_like(values)
    for y in range(9):
        for x in range(11):
            wanted[y, x] = np.clip(np.rint(values[y, x]), 0, 2)
            for down, right, share in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                if y + down < 9 and 0 <= x + right < 11:
                    values[y + down, x + right] += (values[y, x] - wanted[y, x]) * np.float32(share / 16)
    assert np.abs(diffused_dither(picture, 3).astype(int) - np.rint(wanted / 2 * 255)).max() <= 1
