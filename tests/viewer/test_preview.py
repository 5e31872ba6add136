"""What a preview shows of a file."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetforge.codecs.raster import FormatError, Raster
from assetforge.codecs.reading import PLAIN, Reading
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.viewer.preview import LIST_SIDE, encoding_of, preview


def shown(pixels: Any, name: str = "base_color", reading: Reading = PLAIN, side: int = 1024, **raster: Any) -> Any:
    """Return a preview's pixels as integers that may be subtracted."""
    content = preview(Raster(np.asarray(pixels), **raster), MAPS[name], reading, side)
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


def plain(value: float, channels: int = 3, kind: type = np.uint8, size: tuple[int, int] = (16, 16)) -> Any:
    return np.full((*size, channels), value, kind)


def test_color_of_8_bits_stays_as_it_is() -> None:
    assert abs(shown(plain(77)) - 77).max() <= 2


def test_color_of_16_bits_is_shown_at_8() -> None:
    assert abs(shown(plain(30000, kind=np.uint16)) - 117).max() <= 2


def test_light_in_floats_is_encoded_as_srgb() -> None:
    assert abs(shown(plain(0.2140, kind=np.float32)) - 128).max() <= 2


def test_light_beyond_white_is_white() -> None:
    assert shown(plain(9.0, kind=np.float32)).min() >= 253


def test_values_that_are_not_finite_are_shown_as_black() -> None:
    assert shown(plain(np.nan, kind=np.float32)).max() <= 2


def test_gray_color_is_shown_in_three_channels() -> None:
    assert shown(plain(90, 1)).shape == (16, 16, 3)


def test_a_picture_is_never_enlarged() -> None:
    assert shown(plain(1, size=(10, 30))).shape[:2] == (10, 30)


@pytest.mark.parametrize(("size", "expected"), [((512, 256), (64, 32)), ((100, 400), (16, 64)), ((2000, 1), (64, 1))])
def test_the_longer_side_is_as_asked_and_the_shape_stays(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shown(plain(1, size=size), side=64).shape[:2] == expected


def test_color_is_averaged_in_light() -> None:
    checker = np.zeros((64, 64, 3), np.uint8)
    checker[::2, ::2] = checker[1::2, 1::2] = 255
    assert abs(shown(checker, side=32).mean() - 188) < 4  # and not 128


def test_data_is_averaged_as_it_is() -> None:
    checker = np.zeros((64, 64, 1), np.uint8)
    checker[::2, ::2] = checker[1::2, 1::2] = 255
    assert abs(shown(checker, "roughness", side=32).mean() - 128) < 3


def test_normals_are_unit_after_averaging() -> None:
    leaning = np.empty((64, 64, 3), np.uint8)
    leaning[:, ::2], leaning[:, 1::2] = (218, 128, 218), (37, 128, 218)
    assert abs(shown(leaning, "normal", side=32) - (128, 128, 255)).max() <= 4


def test_green_stays_as_the_file_has_it() -> None:
    down = np.broadcast_to(np.array((128, 60, 235), np.uint8), (16, 16, 3))
    assert abs(shown(down, "normal", Reading(green="down"))[..., 1] - 60).max() <= 4


def test_vectors_in_floats_are_shown_too() -> None:
    up = np.broadcast_to(np.array((0, 0, 1), np.float32), (16, 16, 3))
    assert abs(shown(up, "normal") - (128, 128, 255)).max() <= 3


@pytest.mark.parametrize(("letter", "value"), [("r", 10), ("g", 90), ("b", 170), ("a", 250)])
def test_a_channel_of_a_packed_file_is_shown_alone(letter: Any, value: int) -> None:
    packed = np.broadcast_to(np.array((10, 90, 170, 250), np.uint8), (16, 16, 4))
    assert abs(shown(packed, "roughness", Reading(channel=letter)) - value).max() <= 2


def test_an_inverted_map_is_shown_as_the_map() -> None:
    assert abs(shown(plain(200, 1), "roughness", Reading(invert=True)) - 55).max() <= 2


def test_a_file_that_does_not_hold_the_map_says_so() -> None:
    different = np.broadcast_to(np.array((1, 90, 170), np.uint8), (16, 16, 3))
    with pytest.raises(FormatError, match="different channels"):
        shown(different, "roughness")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_heights_keep_16_bits_in_two_channels(kind: type) -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None].repeat(8, 0)
    numbers = ramp if kind is np.float32 else np.rint(ramp * np.iinfo(kind).max).astype(kind)
    pixels = shown(numbers, "height")
    heights = (pixels[..., 0] * 256 + pixels[..., 1]) / 65535
    assert abs(heights - ramp[..., 0]).max() < (1 / 400 if kind is np.uint8 else 1 / 60000)


def test_heights_in_lists_are_gray() -> None:
    assert encoding_of(MAPS["height"], LIST_SIDE) == "plain"
    assert abs(shown(plain(80, 1), "height", side=LIST_SIDE) - 80).max() <= 2


def test_ids_in_half_floats_are_shown_as_those_in_integers() -> None:
    ids = plain(7, 1, size=(200, 200))
    assert (shown(ids.astype(np.float16), "id", side=64) == shown(ids, "id", side=64)).all()


def test_ids_are_colors_that_differ_and_do_not_mix() -> None:
    ids = np.zeros((64, 64, 1), np.uint16)
    ids[:, 32:] = 1
    colors = np.unique(shown(ids, "id", side=16).reshape(-1, 3), axis=0)
    assert len(colors) == 2
    assert abs(colors[0] - colors[1]).max() > 20


def test_alpha_of_color_is_kept_where_it_says_something() -> None:
    half = np.broadcast_to(np.array((10, 90, 170, 128), np.uint8), (16, 16, 4))
    assert abs(shown(half)[..., 3] - 128).max() <= 1
    assert shown(plain(255, 4)).shape[2] == 3


def test_a_range_of_its_own_is_shown_as_black_to_white() -> None:
    signed = MapSpec("bend", 1, "data", (-1.0, 1.0), (0.0,), "Bends.")
    content = preview(Raster(plain(0.0, 1, np.float32)), signed, PLAIN, 64)
    assert abs(np.asarray(Image.open(io.BytesIO(content))).astype(int) - 128).max() <= 1


def test_a_very_large_picture_is_averaged_in_two_steps_to_the_same() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(100, 140, (1024, 1024, 3), dtype=np.uint8)
    assert abs(shown(noise, side=64).mean() - 120) < 2


def test_color_of_a_profile_is_managed() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert abs(shown(plain(77), profile=profile) - 77).max() <= 3


def test_the_same_numbers_give_the_same_bytes() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    one, other = (preview(Raster(noise.copy()), MAPS["base_color"], PLAIN, 32) for _ in range(2))
    assert one == other


def test_previews_need_no_torch() -> None:
    code = "import sys, assetforge.viewer.preview_worker, assetforge.viewer.write; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
