"""The steps `delight`, `levels`, `combine_normals` and `convert`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from maps.conftest import Told, correlation, numbers, real, refused, run
from pydantic import ValidationError
from torch import Tensor

from assetforge.material.material import Material
from assetforge.ops.color import srgb_encode
from assetforge.ops.normals import normalize, of_slopes, slopes_of
from assetforge.samples import make_sample


def noise(channels: int, side: int = 48, seed: int = 0) -> Tensor:
    return torch.rand(channels, side, side, generator=torch.Generator().manual_seed(seed))


def lit(wrap: str = "clamp", side: int = 96) -> tuple[Material, Tensor, Tensor]:
    """A color under uneven light: the material, the color and the light, 1 on average in logarithms."""
    color = (0.2 + 0.2 * noise(3, side)).float()
    if wrap == "repeat":
        light = (0.5 * torch.sin(torch.arange(side) / side * 2 * torch.pi)).exp().expand(1, side, side)
    else:
        light = torch.linspace(-0.6, 0.6, side).exp().expand(1, side, side)
    return Material("lit", {"base_color": numbers(color * light, "base_color", wrap)}), color, light


@pytest.mark.parametrize("wrap", ["clamp", "repeat"])
def test_uneven_light_is_taken_out(wrap: str) -> None:
    material, color, light = lit(wrap)
    made = run("delight", material, radius=0.06)["base_color"].data
    off = (made / color).mean((0, 1)).log()
    assert off.std() < 0.2 * light.log()[0, 0].std()


def test_hue_and_the_mean_stay() -> None:
    material, _, _ = lit()
    before, after = material["base_color"].data, run("delight", material)["base_color"].data
    assert torch.allclose(before[0] / before[1], after[0] / after[1], rtol=1e-4)
    assert after.log().mean().item() == pytest.approx(before.log().mean().item(), abs=0.01)


def test_without_strength_nothing_changes_to_the_bit() -> None:
    material, _, _ = lit()
    assert run("delight", material, strength=0)["base_color"] is material["base_color"]


def test_baked_occlusion_is_taken_out() -> None:
    color, shadow = 0.2 + 0.2 * noise(3), 0.3 + 0.7 * noise(1, seed=5)
    maps = {"base_color": numbers(color * shadow, "base_color"), "ambient_occlusion": numbers(shadow, "height")}
    made = run("delight", Material("m", maps), strength=0, occlusion=1)["base_color"].data
    assert torch.allclose(made, color, atol=1e-5)
    with refused("ambient_occlusion", "ao_from_height"):
        run("delight", Material("m", maps).only("base_color"), occlusion=0.5)


def test_what_is_clear_counts_for_no_light() -> None:
    material, _, _ = lit()
    alpha = torch.ones(1, 96, 96)
    alpha[:, :, :30] = 0
    texture = material["base_color"]
    hidden = torch.where(alpha > 0, texture.data, torch.tensor(1.0))
    other = torch.where(alpha > 0, texture.data, torch.tensor(0.0))
    made = [
        run("delight", Material("m", {"base_color": numbers(d, "base_color", alpha=alpha)})) for d in (hidden, other)
    ]
    first, second = (one["base_color"].data[:, :, 30:] for one in made)
    assert torch.allclose(first, second, atol=1e-6)


def test_a_map_to_delight_must_be_there() -> None:
    with refused("base_color", "height"):
        run("delight", make_sample("brick", 16).only("height"))


@pytest.mark.parametrize("name", ["Rock058", "Ground054", "Bricks075B"])
def test_light_on_real_colors_is_taken_out(name: str, data: Path) -> None:
    plain = run("resize", real(data, name).only("base_color"), longer=256)["base_color"].data * 0.5
    light = torch.linspace(-0.6, 0.6, plain.shape[2]).exp().expand(1, *plain.shape[1:])
    made = [
        run("delight", Material(name, {"base_color": numbers(one, "base_color")}))["base_color"].data
        for one in (plain, plain * light)
    ]
    left = (made[1].clamp_min(1e-3) / made[0].clamp_min(1e-3)).mean(0).log()
    assert left.std() < 0.35 * light.log().std()
    assert correlation(plain, made[0]) > 0.8


def test_levels_that_say_nothing_change_nothing() -> None:
    material = make_sample("brick", 32)
    assert run("levels", material, maps={"roughness": {}})["roughness"] is material["roughness"]


def test_levels_are_what_painting_programs_do() -> None:
    values = torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0]).view(1, 1, 5)
    material = Material("m", {"roughness": numbers(values, "roughness")})

    def leveled(**levels: object) -> list[float]:
        return run("levels", material, maps={"roughness": levels})["roughness"].data.flatten().tolist()

    assert leveled(black=0.2, white=0.8) == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-6)
    assert leveled(invert=True) == pytest.approx([1, 0.8, 0.5, 0.2, 0])
    assert leveled(low=0.4, high=0.6) == pytest.approx([0.4, 0.44, 0.5, 0.56, 0.6])
    assert leveled(gamma=2) == pytest.approx([0, 0.2**0.5, 0.5**0.5, 0.8**0.5, 1])
    assert leveled(black=0.5, clamp=False) == pytest.approx([-1, -0.6, 0, 0.6, 1])


def test_levels_have_an_inverse() -> None:
    material = make_sample("stone", 32)
    there = run("levels", material, maps={"base_color": {"low": 0.1, "high": 0.8, "gamma": 2, "invert": True}})
    inverted = run("levels", there, maps={"base_color": {"black": 0.1, "white": 0.8, "invert": True}})
    back = run("levels", inverted, maps={"base_color": {"gamma": 0.5}})
    apart = srgb_encode(back["base_color"].data) - srgb_encode(material["base_color"].data)
    assert apart.abs().max() < 1e-4


def test_levels_of_colors_are_of_srgb_values() -> None:
    material = make_sample("stone", 32)
    made = run("levels", material, maps={"base_color": {"black": 0.1, "white": 0.6}})["base_color"].data
    expected = ((srgb_encode(material["base_color"].data) - 0.1) / 0.5).clamp(0, 1)
    assert torch.allclose(srgb_encode(made), expected, atol=1e-5)


def test_levels_refuse_what_has_none() -> None:
    material = make_sample("brick", 16)
    with refused("normal", "directions"):
        run("levels", material, maps={"normal": {"gamma": 2}})
    with refused("roughnes", "roughness"):
        run("levels", material, maps={"roughnes": {"gamma": 2}})
    for levels in ({"black": 0.5, "white": 0.5}, {"clamp": False, "gamma": 2}):
        with pytest.raises(ValidationError):
            run("levels", material, maps={"roughness": levels})


FLAT = normalize(torch.zeros(3, 48, 48))
DETAIL = normalize(torch.cat([noise(2, seed=3) - 0.5, torch.ones(1, 48, 48)]))
METHODS = ["reoriented", "whiteout", "udn"]


def combined(base: Tensor, detail: Tensor, **params: object) -> Tensor:
    maps = {"normal": numbers(base, "normal"), "normal_detail": numbers(detail, "normal")}
    return run("combine_normals", Material("m", maps), **params)["normal"].data


@pytest.mark.parametrize("method", METHODS)
def test_combining_with_flat_details_is_the_identity(method: str) -> None:
    base = normalize(torch.cat([3 * noise(2) - 1.5, torch.ones(1, 48, 48)]))
    assert torch.equal(combined(base, FLAT, method=method), base)
    assert torch.equal(combined(base, DETAIL, method=method, strength=0), base)


@pytest.mark.parametrize("method", ["reoriented", "whiteout"])
def test_details_on_a_flat_surface_are_themselves(method: str) -> None:
    assert torch.allclose(combined(FLAT, DETAIL, method=method), DETAIL, atol=1e-6)


def test_reoriented_details_are_turned_with_the_surface() -> None:
    """The angle between the result and the base is that between details and up."""
    base = normalize(torch.cat([2 * noise(2) - 1, torch.ones(1, 48, 48)]))
    made = combined(base, DETAIL)
    assert torch.allclose((made * base).sum(0), DETAIL[2], atol=1e-5)


def test_strength_multiplies_slopes() -> None:
    assert torch.allclose(slopes_of(combined(FLAT, DETAIL, strength=0.5)), 0.5 * slopes_of(DETAIL), atol=1e-5)


def test_details_come_from_a_file_and_repeat(tmp_path: Path) -> None:
    detail = of_slopes(torch.tensor([0.5, 0.25]).view(2, 1, 1).expand(2, 16, 16))
    pixels = ((detail / 2 + 0.5) * 65535).round().numpy().astype(np.uint16).transpose(1, 2, 0)[:, :, ::-1]
    assert cv2.imwrite(str(tmp_path / "d.png"), pixels)
    base = Material("m", {"normal": numbers(FLAT, "normal")})
    for green, sign in (("up", 1), ("down", -1)):
        made = run("combine_normals", base, detail=str(tmp_path / "d.png"), repeats=[3, 2], green=green)["normal"].data
        assert torch.allclose(slopes_of(made)[:, 20, 20], torch.tensor([0.5, 0.25 * sign]), atol=1e-3)
    once, twice = combined(FLAT, DETAIL), combined(FLAT, DETAIL, repeats=[2, 2])
    assert torch.equal(twice[:, :24, :24], twice[:, 24:, 24:])
    assert not torch.equal(once[:, :24, :24], once[:, 24:, 24:])


def test_details_that_are_missing_or_do_not_fit_are_named() -> None:
    with refused("normal_detail", "`detail`"):
        run("combine_normals", Material("m", {"normal": numbers(FLAT, "normal")}))
    with refused("48×48", "5×2"):
        combined(FLAT, DETAIL, repeats=[5, 2])
    with refused("no map normal"):
        run("combine_normals", make_sample("brick", 16).only("height"))


def test_glossiness_is_one_less_roughness_and_back() -> None:
    material = make_sample("brick", 16).only("roughness")
    gloss = run("convert", material, to="glossiness")
    assert torch.equal(gloss["glossiness"].data, 1 - material["roughness"].data)
    back = run("convert", gloss.only("glossiness"), to="roughness")
    assert torch.allclose(back["roughness"].data, material["roughness"].data, atol=1e-7)


def test_workflows_lead_back_to_where_they_started() -> None:
    metal = (noise(1, seed=8) > 0.5).float()
    maps = {"base_color": numbers(0.1 + 0.8 * noise(3), "base_color"), "metalness": numbers(metal, "metalness")}
    specular = run("convert", Material("m", maps), to="specular")
    assert torch.allclose(specular["specular_albedo"].data[:, metal[0] == 0], torch.tensor(0.04))
    back = run("convert", specular.only("diffuse_albedo", "specular_albedo"), to="metalness")
    assert torch.allclose(back["metalness"].data, metal, atol=1e-5)
    assert torch.allclose(back["base_color"].data, maps["base_color"].data, atol=1e-5)


def test_gray_metal_in_part_leads_back_too() -> None:
    part = numbers(noise(1, seed=9), "metalness")
    maps = {"base_color": numbers((0.1 + 0.8 * noise(1)).expand(3, 48, 48), "base_color"), "metalness": part}
    back = run("convert", run("convert", Material("m", maps), to="specular"), to="metalness")
    assert torch.allclose(back["metalness"].data, part.data, atol=1e-4)


def test_maps_that_a_conversion_lacks_are_named() -> None:
    with refused("diffuse_albedo", "specular_albedo", "metalness"):
        run("convert", make_sample("brick", 16).only("normal"), to="metalness")
    with refused("specular_albedo", "metalness"):
        half = Material(
            "m", {"base_color": numbers(noise(3), "base_color"), "diffuse_albedo": numbers(noise(3), "base_color")}
        )
        run("convert", half, to="metalness")


def test_what_is_of_the_metalness_workflow_already_stays() -> None:
    metal, brick = make_sample("metal", 16), make_sample("brick", 16).only("base_color", "roughness")
    made = run("convert", metal, to="metalness")
    assert torch.equal(made["metalness"].data, metal["metalness"].data)
    assert torch.equal(made["base_color"].data, metal["base_color"].data)
    bare = run("convert", brick, to="metalness")
    assert torch.equal(bare["base_color"].data, brick["base_color"].data)
    assert not bare["metalness"].data.any()


def test_colors_that_light_would_make_too_bright_are_flagged() -> None:
    ramp = torch.linspace(0.005, 1, 64).expand(3, 64, 64).contiguous()
    told = Told()
    made = run("delight", Material("m", {"base_color": numbers(ramp, "base_color")}), told, radius=0.3)
    assert made["base_color"].data.max() <= 1
    assert "out of gamut, base_color" in told.notes
