"""Where green points is measured right or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from naming import procedural

from assetforge.ops.green import measure_green


def vectors(seed: int, size: int = 128) -> np.ndarray:
    return procedural(seed, size)["normal"][:, :, ::-1].astype(np.float32) / 127.5 - 1


def turned(normal: np.ndarray) -> np.ndarray:
    return normal * np.float32([1, -1, 1])


def height(seed: int, size: int = 128) -> np.ndarray:
    return procedural(seed, size)["height"].astype(np.float32) / 255


@pytest.mark.parametrize("seed", range(8))
def test_curl_tells_both_directions(seed: int) -> None:
    assert measure_green(vectors(seed)).green == "up"
    assert measure_green(turned(vectors(seed))).green == "down"


@pytest.mark.parametrize("seed", range(4))
def test_a_height_map_tells_it_and_so_does_one_of_depth(seed: int) -> None:
    for map_ in (height(seed), 1 - height(seed)):
        for normal, green in ((vectors(seed), "up"), (turned(vectors(seed)), "down")):
            found = measure_green(normal, map_)
            assert found.green == green
            assert found.slope is not None
            assert abs(found.slope.correlation) > 0.9


def test_what_is_inside_out_has_the_same_curl() -> None:
    """Red and green flipped together: that is a surface, too, so that curl cannot tell that they are."""
    inside_out = vectors(0) * np.float32([-1, -1, 1])
    first, second = measure_green(vectors(0)).curl, measure_green(inside_out).curl
    assert first is not None
    assert second is not None
    assert first.correlation == pytest.approx(second.correlation, abs=0.02)


def grooves(*, along_sides: bool) -> np.ndarray:
    down, right = np.mgrid[:128, :128] * (2 * np.pi / 128)
    p = np.cos(4 * right) if along_sides else np.cos(4 * right + 4 * down)
    q = np.cos(6 * down) if along_sides else -p
    normal = np.dstack([-p, -q, np.full_like(p, 2)])
    return (normal / np.linalg.norm(normal, axis=2, keepdims=True)).astype(np.float32)


def test_grooves_along_the_sides_tell_nothing_and_slanted_ones_do() -> None:
    codes = np.rint((grooves(along_sides=True) + 1) * 127.5).astype(np.float32) / 127.5 - 1
    found = measure_green(codes)
    assert found.green is None
    assert "its pixels do not tell" in found.why
    slanted = grooves(along_sides=False)
    assert {measure_green(slanted).green, measure_green(turned(slanted)).green} == {"up", "down"}


@pytest.mark.parametrize("seed", range(20))
def test_noise_flat_and_small_maps_tell_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, (96, 96, 3)).astype(np.float32)
    noise[:, :, 2] = 1
    assert measure_green(noise).green is None
    assert measure_green(np.broadcast_to(np.float32([0, 0, 1]), (64, 64, 3))).green is None
    assert measure_green(vectors(seed)[:16, :16]).green is None


def test_a_height_map_of_another_surface_is_a_contradiction_or_says_nothing() -> None:
    upside_down = height(1)[::-1].copy()
    found = measure_green(vectors(1), upside_down)
    assert found.green in ("up", None)
    contradicting = measure_green(vectors(1), height(1)[:64])
    assert contradicting.green == "up"
    assert contradicting.slope is None
