"""The steps `resize`, `crop` and `make_tileable`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maps.conftest import Told, numbers, real, refused, run
from pydantic import ValidationError

import assetforge as af
from assetforge.material.material import Material
from assetforge.ops.resample import resample
from assetforge.ops.seams import seam_score
from assetforge.samples import SAMPLES, make_sample


def ids(side: int = 64) -> af.Texture:
    """Ids of which no mean is an id."""
    blocks = torch.randint(0, 2, (1, side // 4, side // 4), generator=torch.Generator().manual_seed(0)) * 1000.0
    return numbers(blocks.repeat_interleave(4, 1).repeat_interleave(4, 2), "id")


def test_resizing_to_the_same_size_changes_nothing_to_the_bit() -> None:
    material = make_sample("brick", 64)
    for params in ({"size": [64, 64]}, {"scale": 1}, {"longer": 64}, {"power_of_two": "up"}):
        same = run("resize", material, **params)
        assert all(same[name] is texture for name, texture in material.items())


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"size": [30, 20]}, (20, 30)),
        ({"scale": 0.5}, (24, 32)),
        ({"longer": 96}, (72, 96)),
        ({"power_of_two": "up"}, (64, 64)),
        ({"power_of_two": "down"}, (32, 64)),
        ({"power_of_two": "nearest"}, (64, 64)),
        ({"scale": 0.9, "power_of_two": "nearest"}, (32, 64)),
    ],
)
def test_sizes_are_those_that_are_asked_for(params: dict[str, object], size: tuple[int, int]) -> None:
    assert run("resize", Material("m", {"height": numbers(torch.rand(1, 48, 64))}), **params)["height"].size == size


def test_normals_stay_unit_and_ids_stay_ids() -> None:
    material = make_sample("stone", 64).replace(id=ids())
    small = run("resize", material, size=[37, 41])
    length = torch.linalg.vector_norm(small["normal"].data, dim=0)
    assert (length - 1).abs().max() < 1e-5
    assert set(small["id"].data.unique().tolist()) == {0.0, 1000.0}


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_what_tiles_goes_on_tiling(scale: float) -> None:
    made = run("resize", make_sample("fabric", 64), scale=scale)
    rolled = make_sample("fabric", 64)
    rolled = Material("rolled", {n: af.Texture(t.data.roll(8, 2), t.color_space, "repeat") for n, t in rolled.items()})
    again = run("resize", rolled, scale=scale)
    for name, texture in made.items():
        assert seam_score(texture.data) <= 1.2
        assert torch.equal(texture.data.roll(round(8 * scale), 2), again[name].data)


def test_hidden_colors_do_not_show() -> None:
    alpha = torch.zeros(1, 32, 32)
    alpha[:, 8:24, 8:24] = 1
    color = torch.where(alpha > 0, torch.tensor([0.2, 0.4, 0.1]).view(3, 1, 1), torch.tensor(1.0))
    small = run("resize", Material("m", {"base_color": numbers(color, "base_color", alpha=alpha)}), scale=0.4)
    texture = small["base_color"]
    assert texture.alpha is not None
    seen = texture.data[:, texture.alpha[0] > 0.02]
    assert (seen - torch.tensor([[0.2], [0.4], [0.1]])).abs().max() < 1e-3


def test_hidden_colors_far_from_what_is_seen_stay() -> None:
    """Some games keep data there."""
    alpha = torch.zeros(1, 64, 64)
    alpha[:, :, :8] = 1
    color = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(2))
    plain, veiled = (
        run("resize", Material("m", {"base_color": numbers(color, "base_color", alpha=one)}), scale=0.5)["base_color"]
        for one in (None, alpha)
    )
    assert torch.equal(plain.data[:, :, 16:], veiled.data[:, :, 16:])
    assert not torch.equal(plain.data[:, :, 4:6], veiled.data[:, :, 4:6])


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5])
def test_what_is_half_seen_counts_half(scale: float) -> None:
    """Over any ground, a smaller picture is the smaller one of what was seen: colors are averaged by alpha."""
    generator = torch.Generator().manual_seed(1)
    color, alpha = torch.rand(3, 48, 48, generator=generator), torch.rand(1, 48, 48, generator=generator)
    made = run("resize", Material("m", {"base_color": numbers(color, "base_color", alpha=alpha)}), scale=scale)
    texture = made["base_color"]
    assert texture.alpha is not None
    seen = resample(color * alpha, texture.size)
    assert (texture.data * texture.alpha - seen).abs().mean() < 0.006


def test_opaque_alpha_changes_no_color() -> None:
    color = make_sample("brick", 32)["base_color"]
    opaque = replace(color, alpha=torch.ones(1, 32, 32))
    plain, clear = (run("resize", Material("m", {"base_color": one}), scale=0.6) for one in (color, opaque))
    assert torch.equal(plain["base_color"].data, clear["base_color"].data)


def test_nearest_makes_no_new_value() -> None:
    material = make_sample("brick", 32)
    large = run("resize", material, scale=3, filter="nearest")
    assert torch.equal(large["base_color"].data[:, 1::3, 1::3], material["base_color"].data)


@pytest.mark.parametrize("params", [{}, {"scale": 2, "longer": 8}, {"size": [0, 4]}])
def test_resize_wants_one_size(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        run("resize", make_sample("brick", 16), **params)


def test_a_crop_is_the_same_rectangle_of_all_maps() -> None:
    material = make_sample("brick", 64)
    half = run("resize", material.only("height"), scale=0.5)["height"]
    cut = run("crop", material.replace(height=half), size=[20, 30], at=[4, 6])
    assert torch.equal(cut["normal"].data, material["normal"].data[:, 6:36, 4:24])
    assert torch.equal(cut["height"].data, half.data[:, 3:18, 2:12])
    middle = run("crop", material, parts=[0.5, 0.25])
    assert torch.equal(middle["normal"].data, material["normal"].data[:, 24:40, 16:48])
    whole = run("crop", material, parts=[1, 1])
    assert all(whole[name] is texture for name, texture in material.items())


def test_a_crop_that_does_not_fit_says_so() -> None:
    material = make_sample("brick", 64)
    with refused("70×30", "64×64", "smaller rectangle"):
        run("crop", material, size=[70, 30])
    odd = material.replace(height=run("resize", material.only("height"), scale=0.5)["height"])
    with refused("height", "32×32", "within a pixel", "resize"):
        run("crop", odd, size=[21, 30], at=[0, 0])


def cropped(name: str = "brick") -> Material:
    return run("crop", make_sample(name, 128), size=[101, 93], at=[11, 17])


@pytest.mark.parametrize("name", SAMPLES)
def test_edges_that_did_not_meet_do(name: str) -> None:
    made = run("make_tileable", cropped(name), force=True)
    assert all(texture.wrap == "repeat" for texture in made.values())
    for texture in made.values():
        assert seam_score(texture.data) <= 1.2
    assert len({texture.size for texture in made.values()}) == 1


@pytest.mark.parametrize("axes", ["x", "y", "both"])
def test_a_cut_that_keeps_the_size_tiles_along_its_axes(axes: str) -> None:
    made = run("make_tileable", cropped(), axes=axes, size="keep", force=True)
    assert {texture.size for texture in made.values()} == {(93, 101)}
    assert {texture.wrap for texture in made.values()} == {"repeat" if axes == "both" else "clamp"}
    assert all(seam_score(texture.data, "xy" if axes == "both" else axes) <= 1.2 for texture in made.values())


def test_one_cut_is_shared_by_all_maps() -> None:
    material = cropped("stone")
    twin = numbers(material["base_color"].data[:1], "roughness")
    made = run("make_tileable", material.replace(roughness=twin))
    assert torch.equal(made["roughness"].data[0], made["base_color"].data[0])


def test_what_meets_already_stays_to_the_bit_unless_forced() -> None:
    material = make_sample("stone", 64)
    same = run("make_tileable", material)
    assert all(same[name] is texture for name, texture in material.items())
    assert run("make_tileable", material, force=True)["height"].size[0] < 64
    width = run("make_tileable", cropped(), axes="x")["height"].size
    assert width[0] == 93
    assert width[1] < 101


def test_a_cut_averages_no_ids_and_keeps_normals_unit() -> None:
    material = Material("m", {**cropped(), "id": run("crop", Material("i", {"id": ids(128)}), size=[101, 93])["id"]})
    made = run("make_tileable", material)
    assert set(made["id"].data.unique().tolist()) <= {0.0, 1000.0}
    assert (torch.linalg.vector_norm(made["normal"].data, dim=0) - 1).abs().max() < 1e-5


def test_a_cut_mixes_no_hidden_colors_in() -> None:
    alpha = (torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    color = torch.where(alpha > 0, torch.tensor([0.2, 0.4, 0.1]).view(3, 1, 1), torch.tensor(1.0))
    made = run("make_tileable", Material("m", {"base_color": numbers(color, "base_color", alpha=alpha)}), force=True)
    texture = made["base_color"]
    assert texture.alpha is not None
    seen = texture.data[:, texture.alpha[0] > 0.02]
    assert (seen - torch.tensor([[0.2], [0.4], [0.1]])).abs().max() < 1e-4


def test_maps_that_differ_in_size_cannot_be_cut_by_one_cut() -> None:
    material = cropped()
    half = run("resize", material.only("height"), size=[50, 46])["height"]
    with refused("height", "50×46", "101×93", "`resize`"):
        run("make_tileable", material.replace(height=half))


@pytest.mark.parametrize("name", ["Ground054", "Wall_Stone_022"])
def test_cut_real_materials_tile(name: str, data: Path) -> None:
    part = run("crop", real(data, name), size=[401, 367], at=[101, 53])
    told = Told()
    made = run("make_tileable", part, told)
    assert max(told.notes["seam score"].values()) <= 1.2
    assert not told.flags
    assert min(made["base_color"].size) >= 180
