"""Steps between height, normal, ambient occlusion and curvature."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
import torch
from maps.conftest import Told, correlation, numbers, real, refused, run

from assetforge.material.material import Material
from assetforge.ops.heights import fitted_depth
from assetforge.ops.metrics import angular_error
from assetforge.ops.normals import normalize
from assetforge.ops.seams import seam_score
from assetforge.samples import SAMPLES, make_sample


def ramp(depth: float = 1.0) -> Material:
    """A plane that rises to the right."""
    return Material("ramp", {"height": numbers(torch.linspace(0, depth, 64).expand(1, 64, 64))})


def bump(side: int = 64, sign: float = 1.0) -> Material:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    return Material("bump", {"height": numbers(0.5 + sign * 0.5 * torch.exp(-8 * (x * x + y * y))[None])})


@lru_cache
def height_of(name: str) -> Material:
    return make_sample(name).only("height")


@pytest.mark.parametrize("name", SAMPLES)
def test_from_height_to_normal_and_back_is_the_same(name: str) -> None:
    height = height_of(name)
    back = run("height_from_normal", run("normal_from_height", height).only("normal"))
    assert correlation(back["height"].data, height["height"].data) > 0.99


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_so_where_nothing_tiles(name: str) -> None:
    height = run("crop", height_of(name), size=[190, 175], at=[5, 9])
    normal = run("normal_from_height", height, tileable=False).only("normal")
    back = run("height_from_normal", normal, tileable=False)
    assert correlation(back["height"].data, height["height"].data) > 0.96  # without a tilt that 8 bits could not tell


def test_the_depth_that_is_noted_gives_the_normals_back() -> None:
    normal, told = make_sample("stone", 128).only("normal"), Told()
    height = run("height_from_normal", normal, told)
    again = run("normal_from_height", height.only("height"), depth=told.notes["depth"])
    assert angular_error(again["normal"].data, normal["normal"].data) < 2.0
    fixed = run("height_from_normal", normal, depth=0.5)["height"].data
    assert (fixed.amax() - fixed.amin()).item() == pytest.approx(told.notes["depth"] / 0.5, rel=1e-3)


def test_what_is_beyond_the_depth_is_cut_and_flagged() -> None:
    told = Told()
    run("height_from_normal", make_sample("stone", 64).only("normal"), told, depth=0.001)
    assert "beyond `depth`" in told.flags[0]


def test_flat_normals_have_a_flat_height() -> None:
    flat = normalize(torch.zeros(3, 32, 32))
    height = run("height_from_normal", Material("m", {"normal": numbers(flat, "normal", "repeat")}))["height"].data
    assert torch.equal(height, torch.full((1, 32, 32), 0.5))


def test_what_8_bits_cannot_say_of_flat_ground_is_no_ramp() -> None:
    relief = bump(128)
    relief = Material("bump", {"height": numbers(relief["height"].data * 0.02)})
    normal = run("normal_from_height", relief, depth=1, tileable=False)["normal"].data
    codes = ((normal + 1) / 2 * 255).floor()  # flat ground is 127 in X and Y
    read = normalize(codes / 255 * 2 - 1)
    height = run("height_from_normal", Material("m", {"normal": numbers(read, "normal")}), tileable=False)["height"]
    corners = height.data[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.max() - corners.min() < 0.1
    assert correlation(height.data, relief["height"].data) > 0.95


def test_what_rises_to_the_right_leans_to_the_left_by_the_depth_that_is_told() -> None:
    normal = run("normal_from_height", ramp(), depth=63 / 64, tileable=False)["normal"].data
    expected = normalize(torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1)).expand(3, 64, 64)
    assert torch.allclose(normal, expected, atol=1e-5)
    turned = Material("m", {"height": numbers(ramp()["height"].data.transpose(1, 2))})
    assert run("normal_from_height", turned, tileable=False)["normal"].data[1].min() > 0  # deeper above, +Y up


@pytest.mark.parametrize("step", ["normal_from_height", "ao_from_height", "curvature"])
def test_results_of_what_tiles_roll_with_it_and_tile(step: str) -> None:
    material = make_sample("stone", 64).only("height")
    rolled = Material("m", {"height": numbers(material["height"].data.roll((5, 9), (1, 2)), "height", "repeat")})
    [(_, made)] = [(n, t) for n, t in run(step, material).items() if n != "height"]
    [(_, other)] = [(n, t) for n, t in run(step, rolled).items() if n != "height"]
    assert torch.allclose(made.data.roll((5, 9), (1, 2)), other.data, atol=2e-6)
    assert seam_score(made.data) <= 1.2


def test_a_flat_surface_sees_all_of_the_sky() -> None:
    for wrap in ("repeat", "clamp"):
        flat = Material("m", {"height": numbers(torch.full((1, 32, 40), 0.3), wrap=wrap)})
        assert torch.equal(run("ao_from_height", flat)["ambient_occlusion"].data, torch.ones(1, 32, 40))


def test_a_slope_sees_all_of_its_sky() -> None:
    seen = run("ao_from_height", ramp(), depth=0.5, tileable=False, radius=0.2)["ambient_occlusion"].data
    assert seen[:, 16:-16, 16:-16].min() > 0.999


def test_a_deep_slit_sees_what_lies_between_its_walls() -> None:
    """In the middle of the ground of an endless trench, the share is the sine of the angle to its edge."""
    height = torch.ones(1, 64, 256)
    height[:, :, 112:144] = 0  # 32 wide; from pixel 127, walls are 16 and 17 away
    trench = Material("m", {"height": numbers(height, wrap="repeat")})
    for deep in (16, 32):
        seen = run("ao_from_height", trench, depth=deep / 256, radius=0.5)["ambient_occlusion"].data[0, 32, 127].item()
        assert seen == pytest.approx(16.5 / (16.5**2 + deep**2) ** 0.5, abs=0.03)


def test_strength_is_a_power() -> None:
    one, two = (run("ao_from_height", bump(), strength=s)["ambient_occlusion"].data for s in (1, 2))
    assert torch.allclose(one.square(), two, atol=1e-6)


def test_the_normal_map_tells_how_deep_the_height_is() -> None:
    material, told = make_sample("stone", 128).only("height"), Told()
    both = run("normal_from_height", material, depth=0.08)
    seen = run("ao_from_height", both, told)["ambient_occlusion"].data
    assert told.notes["depth"]["depth"] == pytest.approx(0.08, rel=1e-3)
    assert torch.allclose(seen, run("ao_from_height", material, depth=0.08)["ambient_occlusion"].data, atol=1e-3)
    wrong = both["normal"].with_data(both["normal"].data.roll(40, 1))
    run("ao_from_height", both.replace(normal=wrong), told)
    assert "do not fit" in told.flags[-1]


def test_a_bump_is_convex_and_a_dent_is_concave() -> None:
    for source in ("height", "normal"):
        up, down = (run("normal_from_height", bump(sign=sign), depth=0.2) for sign in (1, -1))
        convex, concave = (run("curvature", m, source=source, radius=0.03)["curvature"].data for m in (up, down))
        assert convex[0, 32, 32] > 0.53
        assert concave[0, 32, 32] < 0.47
        assert convex[0, 2, 2] == pytest.approx(0.5, abs=0.01)


def test_curvature_of_what_is_flat_is_a_half() -> None:
    flat = Material("m", {"normal": numbers(normalize(torch.zeros(3, 32, 32)), "normal", "repeat")})
    assert torch.equal(run("curvature", flat)["curvature"].data, torch.full((1, 32, 32), 0.5))


def test_maps_that_are_missing_are_named() -> None:
    color = make_sample("brick", 16).only("base_color")
    with refused("height", "base_color", "height_from_normal"):
        run("ao_from_height", color)
    with refused("normal", "base_color"):
        run("curvature", color)


@lru_cache
def crop_of(data: Path, name: str) -> Material:
    material = real(data, name, only=("height", "normal", "ambient_occlusion"))
    return run("crop", material, size=[128, 128], at=[200, 300])


@pytest.mark.parametrize("name", ["Ground054", "Rock020", "Stone_Path_007", "hterrain_sand"])
def test_normals_of_real_materials_have_their_height(name: str, data: Path) -> None:
    """Those whose own normals are those of their height: slopes of the other 16 correlate by less than 0.9."""
    material = crop_of(data, name)
    height, normal = material["height"], material["normal"]
    _, agreement = fitted_depth(height.data, normal.data, repeat=False)
    assert agreement >= 0.9
    made = run("height_from_normal", material.only("normal"), tileable=False)["height"]
    assert correlation(made.data, height.data) > 0.9


@pytest.mark.parametrize("name", ["Bricks075B", "Ground054", "Rock058", "Stone_Path_007", "Wall_Stone_022"])
def test_occlusion_of_real_materials_is_like_their_own(name: str, data: Path) -> None:
    material = crop_of(data, name)
    made = run("ao_from_height", material, tileable=False, radius=0.5)["ambient_occlusion"]
    assert correlation(made.data, material["ambient_occlusion"].data) > 0.8
