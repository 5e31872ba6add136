"""Compressed blocks, decoded by a library that is not ours (bcdec)."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from assetforge.codecs.decode import decode
from assetforge.codecs.read import read
from assetforge.material.map_spec import MAPS
from assetforge.ops import bc1, bc4, bc6h, bc7
from assetforge.ops.blocks import blocks_of, packed
from assetforge.ops.color import srgb_encode
from assetforge.samples import make_sample

REFERENCE = {
    "Bricks075B": 45.08, "Ground054": 42.71, "Metal055A": 50.42, "Marble006": 49.05, "clay_roof_tiles": 46.15,
    "leaves_forest_ground": 43.31,
}  # fmt: skip
"""PSNR of the first 128² pixels in dB, of Intel's ISPC Texture Compressor (ispc-texcomp 1.0.1, profile `basic`)."""


def blocks(pixels: np.ndarray) -> torch.Tensor:
    return blocks_of(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)))


def decoded(content: torch.Tensor, number: int, height: int, width: int, *channels: int) -> np.ndarray:
    shape = (-(-height // 4) * 4, -(-width // 4) * 4, *channels)
    return np.asarray(imagecodecs.bcn_decode(content.numpy().tobytes(), number, shape=shape))[:height, :width]


def through_bc7(pixels: np.ndarray) -> np.ndarray:
    content = bc7.encode(blocks(pixels))
    return decoded(content, 7, *pixels.shape[:2], 4)[:, :, : pixels.shape[2]]


def modes(pixels: np.ndarray) -> set[int]:
    first = bc7.encode(blocks(pixels))[:, 0].tolist()
    return {(byte & -byte).bit_length() - 1 for byte in first}


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    error = np.square(first.astype(np.float64) - second).mean()
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def brick() -> np.ndarray:
    codes = (srgb_encode(make_sample("brick", 64)["base_color"].data) * 255).round()
    return codes.permute(1, 2, 0).numpy().astype(np.uint8)


def test_bc7_is_as_near_as_the_reference_encoder(data: Path) -> None:
    for name, reference in REFERENCE.items():
        [path] = (data / "materials" / name).glob("albedo.*")
        pixels = read(path.read_bytes(), path.suffix).pixels[:128, :128, :3]
        assert psnr(through_bc7(pixels), pixels) > reference - 0.3, name


@settings(max_examples=10, deadline=None)
@given(hnp.arrays(np.uint8, (8, 8, 4)), st.booleans())
def test_any_block_comes_back_near(pixels: np.ndarray, opaque: bool) -> None:
    """Noise is the worst that there is; what is checked is that no field of any mode is out of place."""
    if opaque:
        pixels = pixels[:, :, :3]
    made = through_bc7(pixels)
    for top in range(0, 8, 4):
        for left in range(0, 8, 4):
            part = slice(top, top + 4), slice(left, left + 4)
            flat = np.square(pixels[part] - pixels[part].mean((0, 1))).sum()
            assert np.square(made[part].astype(float) - pixels[part]).sum() <= flat + 16 * pixels.shape[2]


def test_a_color_that_is_the_same_everywhere_stays_exact() -> None:
    for color in ((0, 0, 0), (255, 255, 255), (1, 2, 3), (200, 100, 51), (13, 13, 13)):
        pixels = np.tile(np.uint8(color), (8, 8, 1))
        assert np.abs(through_bc7(pixels).astype(int) - pixels).max() <= 1
        low = decoded(bc1.encode(blocks(pixels)), 1, 8, 8, 4)[:, :, :3]
        assert np.abs(low.astype(int) - pixels).max() <= 2


def test_each_mode_is_taken_where_it_suits() -> None:
    ramp = np.linspace(0, 255, 16).reshape(4, 4)
    line = np.stack([ramp, 255 - ramp, ramp / 2], 2).astype(np.uint8)
    assert modes(line) <= {1, 6}
    halves = np.where(np.arange(4)[None, :, None] < 2, line // 3, 255 - line[::-1, ::-1] // 4).astype(np.uint8)
    assert modes(halves) <= {1, 3}
    apart = np.stack([ramp, ramp, ramp.T], 2).astype(np.uint8)  # packed maps: one channel goes its own way
    assert modes(apart) <= {4, 5}
    seen = np.dstack([line, np.where(np.arange(4)[None, :] < 2, ramp, 200).astype(np.uint8)])
    assert modes(seen) <= {4, 5, 7}
    one_line = decoded(bc1.encode(blocks(apart)), 1, 4, 4, 4)[:, :, :3]
    assert psnr(through_bc7(apart), apart) > psnr(one_line, apart) + 6


def test_alpha_of_bc7_costs_opaque_blocks_nothing() -> None:
    pixels = np.dstack([brick(), np.full((64, 64), 255, np.uint8)])
    pixels[:4, :4, 3] = np.arange(16).reshape(4, 4) * 17
    made = through_bc7(pixels)
    assert np.all(made[4:, :, 3] == 255)
    assert np.abs(made[:4, :4, 3].astype(int) - pixels[:4, :4, 3]).max() < 40
    assert np.array_equal(made[4:, 4:, :3], through_bc7(brick())[4:, 4:])


def test_bc1_is_nearer_than_pillows_and_always_opaque() -> None:
    pixels = brick()
    made = decoded(bc1.encode(blocks(pixels)), 1, 64, 64, 4)
    assert np.all(made[:, :, 3] == 255)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "DDS", pixel_format="DXT1")
    theirs = np.asarray(Image.open(file).convert("RGB"))
    assert psnr(made[:, :, :3], pixels) > psnr(theirs, pixels) + 0.5


@pytest.mark.parametrize("extremes", [False, True])
def test_bc4_keeps_more_than_eight_bits_where_it_is_smooth(extremes: bool) -> None:
    y, x = np.mgrid[0:32, 0:32].astype(np.float32)
    values = 0.4 + 0.0006 * x + 0.0004 * y
    if extremes:
        values[::5, ::3], values[1::7, ::4] = 0, 1
    content = bc4.encode(blocks(values[:, :, None])[0])
    made = decoded(content, 4, 32, 32)
    assert np.abs(made - values * 255).max() < 1.01
    first, second = content[:, 0].int(), content[:, 1].int()
    assert bool((first <= second).any()) == extremes  # blocks of six values, and 0 and 1


def test_light_is_kept_by_its_ratios() -> None:
    light = make_sample("brick", 64)["base_color"].data * torch.logspace(-3, 3, 64)
    made = decoded(bc6h.encode(blocks_of(light)), 6, 64, 64, 3)
    ratio = np.log2(made.astype(np.float64) + 1e-5) - np.log2(light.permute(1, 2, 0).numpy() + 1e-5)
    assert np.sqrt(np.square(ratio).mean()) < 0.13  # stops, of which the picture, all noise, spans twenty
    assert made.max() <= 65504


@settings(max_examples=8, deadline=None)
@given(hnp.arrays(np.uint16, (4, 8, 3), elements=st.integers(0, 0x7BFF)))
def test_any_light_comes_back_near(halves: np.ndarray) -> None:
    light = halves.view(np.float16)
    made = decoded(bc6h.encode(blocks(light)), 6, 4, 8, 3).view(np.uint16).astype(float)
    for left in (0, 4):
        part = halves[:, left : left + 4].astype(float)
        flat = np.square(part - part.mean((0, 1))).sum()
        assert np.square(made[:, left : left + 4] - part).sum() <= flat * 1.001 + 48 * 512**2


def test_a_block_gets_the_same_bytes_whatever_is_beside_it() -> None:
    """Sums that a library adds in another order for another number of blocks would be rounded otherwise."""
    pixels = blocks(brick()[:24, :40])
    for encode in (bc1.encode, bc7.encode, lambda part: bc6h.encode(part / 17), lambda part: bc4.encode(part[0] / 255)):
        apart = [encode(part.contiguous()) for part in (pixels[:, :, :7], pixels[:, :, 7:8], pixels[:, :, 8:])]
        assert torch.equal(encode(pixels), torch.cat(apart))


def test_sides_that_are_no_multiple_of_four_go_on_with_their_last_pixel() -> None:
    pixels = torch.arange(15.0).reshape(1, 3, 5)
    cut = blocks_of(pixels)
    assert cut.shape == (1, 16, 2)
    assert cut[0, :, 1].tolist() == [4.0] * 4 + [9.0] * 4 + [14.0] * 8


def test_fields_that_do_not_fill_a_block_are_refused() -> None:
    with pytest.raises(ValueError, match="the fields have 8 bits; a block has 64"):
        packed([(torch.zeros(1), 8)], 8)


def test_the_decoder_of_sources_agrees_with_the_library(tmp_path: Path) -> None:
    from assetforge.codecs.encode import encode
    from assetforge.codecs.formats import parse

    texture, spec = make_sample("brick", 64)["roughness"], MAPS["roughness"]
    content = encode({"roughness": (texture, spec)}, parse("dds").resolve(None, spec))
    (tmp_path / "x.dds").write_bytes(content)
    ours = decode(tmp_path / "x.dds", spec).texture.data[0].numpy() * 255
    theirs = np.asarray(imagecodecs.bcn_decode(content[148:], 4, shape=(64, 64)))
    assert np.abs(ours - theirs).max() <= 1  # who cuts off what is between two codes
