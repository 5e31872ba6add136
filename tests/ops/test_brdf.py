"""The reflectance model against formulas of its own, and against laws that every surface obeys."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assetforge.ops.brdf import Surface, co_located, dot, reflectance, unit
from assetforge.ops.render import PointLight, Sun, illumination, positions, render


def vector(*parts: float) -> torch.Tensor:
    """One unit vector, (3, 1)."""
    return unit(torch.tensor(parts, dtype=torch.float64)[:, None])


directions = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.05, 1)).map(lambda parts: vector(*parts))
widths = st.floats(0.01, 1)


def surface(
    alpha: tuple[float, ...], f0: float = 0.04, diffuse: float = 0.0, angle: float = 0.0, tilt: float = 0.0
) -> Surface:
    one = torch.ones(1, 1, dtype=torch.float64)
    tangent = vector(math.cos(angle), math.sin(angle), 0)[:2] if len(alpha) > 1 else None
    width = torch.tensor(alpha, dtype=torch.float64)[:, None]
    return Surface(diffuse * one.expand(3, 1), f0 * one, vector(tilt, 0.3 * tilt, 1), width, tangent)


def of_gltf(alpha: float, f0: float, color: float, light: np.ndarray, view: np.ndarray) -> float:
    """Appendix B of the glTF 2.0 specification, for one direction of each, normal +Z: what it prints, in scalars."""
    half = (light + view) / np.linalg.norm(light + view)
    n_h, n_l, n_v, v_h = half[2], light[2], view[2], float(view @ half)
    a2 = alpha**2
    d = a2 / (math.pi * (n_h**2 * (a2 - 1) + 1) ** 2)
    v = 0.5 / (n_l * math.sqrt(a2 + (1 - a2) * n_v**2) + n_v * math.sqrt(a2 + (1 - a2) * n_l**2))
    fresnel = f0 + (1 - f0) * (1 - abs(v_h)) ** 5
    return (1 - fresnel) * color / math.pi + fresnel * d * v


@given(directions, directions, widths, st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_it_is_the_model_of_gltf(
    light: torch.Tensor, view: torch.Tensor, alpha: float, f0: float, color: float
) -> None:
    ours = reflectance(surface((alpha,), f0, color), light, view)
    theirs = of_gltf(alpha, f0, color, light[:, 0].numpy(), view[:, 0].numpy())
    assert ours[0].item() == pytest.approx(theirs, rel=1e-6, abs=1e-9)


@given(directions, directions, widths, widths, st.floats(0, 6.3), st.floats(-0.5, 0.5))
@settings(max_examples=60, deadline=None)
def test_light_and_viewer_may_be_exchanged(
    light: torch.Tensor, view: torch.Tensor, a_t: float, a_b: float, angle: float, tilt: float
) -> None:
    one = surface((a_t, a_b), 0.5, 0.0, angle, tilt)
    torch.testing.assert_close(reflectance(one, light, view), reflectance(one, view, light), rtol=1e-9, atol=1e-12)


@given(directions, widths, st.floats(0, 6.3), st.floats(-0.5, 0.5))
@settings(max_examples=40, deadline=None)
def test_equal_widths_are_isotropic_whatever_the_tangent(
    view: torch.Tensor, alpha: float, angle: float, tilt: float
) -> None:
    light = vector(0.3, -0.2, 1)
    turned, plain = surface((alpha, alpha), 0.04, 0.3, angle, tilt), surface((alpha,), 0.04, 0.3, 0.0, tilt)
    torch.testing.assert_close(reflectance(turned, light, view), reflectance(plain, light, view), rtol=1e-6, atol=1e-9)


@given(directions, widths, st.floats(0, 1), st.floats(0, 1), st.floats(-0.5, 0.5))
@settings(max_examples=60, deadline=None)
def test_the_short_form_is_that_of_a_light_at_the_viewer(
    view: torch.Tensor, alpha: float, f0: float, color: float, tilt: float
) -> None:
    one = surface((alpha,), f0, color, 0.0, tilt)
    if dot(one.normal, view).item() > 0.01:
        torch.testing.assert_close(co_located(one, view), reflectance(one, view, view), rtol=1e-6, atol=1e-9)


def hemisphere(count: int) -> tuple[torch.Tensor, float]:
    """Directions over the hemisphere, evenly in solid angle, and the solid angle of each."""
    z = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    phi = (torch.arange(2 * count, dtype=torch.float64) + 0.5) / (2 * count) * 2 * math.pi
    radius = (1 - z.square()).sqrt()
    grid = torch.stack([radius[:, None] * phi.cos(), radius[:, None] * phi.sin(), z[:, None].expand(-1, 2 * count)])
    return grid.flatten(1), 2 * math.pi / (count * 2 * count)


@pytest.mark.parametrize("slant", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("alpha", [(0.1,), (0.3,), (0.9,), (0.2, 0.7)])
def test_no_more_light_comes_back_than_arrives(alpha: tuple[float, ...], slant: float) -> None:
    view = vector(slant, 0, 1)
    lights, solid = hemisphere(400)
    # The base gets what the lobe leaves by the Fresnel term of the half vector, which glTF knows to be a bit too much.
    for f0, diffuse, most in ((1.0, 0.0, 1.003), (0.04, 1.0, 1.02)):
        returned = (reflectance(surface(alpha, f0, diffuse), lights, view) * lights[2:]).sum(1) * solid
        assert returned.max() < most
    mirror = (reflectance(surface((0.1,), 1.0), lights, view) * lights[2:]).sum(1) * solid
    assert mirror.min() > 0.95  # a smooth mirror loses next to nothing in the furnace


@pytest.mark.parametrize("alpha", [(0.2,), (0.8,), (0.15, 0.6)])
def test_the_facets_cover_the_plane_once(alpha: tuple[float, ...]) -> None:
    from assetforge.ops.brdf import _distribution

    halves, solid = hemisphere(600)
    covered = (_distribution(surface(alpha), halves) * halves[2:]).sum() * solid
    assert covered.item() == pytest.approx(1, abs=0.01)


def test_the_highlight_of_a_brushed_surface_is_stretched_along_its_tangent() -> None:
    angle = math.radians(30)
    one, view = surface((0.6, 0.1), 1.0, angle=angle), vector(0, 0, 1)
    along, across = vector(math.cos(angle), math.sin(angle), 1), vector(-math.sin(angle), math.cos(angle), 1)
    assert reflectance(one, along, view)[0] > 5 * reflectance(one, across, view)[0]


def test_gradients_are_finite_everywhere() -> None:
    points = positions((8, 12), 58.0)
    values = ((3, 0.5), (1, 0.04), (2, 0.0), (1, 1e-4))
    parts = [torch.full((channels, 8, 12), value, requires_grad=True) for channels, value in values]
    normal = unit(torch.cat([parts[2], torch.ones(1, 8, 12)]))
    picture = render(Surface(parts[0], parts[1], normal, parts[3]), points, (0, 0, 1), PointLight((0, 0, 1)))
    picture.sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in parts)


def test_a_lamp_lights_by_its_distance_and_a_sun_everywhere_alike() -> None:
    points = positions((3, 5), 90.0)
    assert points[0, 1].tolist() == pytest.approx([-0.8, -0.4, 0, 0.4, 0.8])
    assert points[1, :, 2].tolist() == pytest.approx([0.4, 0, -0.4])
    direction, irradiance = illumination(PointLight((0.0, 0.0, 2.0), 8.0), points)
    assert irradiance[0, 1, 2].item() == pytest.approx(2)
    assert irradiance[0, 1, 4].item() == pytest.approx(8 / 4.64)
    torch.testing.assert_close(direction.norm(dim=0), torch.ones(3, 5))
    direction, irradiance = illumination(Sun((0.0, 3.0, 4.0), 2.0), points)
    assert direction[:, 0, 0].tolist() == pytest.approx([0, 0.6, 0.8])
    assert (irradiance == 2).all()
    upward = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 3, 5)
    white = Surface(torch.ones(3, 3, 5), torch.zeros(1, 3, 5), upward, torch.ones(1, 3, 5))
    lit = render(white, points, (0, 0, 1), Sun((0.0, 3.0, 4.0), 2.0))
    assert lit[0, 1, 2].item() == pytest.approx(2 * 0.8 / math.pi, rel=0.01)
