"""Laws of the pure functions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.alpha import bleed, filled
from assetforge.ops.color import hdr_decode, hdr_encode, luma, srgb_codes, srgb_decode, srgb_encode
from assetforge.ops.heights import normals_of_height
from assetforge.ops.metrics import angular_error, psnr
from assetforge.ops.normals import flip_green, in_plane, normalize
from assetforge.ops.resample import BOX, matched, nearest, resample, resample_map
from assetforge.ops.seams import is_tileable, seam_score
from assetforge.ops.tile import Tiling, map_tiles

sides = st.integers(1, 40)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_srgb_has_its_known_values_and_an_inverse() -> None:
    values = torch.tensor([0.0, 0.0031308, 0.5, 1.0, 4.0])
    torch.testing.assert_close(
        srgb_encode(values), torch.tensor([0.0, 0.04045, 0.735357, 1.0, 1.824796]), atol=1e-5, rtol=0
    )
    steps = torch.linspace(0, 2, 1000)
    torch.testing.assert_close(srgb_decode(srgb_encode(steps)), steps, atol=1e-5, rtol=1e-5)


def test_hdr_encoding_is_srgb_up_to_1_and_has_an_inverse_for_any_light() -> None:
    unit = torch.linspace(0, 1, 1000)
    assert torch.equal(hdr_encode(unit), srgb_encode(unit))
    light = torch.cat([torch.linspace(-50, 50, 999), torch.tensor([1e-4, 6.5e4, -6.5e4])])
    torch.testing.assert_close(hdr_decode(hdr_encode(light)), light, rtol=1e-4, atol=1e-6)
    rising = hdr_encode(torch.linspace(-3, 3, 4001))
    assert (rising.diff() > 0).all()
    assert rising.diff().diff().abs().max() < 5e-3  # no kink at 1 or at 0 beyond that of sRGB itself


def test_the_table_of_hdr_decoding_is_right_to_float32() -> None:
    encoded = torch.cat(
        [torch.rand(300_001, generator=torch.Generator().manual_seed(0)) * 1.1 - 0.05, torch.tensor([0.0, 1.0])]
    )
    torch.testing.assert_close(hdr_decode(encoded), hdr_decode(encoded.double()).float(), rtol=2e-6, atol=1e-9)
    assert hdr_decode(torch.tensor([0.0, 1.0, torch.nan])).nan_to_num(7).tolist() == [0, 1, 7]
    wide = torch.rand(3, 5, 8).transpose(1, 2).requires_grad_()
    light = hdr_decode(wide)
    assert light.shape == wide.shape
    (slope,) = torch.autograd.grad(light.sum(), wide)
    torch.testing.assert_close(slope, torch.autograd.grad(srgb_decode(wide).sum(), wide)[0], rtol=1e-3, atol=1e-3)


def test_codes_of_a_table_are_those_of_srgb_rounded() -> None:
    bits = torch.randint(-(2**31), 2**31 - 1, (100_000,), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    middles = srgb_decode((torch.arange(255) + 0.5) / 255).view(torch.int32)  # where one code follows another
    near = (middles[:, None] + torch.arange(-20, 21, dtype=torch.int32)).flatten()
    for light in (bits.view(torch.float32), near.view(torch.float32), torch.tensor([-0.0, 0, 1, -1, 2, torch.inf])):
        numbers = light[~light.isnan()]
        assert torch.equal(srgb_codes(numbers), (srgb_encode(numbers).clamp(0, 1) * 255).round().byte())


def test_luma_spans_studio_range() -> None:
    assert luma(torch.zeros(3, 1, 1)).item() == pytest.approx(16 / 255)
    assert luma(torch.ones(3, 1, 1)).item() == pytest.approx(235 / 255)


def test_directions_stay_in_the_plane_when_they_are_resampled() -> None:
    spec = MAPS["anisotropy_direction"]
    assert [known for known in MAPS.values() if known.is_in_plane] == [spec]
    turning = torch.linspace(0, math.pi, 8).expand(1, 8, 8)
    directions = torch.cat([turning.cos(), turning.sin(), 0 * turning])
    resampled = resample_map(Texture(directions, ColorSpace.NONE), spec, (5, 3)).data
    assert torch.allclose(resampled[:2].square().sum(0), torch.ones(5, 3))
    assert resampled[2].eq(0).all()
    assert torch.equal(in_plane(torch.zeros(3, 1, 1)).flatten(), torch.tensor([1.0, 0.0, 0.0]))


def test_normalize_makes_unit_vectors_and_flattens_zero() -> None:
    vectors = noise(3, 5, 5) - 0.5
    vectors[:, 0, 0] = 0
    unit = normalize(vectors)
    torch.testing.assert_close(unit.norm(dim=0), torch.ones(5, 5))
    assert unit[:, 0, 0].tolist() == [0, 0, 1]
    assert torch.equal(flip_green(flip_green(unit)), unit)


def test_resampling_keeps_values_beyond_the_valid_range_and_invents_none() -> None:
    height = Texture(noise(1, 16, 16) * 8 - 2, ColorSpace.NONE, "repeat")
    data = resample_map(height, MAPS["height"], (32, 32)).data
    assert data.min() < -1.5
    assert data.max() > 5.5
    assert data.min() >= height.data.min()
    assert data.max() <= height.data.max()
    within = resample_map(Texture((noise(1, 16, 16) > 0.5).float(), ColorSpace.NONE), MAPS["height"], (32, 32)).data
    assert within.min() >= 0
    assert within.max() <= 1


def test_a_bump_leans_away_from_its_top() -> None:
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    normal = normals_of_height(torch.exp(-((x - 8) ** 2 + (y - 8) ** 2) / 8)[None], 4.0, repeat=True)
    assert normal[0, 8, 10] > 0.1  # right of the top it leans right
    assert normal[1, 6, 8] > 0.1  # above the top it leans up: +Y is up, rows go down


@settings(max_examples=40, deadline=None)
@given(sides, sides, st.integers(2, 4), st.booleans())
def test_resampling_keeps_flat_pixels_flat(height: int, width: int, scale: int, repeat: bool) -> None:
    flat = torch.full((1, height, width), 0.3)
    up = resample(flat, (height * scale, width * scale), repeat=repeat)
    torch.testing.assert_close(up, torch.full_like(up, 0.3))


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 30), st.integers(8, 30), st.integers(0, 30), st.integers(0, 30))
def test_rolling_a_tileable_texture_rolls_its_resampling(height: int, width: int, dy: int, dx: int) -> None:
    pixels = noise(2, height, width)
    size = (height * 2, width * 2)
    rolled = resample(pixels.roll((dy, dx), (1, 2)), size, repeat=True)
    assert torch.equal(rolled, resample(pixels, size, repeat=True).roll((2 * dy, 2 * dx), (1, 2)))


def test_box_reduction_is_the_mean() -> None:
    pixels = noise(1, 8, 12)
    torch.testing.assert_close(resample(pixels, (4, 6), BOX), torch.nn.functional.avg_pool2d(pixels, 2))


def test_nearest_mixes_nothing() -> None:
    pixels = torch.arange(12.0).view(1, 3, 4)
    up = nearest(pixels, (6, 8))
    assert torch.equal(up, pixels.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_matched_brings_every_map_to_one_size_by_its_kind() -> None:
    maps = {
        "base_color": Texture(noise(3, 8, 8), ColorSpace.LIN_REC709, "repeat", noise(1, 8, 8)),
        "normal": Texture(normalize(noise(3, 4, 4) - 0.5), ColorSpace.NONE),
        "id": Texture(torch.tensor([[[1.0, 7.0], [7.0, 1.0]]]), ColorSpace.NONE),
    }
    result = matched(Material("m", maps), (8, 8))
    assert {texture.size for texture in result.values()} == {(8, 8)}
    assert set(result["id"].data.unique().tolist()) == {1.0, 7.0}
    torch.testing.assert_close(result["normal"].data.norm(dim=0), torch.ones(8, 8))
    assert torch.equal(result["base_color"].data, maps["base_color"].data)


def test_color_stays_in_its_range_after_resampling() -> None:
    checks = (torch.arange(64) % 2).float().view(1, 8, 8).expand(3, 8, 8).clone()
    up = resample_map(Texture(checks, ColorSpace.LIN_REC709), MAPS["base_color"], (16, 16)).data
    assert up.min() >= 0
    assert up.max() <= 1


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.integers(1, 17), st.integers(0, 3), st.booleans())
def test_tiles_with_enough_overlap_give_the_whole(
    height: int, width: int, tile: int, overlap: int, repeat: bool
) -> None:
    pixels = noise(2, height, width)
    out = torch.full((2, height * 2, width * 2), torch.nan)
    seen: list[float] = []
    result = map_tiles(
        pixels,
        lambda piece: piece.repeat_interleave(2, 1).repeat_interleave(2, 2),
        Tiling(tile, overlap, 2, repeat),
        out,
        seen.append,
    )
    assert torch.equal(result, pixels.repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert seen[-1] == 1
    assert seen == sorted(seen)


@pytest.mark.parametrize("repeat", [True, False])
def test_a_filter_sees_the_same_neighbors_in_tiles(repeat: bool) -> None:
    pixels = noise(1, 23, 31)

    def blur(piece: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(piece, 5, stride=1, padding=2, count_include_pad=False)

    results = [map_tiles(pixels, blur, Tiling(t, 2, 1, repeat), torch.empty(1, 23, 31)) for t in (7, 100)]
    torch.testing.assert_close(*results)


def test_a_seam_is_measured() -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    waves = (torch.sin(x * math.tau / 16) + torch.sin(y * math.tau / 32))[None]
    assert is_tileable(waves)
    assert not is_tileable(waves[:, :, :60])
    assert not is_tileable(waves[:, :56])
    assert seam_score(torch.full((1, 8, 8), 0.5)) == 0


def test_where_nothing_is_seen_no_color_is_filled_in() -> None:
    color = noise(3, 9, 7)
    assert torch.equal(filled(color, torch.zeros(1, 9, 7)), color)


def test_bleeding_replaces_hidden_colors_near_visible_ones_only() -> None:
    color = torch.zeros(3, 20, 20)
    color[0, :, :10] = 1.0
    color[2, :, 10:] = 1.0
    alpha = torch.zeros(1, 20, 20)
    alpha[:, :, :10] = 1.0
    spread = bleed(color, alpha, 4, repeat=False)
    torch.testing.assert_close(spread[:, :, 10:14], color[:, :, :4])
    assert torch.equal(spread[:, :, :10], color[:, :, :10])
    assert torch.equal(spread[:, :, 14:], color[:, :, 14:])
    wrapped = bleed(color, alpha, 4, repeat=True)
    torch.testing.assert_close(wrapped[:, :, 16:], color[:, :, :4])


def test_metrics_have_known_values() -> None:
    assert psnr(torch.zeros(4), torch.full((4,), 0.1)) == pytest.approx(20)
    assert psnr(torch.ones(4), torch.ones(4)) == math.inf
    up, right = torch.tensor([0.0, 0, 1]).view(3, 1, 1), torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    assert angular_error(up, right) == pytest.approx(90)


def test_resampled_normals_point_below_the_surface_only_where_their_source_does() -> None:
    steep = normalize(torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0.01, 1, 0.01]]).view(3, 1, 3).expand(3, 8, 3))
    steep = steep.repeat(1, 1, 4).contiguous()
    made = resample_map(Texture(steep, ColorSpace.NONE, "repeat"), MAPS["normal"], (16, 48)).data
    assert made[2].min() >= 0
    steep[2, 0, 0] *= -1
    assert resample_map(Texture(steep, ColorSpace.NONE, "repeat"), MAPS["normal"], (16, 48)).data[2].min() < 0
