"""The pieces that `svbrdf` is made of, against what they must equal."""

from __future__ import annotations

import math

import pytest
import torch
from assetforge_svbrdf._descriptors import describe
from assetforge_svbrdf._light import Texels, misfit, radiance
from assetforge_svbrdf._maps import maps_of
from assetforge_svbrdf._photos import flattened, prepared
from assetforge_svbrdf._refine import _slopes, _slopes_transposed, relief_correction, relief_part
from assetforge_svbrdf._stationarity import examine
from assetforge_svbrdf._surface import Fitted
from assetforge_svbrdf._tileable import made_tileable
from svbrdf.measures import tilted
from svbrdf.synthetic import Shot, Truth, _where, photograph, sample

from assetforge.ops.brdf import Surface, reflectance, unit
from assetforge.ops.heights import integrated
from assetforge.ops.render import PointLight, positions, render
from assetforge.ops.seams import seam_score

SIZE = (24, 36)


def noise(channels: int, size: tuple[int, int] = SIZE, seed: int = 0) -> torch.Tensor:
    return torch.randn(channels, *size, generator=torch.Generator().manual_seed(seed))


def test_the_solver_renders_as_the_house_does() -> None:
    albedo, slopes, rough = 0.3 + 0.1 * noise(3).clamp(-2, 2), 0.2 * noise(2, seed=1), 0.4 + 0.1 * noise(1, seed=2)
    points = positions(SIZE, 55.0)
    surface = Surface(albedo, torch.full((1, 1, 1), 0.04), tilted(slopes), rough.square())
    expected = render(surface, points, (0.0, 0.0, 1.0), PointLight((0.0, 0.0, 1.0), 2.0))
    texels = Texels(albedo.flatten(1), torch.full((1, 1), 0.04), slopes.flatten(1), rough.flatten().square())
    made = radiance(texels, points[:2].flatten(1), torch.zeros(2), 2.0)
    assert torch.allclose(made, expected.flatten(1), rtol=2e-3, atol=1e-4)


def test_a_stretched_lobe_is_the_anisotropic_one_of_gltf() -> None:
    """Of a level surface, for light, view and half vector in one direction."""
    points = positions(SIZE, 55.0)[:2].flatten(1)
    angle, narrow, wide = math.radians(25), 0.15, 0.5
    size = math.log(wide / narrow) / 2
    stretch = size * torch.tensor([math.cos(2 * angle), math.sin(2 * angle)])[:, None].expand(2, points.shape[1])
    alpha = torch.full_like(points[0], math.sqrt(wide * narrow))
    texels = Texels(torch.zeros(1, 1), torch.ones(1, 1), torch.zeros_like(points), alpha, stretch)
    made = radiance(texels, points, torch.zeros(2), 1.0)
    way = unit(torch.cat([-points, torch.ones_like(points[:1])]))
    normal = torch.tensor([0.0, 0.0, 1.0])[:, None].expand_as(way)
    tangent = torch.tensor([math.cos(angle), math.sin(angle)])[:, None].expand(2, points.shape[1])
    surface = Surface(torch.zeros(3, 1), torch.ones(1, 1), normal, torch.tensor([[wide], [narrow]]), tangent)
    expected = reflectance(surface, way, way) * way[2] / (points.square().sum(0) + 1)
    assert torch.allclose(made, expected[:1], rtol=1e-3)


def test_a_full_sensor_may_have_seen_more_but_not_less() -> None:
    made, seen = torch.tensor([[0.5, 1.5, 2.0]]), torch.tensor([[1.0, 1.0, 0.9]])
    off = misfit(made, seen)[0]
    assert off[0] < 0
    assert off[1] == 0
    assert off[2] > 0


def test_slopes_and_their_transpose_belong_together() -> None:
    height, slopes = noise(1)[0].double(), noise(2, seed=1).double()
    assert torch.allclose((_slopes(height) * slopes).sum(), (height * _slopes_transposed(slopes)).sum())


def test_a_relief_is_its_own_relief_part_and_its_height_is_found_again() -> None:
    y, x = torch.linspace(0, math.pi, 128)[:, None], torch.linspace(0, math.pi, 192)
    height = 4 * torch.cos(14 * x) * torch.cos(8 * y) + 2 * torch.cos(16 * x)
    slopes = _slopes(height)
    assert (relief_part(slopes) - slopes).abs().mean() < 0.03 * slopes.abs().mean()
    found = integrated(slopes, repeat=False)[0]
    away = (found - found.mean()) - (height - height.mean())
    assert away.abs().max() < 0.1 * (height.max() - height.min())


def test_light_from_one_side_corrects_the_slope_to_the_other_as_well() -> None:
    """What is measured is the slope along x alone; that it is a relief's tells of y."""
    y, x = torch.linspace(0, 6 * math.pi, 64)[:, None], torch.linspace(0, 6 * math.pi, 64)
    true = _slopes(0.3 * torch.cos(x + y))
    by_slope = torch.stack([torch.ones(64, 64), torch.zeros(64, 64)])
    found = relief_correction(by_slope, torch.full((64, 64), 1e5), true[0])
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert (found - true)[inner].norm() < 0.15 * true[inner].norm()


def test_flattening_takes_a_gradient_out_and_leaves_the_rest() -> None:
    detail = (0.1 * noise(3, (60, 90))).exp() * 0.3
    uneven = detail * torch.linspace(0.85, 1.15, 90)
    assert (flattened(uneven) - flattened(detail)).abs().mean() < 0.15 * (uneven - detail).abs().mean()


def test_stretch_becomes_strength_and_direction() -> None:
    angle = math.radians(70)
    stretch = 0.5 * torch.tensor([math.cos(2 * angle), math.sin(2 * angle)])[:, None, None].expand(2, 4, 4)
    level, one = torch.zeros(2, 4, 4), torch.ones(1, 4, 4)
    maps = maps_of(
        Fitted(one.expand(3, 4, 4) * 0.5, one.expand(3, 4, 4) * 0.04, level, one * 0.5, stretch), metal=False
    )
    alpha = maps["roughness"].square()
    assert torch.allclose(alpha, torch.full_like(alpha, 0.25 * math.exp(-0.5)))
    assert torch.allclose(torch.lerp(alpha, one, maps["anisotropy"].square()), one * 0.25 * math.exp(0.5))
    assert torch.allclose(maps["anisotropy_direction"][:2, 0, 0], torch.tensor([math.cos(angle), math.sin(angle)]))
    assert maps_of(Fitted(one, one, level, one * 0.5, None), metal=True)["anisotropy"].max() == 0


def test_directions_do_not_turn_back_between_neighbors() -> None:
    angles = torch.linspace(70, 110, 9).deg2rad().expand(1, 4, 9)
    stretch = 0.5 * torch.cat([(2 * angles).cos(), (2 * angles).sin()])
    stretch[:, 0, 0] = 0  # what is not stretched there goes along
    level, one = torch.zeros(2, 4, 9), torch.ones(1, 4, 9)
    found = maps_of(Fitted(one.expand(3, 4, 9), one.expand(3, 4, 9), level, one * 0.5, stretch), metal=False)
    directions = found["anisotropy_direction"]
    assert (directions[:, :, 1:] * directions[:, :, :-1]).sum(0).min() > 0.9
    assert (directions[0, 1] * angles[0, 1].sin() - directions[1, 1] * angles[0, 1].cos()).abs().max() < 1e-6


def test_all_maps_are_cut_alike_and_tile() -> None:
    truth = sample("stone", (96, 144))
    maps = {
        "base_color": truth.albedo,
        "normal": truth.normal,
        "roughness": truth.roughness,
        "anisotropy_direction": torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, 96, 144),
        "copy": truth.roughness.clone(),
    }
    tiled = made_tileable(maps)
    assert torch.equal(tiled["copy"], tiled["roughness"])
    assert torch.allclose(tiled["normal"].norm(dim=0), torch.ones(()), atol=1e-5)
    assert all(48 <= pixels.shape[1] < 96 and 72 <= pixels.shape[2] < 144 for pixels in tiled.values())
    for name in ("base_color", "normal", "roughness"):
        assert seam_score(tiled[name]) < 1.3, name


@pytest.mark.parametrize("name", ["brick", "fabric", "stone", "wood"])
def test_what_repeats_is_not_said_to_differ(name: str) -> None:
    assert verdict(sample(name, (144, 216))) == []


def test_two_materials_are_not_one() -> None:
    left, right = sample("brick", (144, 216)), sample("fabric", (144, 216))
    half = torch.arange(216) < 100
    assert verdict(_where(half.expand(144, 216), left, right))


def verdict(truth: Truth) -> list[str]:
    pair = photograph(truth, Shot(seed=2))
    photos = prepared(pair.flash, pair.guide, pair.fov)
    return examine(photos, pair.guide, describe(photos.guide)).doubts()
