"""The step `upscale`: exact in tiles and on the torus, right for every kind of map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import assetforge_upscale
import pytest
import torch
from assetforge_upscale import DENOISER, DETAIL, SHIPPED, Params, name_of, weights_for
from assetforge_upscale import _upscale as upscaling
from assetforge_upscale._architectures.load import load
from assetforge_upscale._architectures.network import Network
from assetforge_upscale._network import Base, Compact
from assetforge_upscale.training.degradations import jpeg

import assetforge as af
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.ops.metrics import psnr
from assetforge.ops.resample import BOX, resample
from assetforge.samples import make_sample

FOLDER = Path(assetforge_upscale.__file__).parent / "weights"
SCALES = (2, 3, 4)


def context(params: Params, device: str = "cpu") -> af.Context:
    weights = {name: FOLDER / f"{name}.safetensors" for name in weights_for(params)}
    return af.Context(0, device, lambda _: None, weights, dict(MAPS))


def color_network(scale: int) -> Network:
    return load(FOLDER / f"fast_color_x{scale}.safetensors")


def upscale(material: Material, **params: object) -> Material:
    chosen = Params(**params)  # type: ignore[arg-type]
    with torch.no_grad():
        return upscaling.upscale_material(material, chosen, context(chosen))


def codes(texture: Texture) -> torch.Tensor:
    """The texture as the 8-bit codes that a file would hold."""
    encoded = srgb_encode(texture.data) if texture.color_space != ColorSpace.NONE else texture.data
    return (encoded * 255).round()


@pytest.fixture
def tile_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    def change(side: int) -> None:
        monkeypatch.setitem(upscaling.TILE, "cpu", side)

    yield change


def test_the_receptive_radius_is_what_the_network_says() -> None:
    network = Compact(1, 2)
    torch.nn.init.constant_(network.residual[-2].weight, 0.1)
    pixels = torch.rand(1, 1, 41, 41).requires_grad_()
    network(pixels)[0, 0, 40, 40].backward()
    assert pixels.grad is not None
    reached = pixels.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert int(max(20 - reached.min(), reached.max() - 20)) <= network.radius
    assert int(reached.max() - 20) == 10


@pytest.mark.parametrize("base", ["bicubic", "nearest"])
@pytest.mark.parametrize(("channels", "scale"), [(1, 2), (3, 3), (3, 4)])
def test_the_inside_of_a_result_is_computed_alone(base: Base, channels: int, scale: int) -> None:
    network = Compact(channels, scale, 8, 3, base).channels_last()
    pixels = torch.rand(2, channels, 23, 31)
    around = network.radius * scale
    with torch.no_grad():
        whole = network(pixels)
        assert torch.equal(network.inside(pixels), whole[:, :, around:-around, around:-around])
        align = False if base == "bicubic" else None
        under = torch.nn.functional.interpolate(pixels, scale_factor=scale, mode=base, align_corners=align)
        torch.testing.assert_close(whole, network.residual(pixels) + under, atol=5e-6, rtol=0)


@pytest.mark.parametrize(("wrap", "scale"), [
    ("repeat", 2), ("clamp", 4), *(pytest.param(*one, marks=pytest.mark.slow) for one in (("repeat", 4), ("clamp", 2))),
])  # fmt: skip
def test_tiles_change_no_code(wrap: str, scale: int, tile_of: object) -> None:
    material = make_sample("stone", 96)
    maps = {name: replace(texture, wrap=wrap) for name, texture in material.items()}  # type: ignore[arg-type]
    whole = upscale(Material("m", maps), scale=scale)
    for side in (32, 40, 72):
        tile_of(side)  # type: ignore[operator]
        pieces = upscale(Material("m", maps), scale=scale)
        for name in maps:
            assert torch.equal(codes(pieces[name]), codes(whole[name])), (name, side)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("base_color", {"network": "quality"}),
        *(
            pytest.param("base_color", alike, marks=pytest.mark.slow)  # of the same layers
            for alike in ({"network": "quality", "detail": 1.0}, {"network": "denoise"}, {"network": "drawn"})
        ),
        ("roughness", {"data_network": "quality"}),
    ],
)
def test_tiles_of_the_large_networks_change_no_code_and_they_roll(
    name: str, params: dict[str, object], tile_of: Callable[[int], None]
) -> None:
    texture = make_sample("stone", 80)[name]
    dy, dx = 13, 57
    whole = codes(upscale(Material("m", {name: texture}), scale=4, **params)[name])
    rolled = Material("m", {name: replace(texture, data=texture.data.roll((dy, dx), (1, 2)))})
    for side in (32, 40, 48, 56, 64):
        tile_of(side)
        pieces = codes(upscale(rolled, scale=4, **params)[name])
        assert torch.equal(pieces.roll((-dy * 4, -dx * 4), (1, 2)), whole), side


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", ["network", "lanczos"])
def test_rolling_a_tileable_input_rolls_the_output(scale: int, method: str, tile_of: object) -> None:
    tile_of(40)  # type: ignore[operator]
    material = make_sample("wood", 64)
    dy, dx = 37, 51
    rolled = Material("m", {n: replace(t, data=t.data.roll((dy, dx), (1, 2))) for n, t in material.items()})
    expected = upscale(material, scale=scale, method=method)
    result = upscale(rolled, scale=scale, method=method)
    for name, texture in result.items():
        back = codes(texture).roll((-dy * scale, -dx * scale), (1, 2))
        assert torch.equal(back, codes(expected[name])), name


def test_normals_stay_unit_and_maps_stay_in_range() -> None:
    result = upscale(make_sample("brick", 64), scale=4)
    torch.testing.assert_close(result["normal"].data.norm(dim=0), torch.ones(256, 256))
    for name, texture in result.items():
        assert texture.size == (256, 256)
        assert MAPS[name].valid[0] <= texture.data.min()
        assert texture.data.max() <= MAPS[name].valid[1]


@pytest.mark.parametrize(
    ("wrap", "tileable", "expected"),
    [
        ("unknown", "auto", "repeat"),
        ("clamp", "auto", "clamp"),
        ("repeat", False, "clamp"),
        ("clamp", True, "repeat"),
    ],
)
def test_wrap_is_as_told_else_as_measured(wrap: str, tileable: object, expected: str) -> None:
    sample = make_sample("stone", 64)["base_color"]
    material = Material("m", {"base_color": replace(sample, wrap=wrap)})  # type: ignore[arg-type]
    assert upscale(material, tileable=tileable, method="lanczos")["base_color"].wrap == expected


def test_a_crop_is_measured_as_not_tileable() -> None:
    sample = make_sample("brick", 128)["base_color"]
    material = Material("m", {"base_color": Texture(sample.data[:, :100, :90], sample.color_space)})
    assert upscale(material, method="lanczos")["base_color"].wrap == "clamp"


@pytest.mark.parametrize("method", ["network", "lanczos"])
def test_hidden_colors_do_not_bleed_into_visible_ones(method: str) -> None:
    color = torch.zeros(3, 32, 32)
    color[1] = 0.5
    color[:, :, 16:] = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)
    alpha = (torch.arange(32) < 16).float().expand(1, 32, 32).clone()
    material = Material("m", {"base_color": Texture(color, ColorSpace.LIN_REC709, "clamp", alpha)})
    result = upscale(material, method=method)["base_color"]
    assert result.alpha is not None
    seen = result.data[:, :, :32]
    torch.testing.assert_close(seen, color[:, :1, :1].expand_as(seen), atol=2 / 255, rtol=0)
    assert result.alpha[:, :, :28].min() > 0.97


def test_what_is_hidden_changes_nothing_that_is_seen_through_several_networks() -> None:
    color, alpha = torch.rand(3, 16, 72), (torch.arange(72) < 16).float().expand(1, 16, 72).clone()
    other = color.clone()
    other[:, :, 16:] = torch.rand(3, 16, 56)
    one, two = (
        upscale(Material("m", {"base_color": Texture(data, ColorSpace.LIN_REC709, "clamp", alpha)}), network="denoise")
        for data in (color, other)
    )
    assert torch.equal(one["base_color"].data[:, :, :32], two["base_color"].data[:, :, :32])


@pytest.mark.parametrize("params", [{"scale": 1}, {"size": 16, "method": "lanczos", "alpha": "cutout"}])
def test_a_size_that_stays_changes_no_pixel_of_the_source(params: dict[str, object]) -> None:
    color, alpha = torch.rand(3, 16, 16), torch.rand(1, 16, 16)
    before, versions = alpha.clone(), (color._version, alpha._version)
    result = upscale(Material("m", {"base_color": Texture(color, ColorSpace.LIN_REC709, "clamp", alpha)}), **params)
    assert (color._version, alpha._version) == versions
    cutout = params.get("alpha") == "cutout"
    assert torch.equal(result["base_color"].alpha, before.round() if cutout else before)


def test_flat_maps_stay_what_they_are_to_the_bit() -> None:
    material = Material("m", {"metalness": Texture(torch.full((1, 9, 9), 0.3), ColorSpace.NONE)})
    assert torch.equal(upscale(material)["metalness"].data, torch.full((1, 18, 18), 0.3))


def test_ids_are_never_averaged() -> None:
    ids = (torch.rand(1, 16, 16) * 5).floor()
    result = upscale(Material("m", {"id": Texture(ids, ColorSpace.NONE)}))["id"].data
    assert torch.equal(result, ids.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_light_above_one_is_kept() -> None:
    light = make_sample("stone", 64)["base_color"].data * 20
    material = Material("m", {"emission": Texture(light, ColorSpace.LIN_REC709, "repeat")})
    result = upscale(material)["emission"].data
    torch.testing.assert_close(resample(result, (64, 64), BOX).mean(), light.mean(), rtol=0.02, atol=0)
    assert result.max() > 2


def test_maps_of_any_size_are_upscaled() -> None:
    for height, width in ((1, 1), (3, 50), (300, 5)):
        material = Material("m", {"base_color": Texture(torch.rand(3, height, width), ColorSpace.LIN_REC709)})
        assert upscale(material)["base_color"].size == (2 * height, 2 * width)


def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    params = Params()
    upscaling.upscale_material(make_sample("brick", 32), params, replace(context(params), progress=seen.append))
    assert seen[-1] == pytest.approx(1)
    assert seen == sorted(seen)


def reduced(pixels: torch.Tensor, scale: int) -> torch.Tensor:
    """Reduce (C, H, W) in 0 to 1 by antialiased bicubic, to 8 bits."""
    size = (pixels.shape[1] // scale, pixels.shape[2] // scale)
    small = torch.nn.functional.interpolate(pixels[None], size, mode="bicubic", antialias=True)[0]
    return (small.clamp(0, 1) * 255).round() / 255


@lru_cache
def color_of(name: str) -> torch.Tensor:
    return srgb_encode(make_sample(name, 240)["base_color"].data)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["brick", "metal", pytest.param("stone", marks=pytest.mark.slow)])
def test_the_network_beats_bicubic_on_our_own_samples(name: str, scale: int) -> None:
    truth = color_of(name)
    small = reduced(truth, scale)
    with torch.no_grad():
        result = color_network(scale).module(small[None])[0].clamp(0, 1)
    bicubic = torch.nn.functional.interpolate(small[None], scale_factor=scale, mode="bicubic")[0].clamp(0, 1)
    assert psnr(result, truth) > psnr(bicubic, truth) + 0.3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("scale", SCALES)
def test_cuda_and_cpu_differ_by_rounding_only(scale: int) -> None:
    material = make_sample("stone", 256)
    params = Params(scale=scale)
    with torch.no_grad():
        results = [
            upscaling.upscale_material(material, params, context(params, device)) for device in ("cpu", "cuda:0")
        ]
    for name in material:
        assert (codes(results[0][name]) - codes(results[1][name])).abs().max() <= 1


SHIPPED_NAMES = [
    DENOISER,
    DETAIL,
    *(
        name_of(network, kind, scale)
        for kind, networks in SHIPPED.items()
        for network, scales in networks.items()
        for scale in scales
    ),
]


def test_a_network_whose_file_was_replaced_is_loaded_anew(tmp_path: Path) -> None:
    file, material = tmp_path / "own.safetensors", Material("m", {"base_color": make_sample("brick", 32)["base_color"]})
    made = []
    for name in ("fast_color_x2", "quality_color_x2", "fast_color_x2"):
        file.write_bytes((FOLDER / f"{name}.safetensors").read_bytes())
        made.append(upscale(material, network=file)["base_color"].data)
    assert torch.equal(made[0], made[2])
    assert not torch.equal(made[0], made[1])


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_shipped_weights_carry_their_card(name: str) -> None:
    card = (FOLDER / f"{name}.md").read_text()
    for word in ("## Data", "## License", "## Recipe", "## Figures", f"train upscale -p network={name} "):
        assert word in card


def test_all_that_lies_among_the_weights_is_shipped_and_is_small() -> None:
    files = list(FOLDER.glob("*.safetensors"))
    assert sorted(file.stem for file in files) == sorted(SHIPPED_NAMES)
    assert sum(file.stat().st_size for file in files) < 16_000_000


def test_detail_is_a_mixture_of_two_networks() -> None:
    brick = Material("brick", {"base_color": make_sample("brick", 32)["base_color"]})
    plain, half = (upscale(brick, scale=4, network="quality", detail=detail) for detail in (0.0, 0.5))
    files = {"network": FOLDER / "quality_color_x4.safetensors", "mix": FOLDER / f"{DETAIL}.safetensors"}
    assert torch.equal(half["base_color"].data, upscale(brick, scale=4, **files)["base_color"].data)
    assert (codes(half["base_color"]) - codes(plain["base_color"])).abs().max() > 1


def test_detail_is_invented_at_twice_too_where_quality_has_a_network_of_its_own() -> None:
    brick = Material("brick", {"base_color": make_sample("brick", 32)["base_color"]})
    plain, half = (upscale(brick, scale=2, network="quality", detail=detail) for detail in (0.0, 0.5))
    assert (codes(half["base_color"]) - codes(plain["base_color"])).abs().max() > 1
    chosen = weights_for(Params(scale=2, network="quality", detail=0.5))
    assert {"quality_color_x4", DETAIL} <= set(chosen)
    assert "quality_color_x2" not in chosen


@pytest.mark.parametrize("level", [0.0, 0.2, 1.0])
def test_detail_is_not_invented_on_flat_color(level: float) -> None:
    flat = Material("flat", {"base_color": Texture(torch.full((3, 24, 24), level), ColorSpace.LIN_REC709, "repeat")})
    made = upscale(flat, scale=4, network="quality", detail=1.0)["base_color"]
    assert (codes(made) - codes(flat["base_color"])[:, :1, :1]).abs().max() <= 1


def test_detail_is_for_the_networks_that_have_it() -> None:
    with pytest.raises(ValueError, match="`detail` is for the networks `quality`, `denoise` and `auto`"):
        Params(detail=0.5)


def test_the_overshoot_of_one_pass_is_no_light_for_the_next() -> None:
    bright = torch.zeros(3, 12, 12)
    bright[:, 3:9, 3:9] = 1
    edges = Material("edges", {"base_color": Texture(bright, ColorSpace.LIN_REC709, "repeat")})
    chain, twice = upscale(edges, scale=16), upscale(upscale(edges, scale=4), scale=4)
    assert torch.equal(chain["base_color"].data, twice["base_color"].data)


def jpeg_copy(material: Material) -> Material:
    """A copy of the base color that went through JPEG of low quality."""
    color = material["base_color"]
    saved = jpeg(codes(color).byte().permute(1, 2, 0).numpy(), 30)
    read = srgb_decode(torch.from_numpy(saved.copy()).permute(2, 0, 1).float() / 255)
    return Material(material.name, {"base_color": replace(color, data=read)})


def likeness(one: Material, other: Material) -> float:
    return psnr(codes(one["base_color"]) / 255, codes(other["base_color"]) / 255)


def test_denoise_restores_a_damaged_picture_in_its_own_size() -> None:
    clean = Material("wood", {"base_color": make_sample("wood", 64)["base_color"]})
    damaged = jpeg_copy(clean)
    restored = upscale(damaged, scale=1, network="denoise")
    assert restored["base_color"].size == (64, 64)
    before, after = (likeness(one, clean) for one in (damaged, restored))
    assert after > before + 0.3
    again = upscale(clean, scale=1, network="denoise")
    assert likeness(again, clean) > after + 3


@pytest.mark.parametrize("scale", [2, 4])
def test_denoise_restores_before_quality_enlarges(scale: int) -> None:
    damaged = jpeg_copy(make_sample("brick", 32))
    at_once = upscale(damaged, scale=scale, network="denoise")
    one_by_one = upscale(upscale(damaged, scale=1, network="denoise"), scale=scale, network="quality")
    assert torch.equal(at_once["base_color"].data, one_by_one["base_color"].data)
    chosen = weights_for(Params(scale=scale, network="denoise"))
    assert chosen == (DENOISER, f"quality_color_x{scale}", f"fast_data_x{scale}")


@pytest.mark.parametrize("method", ["network", "lanczos"])
@pytest.mark.parametrize("name", ["height", "base_color"])
def test_values_beyond_0_to_1_are_kept(method: str, name: str) -> None:
    spec, sample = MAPS[name], make_sample("stone", 64)[name]
    wide = sample.data / sample.data.amax() * 8 - 2
    result = upscale(Material("wide", {name: replace(sample, data=wide)}), method=method)[name].data
    back = resample(result, sample.size, BOX)
    assert (back - wide).abs().mean() < 0.25  # of a range of 8
    assert result.min() >= wide.min()
    assert result.max() <= wide.max()
    assert result.min() < wide.min() + 0.4
    assert result.max() > wide.max() - 0.4
    assert spec.valid[1] < result.max()


def test_bright_lights_keep_what_is_dark_beside_them() -> None:
    dark = make_sample("fabric", 64)["base_color"]
    sun = dark.data.clone()
    sun[:, 30:34, 30:34] = 1000.0
    plain = upscale(Material("plain", {"base_color": dark}))["base_color"].data
    beside = upscale(Material("sun", {"base_color": replace(dark, data=sun)}))["base_color"].data
    assert beside.max() > 900
    radius = color_network(2).overlap
    far = slice(0, 2 * (30 - radius))
    assert torch.equal(beside[:, far].clamp(0, 1), plain[:, far])


def test_tiles_of_high_range_do_not_show(tile_of: Callable[[int], None]) -> None:
    color = torch.rand(3, 70, 90, generator=torch.Generator().manual_seed(0)).pow(8) * 300 - 1
    color[:, :, :40] = color[:, :, :40].clamp(0, 1)  # tiles with and without slices
    material = Material("wide", {"base_color": Texture(color, ColorSpace.LIN_REC709, "repeat")})
    whole = upscale(material)["base_color"].data
    tile_of(32)
    assert torch.equal(upscale(material)["base_color"].data, whole)
