"""The environment of `render`: light from all around, which metal shows."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from assetforge_render import Light
from assetforge_render import _environment as around
from render.test_render import flat, leaning, render
from torch import Tensor

from assetforge.material.material import Material
from assetforge.ops.brdf import Surface, dot, reflectance, unit

UP = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)


@cache
def furnace() -> around.Environment:
    """Light of 1 from everywhere."""
    return around.Environment.of(lambda directions: torch.ones_like(directions[:1]))


def surfaces(diffuse: float, f0: float, roughness: float, tilts: int = 9) -> Surface:
    """Surfaces that lean away from the viewer, up to 80°."""
    tilt = torch.linspace(0, math.radians(80), tilts)[None]
    normal = torch.stack([tilt.sin(), torch.zeros_like(tilt), tilt.cos()])
    one = torch.ones(1, 1, tilts)
    return Surface((diffuse * one).expand(3, -1, -1), f0 * one, normal, roughness**2 * one)


def hemisphere(count: int = 40_000) -> Tensor:
    """Directions above the surface, all worth as much, (3, N)."""
    index = torch.arange(count) + 0.5
    z, turn = index / count, index * math.pi * (3 - math.sqrt(5))
    return torch.stack([(1 - z.square()).sqrt() * turn.cos(), (1 - z.square()).sqrt() * turn.sin(), z])


def integrated(surface: Surface, view: Tensor, light: Tensor, radiance: Tensor) -> Tensor:
    """What a surface sends to a viewer of the light (3, N) that it gets, without the table and the split: (3,)."""
    shown = reflectance(surface, light, view) * dot(surface.normal, light).clamp_min(0) * radiance
    return shown.mean(1) * 2 * math.pi


@pytest.mark.parametrize("roughness", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize(("diffuse", "f0"), [(0.0, 1.0), (1.0, 0.04), (1.0, 0.5)])
def test_what_is_white_cannot_be_told_from_even_light_around_it(diffuse: float, f0: float, roughness: float) -> None:
    shown = furnace().reflected(surfaces(diffuse, f0, roughness), UP, 0.0)
    torch.testing.assert_close(shown, torch.ones_like(shown), atol=1e-3, rtol=0)


@pytest.mark.parametrize("roughness", [0.2, 0.5, 0.8])
def test_nothing_sends_out_more_light_than_it_gets(roughness: float) -> None:
    for diffuse, f0 in ((0.8, 0.04), (0.2, 0.3), (0.0, 0.7)):
        shown = furnace().reflected(surfaces(diffuse, f0, roughness), UP, 0.0)
        assert shown.max() < 1
        assert shown.min() > min(diffuse, 1) * 0.95 + f0 * 0.5 * (diffuse == 0)


@pytest.mark.parametrize("roughness", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("tilt", [0, 40, 70])
def test_a_lobe_reflects_as_much_as_the_brdf_that_lights_are_reflected_by(roughness: float, tilt: int) -> None:
    n_v = torch.full((1, 1, 1), math.cos(math.radians(tilt)))
    scale, bias = around._reflectances(n_v, torch.full((1, 1, 1), roughness))
    view = torch.tensor([math.sin(math.radians(tilt)), 0.0, math.cos(math.radians(tilt))]).view(3, 1)
    flat_up, alpha = torch.tensor([0.0, 0.0, 1.0]).view(3, 1), torch.tensor([[roughness**2]])
    for f0 in (0.04, 0.8):
        lobe = Surface(torch.zeros(3, 1), torch.full((1, 1), f0), flat_up, alpha)
        even = integrated(lobe, view, hemisphere(), torch.ones(1, 1))[0].item()
        assert (f0 * scale + bias).item() == pytest.approx(even, rel=0.03, abs=0.002)


@pytest.mark.parametrize("roughness", [0.3, 0.5, 0.7])
def test_a_metal_shows_the_studio_as_far_as_its_gloss_lets_it(roughness: float) -> None:
    """From above, the split sum is off by nothing but what it adds for more than one bounce."""
    light = hemisphere()
    radiance = around._studio(light)
    alpha = torch.full((1, 1), roughness**2)
    mirror = Surface(torch.zeros(3, 1), torch.ones(1, 1), UP[:, 0], alpha)
    shown, even, paper = (
        integrated(mirror, UP[:, 0], light, radiance)[0],
        integrated(mirror, UP[:, 0], light, torch.ones(1, 1))[0],
        (radiance * 2 * light[2:]).mean(),
    )
    metal = Surface(torch.zeros(3, 1, 1), torch.ones(1, 1, 1), UP, alpha[None])
    assert around.studio().reflected(metal, UP, 0.0).mean().item() == pytest.approx(
        (shown / even / paper).item(), rel=0.01
    )


def test_white_paper_that_lies_flat_is_lit_alike_by_all_environments() -> None:
    paper = flat(diffuse_albedo=(0.8,) * 3, specular_albedo=(0.0,) * 3, roughness=1.0)
    for environment in ("even", "studio"):
        shown = render(paper, lights=(), ambient=1.0, environment=environment, fov=5)
        assert shown.mean().item() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("roughness", [0.2, 0.4])
def test_metal_is_bright_by_default_and_shows_that_light_comes_from_the_upper_left(roughness: float) -> None:
    metal = flat(base_color=(0.9, 0.9, 0.9), metalness=1.0, roughness=roughness)
    shown, before = (render(metal, lights=(), **told)[0] for told in ({}, {"environment": "even"}))
    assert shown.mean() > 4 * before.mean()
    assert shown[:4, :6].mean() > 1.5 * shown[-4:, -6:].mean()


def test_what_is_no_metal_is_lit_evenly_by_default() -> None:
    for material in (flat(base_color=(0.5, 0.4, 0.3)), flat(base_color=(0.0, 0.0, 0.0), roughness=0.1)):
        assert torch.equal(render(material), render(material, environment="even"))


def test_the_studio_turns_with_the_lights() -> None:
    def metal(x: float, y: float) -> Material:
        return leaning(x, y).replace(**flat(metalness=1.0, roughness=0.3).maps)

    sheet = render(metal(0.3, 0), frames=4, lights=())
    frames = [sheet[:, y : y + 16, x : x + 24].mean().item() for y in (0, 16) for x in (0, 24)]
    turned = [render(metal(*way), lights=()).mean().item() for way in ((0.3, 0), (0, -0.3), (-0.3, 0), (0, 0.3))]
    assert frames == pytest.approx(turned, rel=0.03)
    assert max(frames) > 1.5 * min(frames)


def test_brushed_metal_smears_the_studio_across_its_grooves() -> None:
    """Grooves along x send on what lies above and below: leaning that way changes little."""
    changes = []
    for direction in ((0.0, 1.0), (1.0, 0.0)):
        shown = []
        for lean in (-0.25, 0.25):
            normal = unit(torch.tensor([0.0, lean, 1.0])).view(3, 1, 1)
            axis = torch.tensor(direction).view(2, 1, 1)
            widths = torch.tensor([0.9, 0.02]).view(2, 1, 1)
            surface = Surface(torch.zeros(3, 1, 1), torch.ones(1, 1, 1), normal, widths, axis)
            shown.append(around.studio().reflected(surface, UP, 0.0).mean().item())
        changes.append(abs(shown[0] - shown[1]))
    assert changes[0] < changes[1] / 3


def test_lights_may_be_none() -> None:
    gray = flat(base_color=(0.5, 0.5, 0.5))
    assert torch.equal(render(gray, lights=()), render(gray, lights=(Light(strength=0),)))
