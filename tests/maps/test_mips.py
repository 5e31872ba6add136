"""The step `mips`: smaller levels of maps, each by its kind."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maps.conftest import numbers, run

import assetforge as af
from assetforge.codecs.decode import decode
from assetforge.execute.map_io import load_maps, save_maps
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.blur import blurred_widely
from assetforge.ops.brdf import Surface
from assetforge.ops.heights import normals_of_height
from assetforge.ops.mips import coverage, halved, sizes
from assetforge.ops.normals import normalize
from assetforge.ops.render import Sun, render
from assetforge.samples import make_sample


def bumps(side: int = 128, slope: float = 0.1) -> torch.Tensor:
    """Normals of smooth noise, whose slopes deviate by so much."""
    noise = torch.randn(1, side, side, generator=torch.Generator().manual_seed(0))
    height = blurred_widely(noise, 1.5, repeat=True)
    step = (height.roll(-1, 2) - height.roll(1, 2)).std() / 2
    return normals_of_height(height, slope / step.item(), repeat=True)


def of_material(data: Path, name: str) -> torch.Tensor:
    """A corner of the normals of a real material."""
    [file] = (data / "materials" / name).glob("normal.*")
    return decode(file, af.MAPS["normal"]).texture.data[:, :128, :128].contiguous()


def softbox(half_angle: float = 20.0, count: int = 24) -> list[Sun]:
    """Suns spread evenly over a disk of the sky overhead."""
    suns = []
    for index in range(count):
        height = 1 - (1 - math.cos(math.radians(half_angle))) * (index + 0.5) / count
        turn, across = index * 2.399963, math.sqrt(1 - height * height)
        suns.append(Sun((across * math.cos(turn), across * math.sin(turn), height)))
    return suns


def brightness(normal: torch.Tensor, roughness: torch.Tensor) -> float:
    """The mean light that bare metal throws to a camera far above."""
    metal = Surface(torch.zeros(3, 1, 1), torch.full((3, 1, 1), 0.9), normal, roughness.square())
    shots = (render(metal, torch.zeros_like(normal), (0.0, 0.0, 1e4), sun) for sun in softbox())
    return sum(shot.mean().item() for shot in shots)


def metal(normal: torch.Tensor, roughness: float = 0.35) -> Material:
    return Material("metal", {
        "normal": numbers(normal, "normal", "repeat"),
        "roughness": numbers(torch.full_like(normal[:1], roughness), "roughness", "repeat"),
    })  # fmt: skip


def kept(material: Material, **params: object) -> list[float]:
    """The brightness of each smaller level, in parts of that of the largest."""
    made = run("mips", material, **params)
    levels = zip(made["normal"].levels, made["roughness"].levels, strict=True)
    first, *others = (brightness(normal.data, roughness.data) for normal, roughness in levels)
    return [other / first for other in others]


def test_bumpy_metal_keeps_its_brightness_far_away() -> None:
    """Without making up for the bumps, it is up to 41 % brighter; Toksvig's way keeps it here, too."""
    material = metal(bumps())
    assert max(kept(material, roughness="mean")) > 1.35
    for way in ("lobe", "toksvig"):
        assert all(abs(part - 1) < 0.05 for part in kept(material, roughness=way)), way


def test_a_few_steep_normals_do_not_make_metal_dull(data: Path) -> None:
    """A plate with deep joints: Toksvig's roughness loses 80 % of its light, that of lobes a sixth."""
    normal = of_material(data, "MetalPlates006")
    assert min(kept(metal(normal, 0.2), roughness="toksvig")) < 0.4
    assert min(kept(metal(normal, 0.2))) > 0.8


def test_rough_rock_of_metal_keeps_its_brightness(data: Path) -> None:
    normal = of_material(data, "Rock058")
    assert max(kept(metal(normal), roughness="mean")) > 1.4
    assert all(abs(part - 1) < 0.05 for part in kept(metal(normal)))


@pytest.mark.parametrize("size", [(64, 64), (100, 60), (1, 37), (129, 3)])
def test_every_level_is_half_the_one_before_and_normals_are_unit(size: tuple[int, int]) -> None:
    normal = normalize(torch.rand(3, *size, generator=torch.Generator().manual_seed(1)) - 0.4)
    levels = run("mips", Material("m", {"normal": numbers(normal, "normal")}))["normal"].levels
    assert [level.size for level in levels] == [size, *sizes(size)]
    assert levels[-1].size == (1, 1)
    for level in levels:
        assert (torch.linalg.vector_norm(level.data, dim=0) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(64, 64), (100, 75), (37, 129)])
def test_levels_have_the_mean_of_the_largest(size: tuple[int, int]) -> None:
    height = torch.rand(1, *size, generator=torch.Generator().manual_seed(2))
    levels = run("mips", Material("m", {"height": numbers(height)}))["height"].levels
    assert all(abs(level.data.mean() - height.mean()) < 1e-5 for level in levels)


def test_a_level_of_an_odd_side_covers_all_of_it() -> None:
    line = torch.tensor([[[1.0, 2.0, 4.0, 8.0, 16.0]]])
    assert halved(line)[0, 0].tolist() == pytest.approx([(1 * 2 + 2 * 2 + 4 * 1) / 5, (4 * 1 + 8 * 2 + 16 * 2) / 5])


def test_color_is_averaged_as_light() -> None:
    checks = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).expand(3, 2, 2)
    levels = run("mips", Material("m", {"base_color": numbers(checks, "base_color")}))["base_color"].levels
    assert levels[1].data.flatten().tolist() == [0.5] * 3  # of linear light; 188 of 255 in sRGB


def test_a_map_of_opacity_keeps_hidden_colors_out_as_alpha_does() -> None:
    """Leaves on black, as libraries sell them: far away they would get dark."""
    opacity = leaves(64, 64)
    green = torch.tensor([0.1, 0.6, 0.2]).reshape(3, 1, 1)
    material = Material("m", {
        "base_color": numbers(torch.where(opacity > 0, green, 0.0), "base_color"),
        "opacity": numbers(opacity, "opacity"),
    })  # fmt: skip
    made = run("mips", material)
    for level, cover in zip(made["base_color"].levels, made["opacity"].levels, strict=True):
        assert level.alpha is None
        seen = level.data[:, cover.data[0] > 0]
        torch.testing.assert_close(seen, green[:, :, 0].expand_as(seen))


def leaves(height: int = 150, width: int = 100) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    shape = torch.sin(x * 0.9) * torch.sin(y * 0.7 + x * 0.2)
    return ((shape - 0.5) * 8).clamp(0, 1)[None]


@pytest.mark.parametrize("name", ["base_color", "opacity"])
@pytest.mark.parametrize("cutoff", [0.3, 0.5])
def test_as_much_of_each_level_is_seen_as_of_the_largest(name: str, cutoff: float) -> None:
    """Within 2 %, or the nearest number of pixels there is. Without it, nothing is left of the third level."""
    alpha = leaves()
    texture = numbers(alpha, name) if name == "opacity" else numbers(torch.rand(3, 150, 100), name, alpha=alpha)

    def seen(way: str) -> list[tuple[int, float]]:
        levels = run("mips", Material("m", {name: texture}), alpha=way, cutoff=cutoff)[name].levels
        covers = [level.data if name == "opacity" else level.alpha for level in levels]
        return [(cover.numel(), coverage(cover, cutoff)) for cover in covers if cover is not None]

    wanted = coverage(alpha, cutoff)
    assert all(abs(part - wanted) <= max(0.02 * wanted, 0.5 / pixels + 1e-9) for pixels, part in seen("coverage"))
    assert seen("auto") == seen("coverage")
    assert seen("mean")[3][1] < wanted / 4


def test_smooth_alpha_is_left_as_it_is() -> None:
    glass = torch.linspace(0, 1, 64 * 64).reshape(1, 64, 64)
    texture = numbers(torch.rand(3, 64, 64), "base_color", alpha=glass)
    levels = run("mips", Material("m", {"base_color": texture}))["base_color"].levels
    assert all(level.alpha is not None and abs(level.alpha.mean() - 0.5) < 1e-4 for level in levels)


def test_hidden_colors_do_not_bleed_into_smaller_levels() -> None:
    alpha = (torch.arange(64) % 3 == 0).float().expand(1, 64, 64).contiguous()
    leaf, hidden = (torch.tensor(one).view(3, 1, 1) for one in ([0.2, 0.5, 0.1], [1.0, 0.0, 1.0]))
    color = torch.where(alpha > 0, leaf, hidden)
    levels = run("mips", Material("m", {"base_color": numbers(color, "base_color", alpha=alpha)}))["base_color"].levels
    for level in levels[1:]:
        assert level.alpha is not None
        shown = level.data[:, level.alpha[0] > 0]
        assert torch.allclose(shown, leaf[:, 0].expand_as(shown), atol=1e-4)


def test_levels_of_roughness_keep_its_alpha() -> None:
    stone = make_sample("stone", 32)
    veiled = replace(stone["roughness"], alpha=torch.full((1, 32, 32), 0.5))
    levels = run("mips", stone.replace(roughness=veiled))["roughness"].levels
    assert [level.alpha.mean().item() for level in levels if level.alpha is not None] == [0.5] * 6


def test_ids_are_never_mixed() -> None:
    codes = torch.randint(0, 5, (1, 50, 50), generator=torch.Generator().manual_seed(0)) * 1000.0
    levels = run("mips", Material("m", {"id": numbers(codes, "id")}))["id"].levels
    assert all(set(level.data.unique().tolist()) <= set(codes.unique().tolist()) for level in levels)


def test_sharper_levels_see_across_the_edge_of_what_repeats() -> None:
    height = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(3))
    both = [
        run("mips", Material("m", {"height": numbers(pixels, wrap="repeat")}), filter="lanczos", levels=3)["height"]
        for pixels in (height, height.roll((16, 24), (1, 2)))
    ]
    for level, rolled in zip(both[0].levels[1:], both[1].levels[1:], strict=True):
        times = 64 // level.size[0]
        assert torch.equal(level.data.roll((16 // times, 24 // times), (1, 2)), rolled.data)


def test_levels_go_with_their_pixels_through_files_and_no_further(tmp_path: Path) -> None:
    texture = run("mips", make_sample("brick", 64))["base_color"]
    save_maps(tmp_path / "x", {"base_color": texture})
    loaded = load_maps(tmp_path / "x")
    assert loaded is not None
    pairs = zip(texture.levels, loaded[0]["base_color"].levels, strict=True)
    assert all(torch.equal(first.data, second.data) for first, second in pairs)
    assert texture.with_data(texture.data).mips is not None
    assert texture.with_data(texture.data * 1).mips is None
    same = run("resize", Material("m", {"base_color": texture}), size=[64, 64])["base_color"]
    assert len(same.levels) == 7
    assert len(run("resize", Material("m", {"base_color": texture}), size=[32, 32])["base_color"].levels) == 1


def test_levels_of_a_wrong_size_are_refused() -> None:
    texture = numbers(torch.rand(1, 8, 8))
    with pytest.raises(ValueError, match="a level is 1 × \\(8, 8\\); it must be 1 × \\(4, 4\\)"):
        texture.with_mips([texture])
    assert texture.with_mips([Texture(torch.rand(1, 4, 4), af.ColorSpace.NONE)]).levels[1].size == (4, 4)
