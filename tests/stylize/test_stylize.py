"""The step `stylize`: what of a material changes, what stays, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from assetforge_stylize import FastParams, StylizeParams
from assetforge_stylize._fast import stylize_material as stylize_fast
from assetforge_stylize._networks import Transformation
from assetforge_stylize._optimize import style_distance
from assetforge_stylize._stylize import stylize_material
from assetforge_stylize._ties import without_chessboards
from conftest import Forge
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

import assetforge as af
from assetforge.errors import StepError
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.color import hdr_encode, srgb_encode
from assetforge.ops.color_models import COLOR_MODELS, Name
from assetforge.ops.dead_leaves import dead_leaves
from assetforge.ops.seams import seam_score
from assetforge.ops.statistics import mutual_information
from assetforge.samples import make_sample
from assetforge.weights import SHIPPED
from assetforge.weights.features import Vgg19

SIDE = 64
PLUGIN = Path(__file__).parents[2] / "plugins" / "assetforge_stylize"
WEIGHTS = {"forge": SHIPPED / "forge.safetensors", "decoder": PLUGIN / "weights" / "decoder.safetensors"}


@pytest.fixture(scope="module")
def brick() -> Material:
    sample = make_sample("brick", SIDE)
    return Material("brick", {name: replace(texture, wrap="repeat") for name, texture in sample.items()})


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painting in blue and yellow."""
    folder = tmp_path_factory.mktemp("style")
    return painted(folder / "blue.png", [(20, 40, 160), (240, 210, 60), (90, 140, 220)])


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One in red and white."""
    return painted(tmp_path_factory.mktemp("other") / "red.png", [(190, 30, 30), (250, 240, 230)], seed=1)


def painted(path: Path, colors: list[tuple[int, int, int]], seed: int = 0) -> Path:
    palette = np.array(colors, np.uint8)[None].repeat(8, 0)
    Image.fromarray(dead_leaves(96, [palette], np.random.default_rng(seed))).save(path)
    return path


def stylized(material: Material, seed: int = 0, device: str = "cpu", **params: object) -> Material:
    return with_notes(material, seed, device, **params)[0]


def with_notes(
    material: Material, seed: int = 0, device: str = "cpu", **params: object
) -> tuple[Material, dict[str, object], list[str]]:
    notes: dict[str, object] = {}
    flags: list[str] = []
    told = {"iterations": 4, "coarsest": SIDE, "style_size": 96, **params}
    context = af.Context(seed, device, lambda _: None, WEIGHTS, MAPS, note=notes.__setitem__, flag=flags.append)
    with torch.no_grad():
        return stylize_material(material, StylizeParams(**told), context), notes, flags  # type: ignore[arg-type]


def look(material: Material) -> Tensor:
    return srgb_encode(material["base_color"].data).clamp(0, 1)


def read(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float() / 255


def distance(picture: Tensor, style: Path) -> float:
    return style_distance(picture, read(style), Vgg19.load(WEIGHTS["forge"]))


def write(path: Path, plane: Tensor) -> Path:
    Image.fromarray((plane * 255).byte().numpy()).save(path)
    return path


def half(path: Path) -> Path:
    """A mask, white on the left."""
    plane = torch.zeros(SIDE, SIDE)
    plane[:, : SIDE // 2] = 1
    return write(path, plane)


def test_the_color_takes_the_style_and_all_else_stays(brick: Material, style: Path) -> None:
    result = stylized(brick, style=style, iterations=20, coherence=0.1)
    assert distance(look(result), style) < 0.4 * distance(look(brick), style)
    assert seam_score(look(result)) <= 1.2
    assert all(result[name] is brick[name] for name in brick if name != "base_color")


def test_strength_0_is_the_input_to_the_bit(brick: Material, style: Path) -> None:
    assert stylized(brick, style=style, strength=0) is brick


def test_the_seed_decides_whatever_the_threads(brick: Material, style: Path) -> None:
    large = make_sample("brick", 130).only("base_color")  # of several pieces
    first = stylized(large, style=style, iterations=1)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        again = stylized(large, style=style, iterations=1)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(first["base_color"].data, again["base_color"].data)
    assert not torch.equal(
        stylized(brick, 1, style=style)["base_color"].data, stylized(brick, style=style)["base_color"].data
    )


@pytest.mark.parametrize("keep", ["luma", "both"])
@pytest.mark.parametrize("space", COLOR_MODELS)
def test_chroma_stays_where_such_colors_exist(brick: Material, style: Path, space: Name, keep: str) -> None:
    result, notes, _ = with_notes(brick, style=style, preserve_color=keep, space=space)
    model = COLOR_MODELS[space]
    before, after = (model.of_linear(one["base_color"].data) for one in (brick, result))
    inside = (result["base_color"].data.amin(0) > 1e-4) & (result["base_color"].data.amax(0) < 1 - 1e-4)
    scale = 100 if space in ("lab", "luv") else 1
    off = (after[1:] - before[1:]).abs()[:, inside] / scale
    assert inside.float().mean() > 0.5
    assert off.mean() <= 1 / 255
    assert not torch.allclose(after[0], before[0], atol=0.01 * scale)
    assert 0 <= float(notes["out of gamut, base_color"]) < 0.5  # type: ignore[arg-type]


def test_without_it_the_hues_of_the_style_show_and_with_histogram_those_of_the_texture(
    brick: Material, style: Path
) -> None:
    own, free, matched = (
        COLOR_MODELS["lab"].of_linear(one["base_color"].data)[2].mean()
        for one in (brick, stylized(brick, style=style), stylized(brick, style=style, preserve_color="histogram"))
    )
    assert free < own - 10  # b*: blue against brick
    assert abs(matched - own) < 5


def test_photographs_keep_their_gradients(brick: Material, style: Path) -> None:
    color = brick.only("base_color")
    result, plain = (stylized(color, style=style, iterations=12, photorealistic=one) for one in (True, False))
    slopes = [look(one).mean(0).diff(dim=1).flatten() for one in (brick, result, plain)]
    kept, lost = (torch.corrcoef(torch.stack([slopes[0], one]))[0, 1] for one in slopes[1:])
    assert kept > max(0.9, lost)
    assert distance(look(result), style) < 0.8 * distance(look(brick), style)


@pytest.mark.parametrize("others", ["keep", "follow", "style"])
def test_nothing_changes_where_no_style_goes(brick: Material, style: Path, tmp_path: Path, others: str) -> None:
    one = {"file": style, "mask": half(tmp_path / "mask.png")}
    if others == "style":
        Image.open(style).convert("L").save(tmp_path / "gray.png")
        grays = dict.fromkeys(brick.keys() - {"base_color", "normal"}, tmp_path / "gray.png")
        one["maps"] = {"normal": style, **grays}  # type: ignore[assignment]
    result = stylized(brick, style=[one], other_maps=others)
    for name in ("base_color", "height", "normal", "roughness"):
        before, after = brick[name].data, result[name].data
        assert torch.equal(before[:, :, SIDE // 2 :], after[:, :, SIDE // 2 :])
        changes = name == "base_color" or others == "style" or (others == "follow" and name != "roughness")
        assert changes != torch.equal(before[:, :, : SIDE // 2], after[:, :, : SIDE // 2])


def test_two_styles_share_a_picture_by_their_masks(brick: Material, style: Path, other: Path, tmp_path: Path) -> None:
    mask = half(tmp_path / "mask.png")
    styles = [{"file": style, "mask": mask}, {"file": other}]
    picture = look(stylized(brick.only("base_color"), style=styles, iterations=25, content=0.3))
    left, right = picture[:, :, : SIDE // 2], picture[:, :, SIDE // 2 :]
    assert 1.2 * distance(left, style) < distance(left, other)
    assert 1.2 * distance(right, other) < distance(right, style)


def test_styles_of_one_mask_are_mixed_also_in_cells(brick: Material, style: Path, other: Path, tmp_path: Path) -> None:
    """Whether two styles name the same mask or two files that are alike, and whether cells are set apart."""
    mask, copy = half(tmp_path / "mask.png"), half(tmp_path / "copy.png")
    color = brick.only("base_color")
    for cells in (None, (2, 2)):
        same, alike = (
            stylized(
                color, style=[{"file": style, "mask": mask}, {"file": other, "mask": second}], cells=cells, iterations=1
            )
            for second in (mask, copy)
        )
        assert torch.equal(same["base_color"].data, alike["base_color"].data)


def test_a_style_without_weight_is_as_if_it_were_not_there(brick: Material, style: Path, other: Path) -> None:
    alone = stylized(brick, style=[{"file": style}])
    beside = stylized(brick, style=[{"file": style}, {"file": other, "weight": 0}])
    assert torch.equal(alone["base_color"].data, beside["base_color"].data)


@pytest.mark.parametrize("side", [(32, 128), (64, 64), (20, 20)])
def test_filters_fit_whatever_is_larger(style: Path, side: tuple[int, int]) -> None:
    """Of random filters, a large style has more octaves than a small texture, and the other way round."""
    generator = torch.Generator().manual_seed(0)
    texture = Texture(torch.rand(3, *side, generator=generator), af.ColorSpace.LIN_REC709)
    for scale in (1.5, 4.0):
        result = stylized(
            Material("x", {"base_color": texture}), style=style, features="random", style_size=None, style_scale=scale
        )
        assert result["base_color"].data.isfinite().all()


def test_the_smallest_sprite_on_a_large_canvas_gets_its_style(brick: Material, style: Path) -> None:
    alpha = torch.zeros(1, SIDE, SIDE)
    alpha[:, 20:22, 20:23] = 1
    texture = replace(brick["base_color"], alpha=alpha, wrap="clamp")
    result = stylized(Material("dot", {"base_color": texture}), style=style, coarsest=32, gutter=0)["base_color"].data
    changed = (result != texture.data).any(0)
    assert changed[20:22, 20:23].all()
    assert int(changed.sum()) == 6


def test_masks_that_meet_little_of_what_is_seen_are_told(brick: Material, style: Path, tmp_path: Path) -> None:
    mask, alpha = half(tmp_path / "mask.png"), torch.ones(1, SIDE, SIDE)
    alpha[:, :, : SIDE // 2] = 0
    leaf = Material("leaf", {"base_color": replace(brick["base_color"], alpha=alpha, wrap="clamp")})
    masked = {"file": style, "mask": mask}
    for method in ("optimize", "wct"):
        with pytest.raises(
            StepError, match=r"base_color: no style goes anywhere: of what is seen, .*mask\.png covers 0"
        ):
            stylized(leaf, style=[masked], method=method)
        _, _, flags = with_notes(leaf, style=[masked, {"file": style}], method=method)
        assert ["mask.png covers 0.000% of base_color: too little, and is left out" in flag for flag in flags] == [True]


def test_hidden_colors_are_seen_at_no_size(brick: Material, style: Path) -> None:
    alpha = torch.ones(1, SIDE, SIDE)
    alpha[:, :, 20:] = 0
    colors = [torch.tensor(color)[:, None, None] for color in ([1.0, 0.0, 1.0], [0.0, 0.0, 0.0])]
    results = []
    for color in colors:
        data = torch.where(alpha > 0, brick["base_color"].data, color)
        leaf = Material("leaf", {"base_color": Texture(data, af.ColorSpace.LIN_REC709, "clamp", alpha)})
        results.append(stylized(leaf, style=style, gutter=0, coarsest=32, iterations=4)["base_color"].data[:, :, :20])
    assert torch.allclose(*results, atol=1e-4)


def test_a_lamp_does_not_darken_the_rest(brick: Material, style: Path) -> None:
    data = brick["base_color"].data.clone()
    data[:, 5, 5] = 1000.0
    lamp, plain = (
        stylized(Material("x", {"base_color": replace(brick["base_color"], data=one)}), style=style)["base_color"].data
        for one in (data, brick["base_color"].data)
    )
    assert (lamp - plain).abs().median() < 0.02
    assert lamp[:, 5, 5].max() > 100


def test_every_color_map_goes_on_telling_of_the_others(brick: Material, style: Path) -> None:
    twice = Material("twice", {**brick, "diffuse_albedo": brick["base_color"]})
    first, second = (
        stylized(twice, style=style, coherence=coherence)["diffuse_albedo"].data for coherence in (0.0, 50.0)
    )
    assert not torch.allclose(first, second, atol=0.01)


def test_what_is_transparent_does_not_count_and_keeps_its_colors(brick: Material, style: Path) -> None:
    alpha = torch.ones(1, SIDE, SIDE)
    alpha[:, :, 40:] = 0
    texture = replace(brick["base_color"], alpha=alpha, wrap="clamp")
    magenta = texture.data.clone()
    magenta[:, :, 40:] = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    plain, hidden = (
        stylized(Material("leaf", {"base_color": replace(texture, data=data)}), style=style, gutter=4)["base_color"]
        for data in (texture.data, magenta)
    )
    assert torch.allclose(plain.data[:, :, :40], hidden.data[:, :, :40], atol=1e-5)  # hidden colors do not bleed
    assert torch.equal(hidden.data[:, :, 44:], magenta[:, :, 44:])
    assert not torch.allclose(hidden.data[:, :, 40:44], magenta[:, :, 40:44])
    assert torch.equal(hidden.alpha, alpha)  # type: ignore[arg-type]


def test_islands_do_not_bleed_and_their_gutter_is_filled(brick: Material, style: Path, tmp_path: Path) -> None:
    islands = half(tmp_path / "islands.png")
    result = stylized(brick, style=style, islands=islands, gutter=3, tileable=False)["base_color"].data
    before = brick["base_color"].data
    border = SIDE // 2
    assert torch.equal(result[:, :, border + 4 :], before[:, :, border + 4 :])
    assert not torch.allclose(result[:, :, border : border + 3], before[:, :, border : border + 3])


def test_cells_are_alike_wherever_they_are_and_do_not_bleed(style: Path) -> None:
    cell = make_sample("brick", 32)["base_color"].data
    sheet = torch.cat([cell, cell.flip(0), torch.zeros_like(cell), cell], 2)
    texture = Texture(sheet, af.ColorSpace.LIN_REC709, "clamp")
    result = stylized(Material("sheet", {"base_color": texture}), style=style, cells=(4, 1), start="content")
    first, last = result["base_color"].data[:, :, :32], result["base_color"].data[:, :, 96:]
    assert (first - last).abs().mean() < 0.05  # but for the noise that all begins with
    assert not torch.allclose(first, cell, atol=0.05)


@pytest.mark.parametrize("params", [{}, {"photorealistic": True}, {"method": "wct"}], ids=str)
def test_a_cell_does_not_see_the_next(style: Path, tmp_path: Path, params: dict[str, object]) -> None:
    """What the next cell looks like is nothing to a cell that alone has a style, at no size of the pyramid."""
    cell, results = make_sample("brick", 32)["base_color"].data, []
    mask = torch.zeros(32, 64)
    mask[:, :32] = 1
    styled = [{"file": style, "mask": write(tmp_path / "mask.png", mask)}]
    for shade in (0.0, 1.0):
        sheet = Texture(torch.cat([cell, torch.full_like(cell, shade)], 2), af.ColorSpace.LIN_REC709, "clamp")
        made = stylized(Material("sheet", {"base_color": sheet}), style=styled, cells=(2, 1), coarsest=32, **params)
        results.append(made["base_color"].data[:, :, :32])
    assert torch.allclose(*results, atol=2e-3)
    assert not torch.allclose(results[0], cell, atol=0.05)


@pytest.mark.slow
def test_maps_that_stay_are_told_of_as_before(brick: Material, style: Path) -> None:
    def told(material: Material) -> float:
        brightness = without_chessboards(hdr_encode(material["base_color"].data).mean(0), "repeat")
        return mutual_information(brightness, material["height"].data[0])

    tied, free = (stylized(brick, style=style, iterations=30, coherence=coherence) for coherence in (5, 0))
    assert told(tied) > 0.7 * told(brick)
    assert told(tied) > 1.5 * told(free)


def test_height_and_normals_follow_if_they_are_told_to(brick: Material, style: Path) -> None:
    result = stylized(brick, style=style, other_maps="follow", relief=0.5)
    assert {name for name in brick if result[name] is not brick[name]} == {"base_color", "height", "normal"}
    change = hdr_encode(result["base_color"].data).mean(0) - hdr_encode(brick["base_color"].data).mean(0)
    risen = result["height"].data[0] - brick["height"].data[0]
    assert torch.corrcoef(torch.stack([change.flatten(), risen.flatten()]))[0, 1] > 0.7
    assert torch.allclose(torch.linalg.vector_norm(result["normal"].data, dim=0), torch.ones(SIDE, SIDE), atol=1e-4)
    assert seam_score(result["height"].data) <= 1.2


def test_a_style_that_is_a_material_restyles_all_maps(brick: Material, tmp_path: Path) -> None:
    stone = make_sample("stone", SIDE)
    maps = {name: write(tmp_path / f"{name}.png", stone[name].data[0].clamp(0, 1)) for name in ("height", "roughness")}
    Image.fromarray((look(stone) * 255).byte().permute(1, 2, 0).numpy()).save(tmp_path / "color.png")
    encoded = (stone["normal"].data * 0.5 + 0.5) * 255
    Image.fromarray(encoded.round().byte().permute(1, 2, 0).numpy()).save(tmp_path / "normal.png")
    maps["normal"] = tmp_path / "normal.png"
    material = brick.only("base_color", "normal", "roughness", "height")
    result = stylized(
        material, style=[{"file": tmp_path / "color.png", "maps": maps}], other_maps="style", iterations=25
    )
    for name in ("roughness", "height"):
        off = abs(result[name].data.mean() - stone[name].data.mean())
        assert off < 0.5 * abs(material[name].data.mean() - stone[name].data.mean()) + 0.02
    assert torch.allclose(torch.linalg.vector_norm(result["normal"].data, dim=0), torch.ones(SIDE, SIDE), atol=1e-4)


@pytest.mark.parametrize("start", ["file", *(pytest.param(one, marks=pytest.mark.slow) for one in ("noise", "style"))])
def test_it_may_begin_elsewhere(brick: Material, style: Path, other: Path, start: str) -> None:
    begun = other if start == "file" else start
    result = stylized(brick.only("base_color"), style=style, start=begun, iterations=60, content=0.3)
    assert distance(look(result), style) < 0.5 * distance(look(brick), style)


def test_light_beyond_1_stays_in_range(style: Path) -> None:
    data = make_sample("brick", SIDE)["base_color"].data * 6
    lamp = Material("lamp", {"emission": Texture(data, af.ColorSpace.LIN_REC709, "repeat")})
    result = stylized(lamp, style=style, maps=("emission",))["emission"].data
    assert result.max() > 1.5
    assert result.max() <= data.max() * 1.01


def test_what_cannot_be_is_refused(brick: Material, style: Path, tmp_path: Path) -> None:
    gray = painted(tmp_path / "gray.png", [(128, 128, 128)])
    Image.new("RGB", (200, 200), (90, 20, 60)).save(gray)
    tiny = tmp_path / "tiny.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (4, 400, 3), np.uint8)).save(tiny)
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (64, 64), (90, 20, 60, 0)).save(clear)
    wide = write(tmp_path / "wide.png", torch.ones(20, 60))
    text = tmp_path / "text.png"
    text.write_text("no picture")
    for given, part in (
        ({"style": gray}, "gray.png: is all of one color"),
        ({"style": tiny}, "too few pixels"),
        ({"style": clear}, "clear.png: is all transparent"),
        ({"style": text}, "text.png"),
        ({"style": [{"file": style, "mask": wide}]}, "wide.png: is 60×20, and base_color is 64×64"),
        ({"style": style, "islands": write(tmp_path / "black.png", torch.zeros(64, 64))}, "outside of all islands"),
        (
            {"style": [{"file": style, "mask": tmp_path / "black.png"}]},
            "black.png covers 0.000%; paint white where a style goes",
        ),
        ({"style": style, "cells": (3, 1)}, "not 3×1 cells"),
        ({"style": style, "maps": ("emission",)}, "none of emission is among its maps"),
        ({"style": style, "start": wide}, "other proportions"),
    ):
        with pytest.raises(af.AssetForgeError) as caught:
            stylized(brick, **given)
        assert part in str(caught.value)
    small = Material("dot", {"base_color": Texture(torch.rand(3, 8, 8), af.ColorSpace.LIN_REC709)})
    with pytest.raises(StepError, match="too small for a style"):
        stylized(small, style=style)


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"style": [{"file": "a.png", "weight": 0}]}, "weights of all styles are 0"),
        ({"style": "a.png", "layers": (0, 0)}, "weights of all layers are 0"),
        ({"style": "a.png", "other_maps": "style"}, "needs the `maps` of each style"),
        ({"style": "a.png", "optimizer": "lbfgs", "loss": "sliced"}, "which 'lbfgs' cannot follow"),
        ({"style": "a.png", "cells": (2, 2), "tileable": True}, "does not tile"),
        ({"style": []}, "at least 1 item"),
        ({"style": "a.png", "method": "wct", "features": "random"}, "works with the features 'forge'"),
    ],
)
def test_parameters_that_exclude_each_other_are_refused(params: dict[str, object], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        StylizeParams(**params)  # type: ignore[arg-type]


def test_a_gray_style_and_a_small_one_work(brick: Material, tmp_path: Path) -> None:
    sketch = tmp_path / "sketch.png"
    Image.fromarray(dead_leaves(48, [np.full((4, 4, 3), 128, np.uint8)], np.random.default_rng(3))).convert("L").save(
        sketch
    )
    result, _, flags = with_notes(brick, style=sketch, style_size=64)
    assert result["base_color"].data.isfinite().all()
    assert not flags
    _, _, flags = with_notes(brick, style=sketch, style_size=None, style_scale=3)
    assert "enlarged" in flags[0]


@pytest.mark.parametrize("method", ["wct", "adain"])
def test_features_are_carried_over_and_decoded(brick: Material, style: Path, method: str) -> None:
    result = stylized(brick, style=style, method=method)
    assert distance(look(result), style) < 0.5 * distance(look(brick), style)
    assert seam_score(look(result)) <= 1.2
    half_way = stylized(brick, style=style, method=method, strength=0.5)
    assert distance(look(result), style) < distance(look(half_way), style) < distance(look(brick), style)
    from_noise = stylized(brick, style=style, method=method, start="noise")
    assert distance(look(from_noise), style) < 0.6 * distance(look(brick), style)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "style.safetensors"
    save_file({name: value.contiguous() for name, value in Transformation().state_dict().items()}, path)
    return path


def fast(material: Material, **params: object) -> Material:
    context = af.Context(0, "cpu", lambda _: None, {}, MAPS)
    with torch.no_grad():
        return stylize_fast(material, FastParams(**params), context)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [65, 97])
def test_what_tiles_with_any_side_goes_on_tiling(side: int, style: Path, network: Path) -> None:
    texture = replace(make_sample("stone", side)["base_color"], wrap="repeat")
    own = Material("stone", {"base_color": texture})
    shifted = Material("stone", {"base_color": texture.with_data(texture.data.roll((30, 30), (1, 2)))})
    for step in (partial(fast, network=network), partial(stylized, style=style, method="wct")):
        here, there = (look(step(one)) for one in (own, shifted))
        assert seam_score(here) <= 1.2
        assert seam_score(there) <= 1.2


def test_a_network_of_one_style_is_applied(brick: Material, network: Path, tmp_path: Path) -> None:
    result = fast(brick, network=network)
    assert result["base_color"].size == brick["base_color"].size
    assert not torch.allclose(look(result), look(brick), atol=0.05)
    assert seam_score(look(result)) <= 1.2
    assert fast(brick, network=network, strength=0) is brick
    chroma = [COLOR_MODELS["lab"].of_linear(one["base_color"].data)[1:] for one in (brick,)]
    kept = COLOR_MODELS["lab"].of_linear(fast(brick, network=network, preserve_color="luma")["base_color"].data)[1:]
    assert (kept - chroma[0]).abs().median() < 0.5
    with pytest.raises(StepError, match="is not the network of a style"):
        fast(brick, network=WEIGHTS["forge"])


def test_a_network_darkens_nothing_beside_a_lamp(brick: Material, network: Path) -> None:
    data = brick["base_color"].data.clone()
    data[:, 5, 5] = 1000.0
    lamp, plain = (
        fast(Material("x", {"base_color": replace(brick["base_color"], data=one)}), network=network)["base_color"].data
        for one in (data, brick["base_color"].data)
    )
    assert (lamp - plain).abs().median() < 0.02
    assert lamp[:, 5, 5].max() > 10


def test_a_pipeline_stylizes_files_of_16_bits_with_alpha(tmp_path: Path, forge: Forge, style: Path) -> None:
    (tmp_path / "textures").mkdir()
    import imagecodecs

    rng = np.random.default_rng(0)
    codes = rng.integers(0, 65536, (48, 48, 4), np.uint16)
    codes[..., 3] = 65535
    codes[:, 24:, 3] = 0
    (tmp_path / "textures" / "leaf.png").write_bytes(imagecodecs.png_encode(codes))
    (tmp_path / "blue.png").write_bytes(style.read_bytes())
    (tmp_path / "pipeline.yaml").write_text(
        """
version: 1
sources: textures
inputs: {base_color: "{name}.png"}
steps:
  - use: stylize
    with: {style: [{file: blue.png}], iterations: 2}
outputs: {dir: out, format: png16}
"""
    )
    assert forge("run", "pipeline.yaml").returncode == 0
    (made,) = (tmp_path / "out").rglob("*.png")
    result = imagecodecs.png_decode(made.read_bytes())
    assert result.dtype == np.uint16
    assert result.shape == (48, 48, 4)
    assert np.array_equal(result[..., 3], codes[..., 3])
    again = forge("run", "pipeline.yaml")
    assert again.returncode == 0
    (tmp_path / "blue.png").write_bytes((style.parent / "blue.png").read_bytes() + b"")
    assert "0 computed" in again.stdout or "up to date" in again.stdout
