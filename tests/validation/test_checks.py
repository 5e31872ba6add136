"""Every check finds its mistake in a material that is made here, says by how much, and finds nothing in a sound one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.samples import make_sample
from assetforge.validation.edges import repetition_score
from assetforge.validation.material import check_material, failure, gated, judged
from assetforge.validation.sizes import Member, check_set
from assetforge.validation.subject import Subject, correlation, share, spread
from assetforge.validation.thresholds import CHECKS, Thresholds

SIDE = 128
Maps = dict[str, Subject]
Plant = Callable[[Maps], Maps]


@lru_cache
def sound() -> Maps:
    """Bricks, with the occlusion of their joints."""
    material = make_sample("brick", SIDE)
    maps = {name: Subject(replace(texture, wrap="repeat"), MAPS[name]) for name, texture in material.items()}
    height = material["height"].data
    occlusion = 0.6 + 0.4 * (height - height.amin()) / (height.amax() - height.amin())
    return {**maps, "ambient_occlusion": of("ambient_occlusion", occlusion)}


def of(name: str, pixels: Tensor, bits: int | None = None, wrap: str = "repeat") -> Subject:
    space = ColorSpace.LIN_REC709 if MAPS[name].is_color else ColorSpace.NONE
    return Subject(Texture(pixels.contiguous(), space, wrap), MAPS[name], bits)  # type: ignore[arg-type]


def changed(name: str, change: Callable[[Tensor], Tensor], bits: int | None = None, wrap: str = "repeat") -> Plant:
    return lambda maps: {**maps, name: of(name, change(maps[name].data), bits, wrap)}


def copied(name: str, source: str) -> Plant:
    return lambda maps: {**maps, name: of(name, maps[source].data.expand(MAPS[name].channels, -1, -1))}


def in_codes(pixels: Tensor) -> Tensor:
    return (pixels * 255).round() / 255


def curved(curve: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Numbers of 8 bits, all of which are in use, saved through a curve."""
    return lambda pixels: in_codes(curve(torch.arange(pixels.numel()).reshape(pixels.shape) % 256 / 255))


def lit(pixels: Tensor) -> Tensor:
    return pixels * torch.linspace(0.3, 1.6, pixels.shape[2])


def tiled(pixels: Tensor) -> Tensor:
    return pixels[:, ::2, ::2].repeat(1, 2, 2)


def hill(pixels: Tensor) -> Tensor:
    angle = torch.arange(SIDE) / SIDE * 2 * torch.pi
    return in_codes(0.5 + 0.03 * angle.sin()[:, None] * angle.cos())[None]


def on_metal(maps: Maps) -> Maps:
    return {**changed("base_color", lambda c: c * 0.1)(maps), "metalness": of("metalness", torch.ones(1, SIDE, SIDE))}


def colored_by_normals(maps: Maps) -> Maps:
    return {**maps, "base_color": of("base_color", srgb_decode(maps["normal"].data / 2 + 0.5))}


def clear(maps: Maps) -> Maps:
    color = maps["base_color"].texture
    seen_nowhere = replace(color, alpha=torch.zeros(1, SIDE, SIDE))
    return {**maps, "base_color": Subject(seen_nowhere, MAPS["base_color"])}


PLANTED: dict[str, tuple[str, Plant]] = {
    "albedo_black": ("base_color", changed("base_color", lambda c: c * (torch.arange(SIDE) > SIDE // 2))),
    "albedo_range": ("base_color", changed("base_color", lambda c: c * 6)),
    "alpha_clear": ("base_color", clear),
    "banding": ("height", changed("height", hill)),
    "clipped": ("height", changed("height", lambda h: (h * 4 - 1.5).clamp(0, 1))),
    "color_gray": ("base_color", changed("base_color", lambda c: (0.6 + 0.2 * c[:1]).expand(3, -1, -1))),
    "color_is_normal": ("base_color", colored_by_normals),
    "constant": ("roughness", changed("roughness", lambda r: torch.full_like(r, 0.5))),
    "curve": ("roughness", changed("roughness", curved(srgb_encode), bits=8)),
    "false_depth": ("height", changed("height", in_codes, bits=16)),
    "green": ("normal", changed("normal", lambda n: n * torch.tensor([1.0, -1.0, 1.0])[:, None, None])),
    "height_fit": ("normal", changed("normal", lambda n: n.roll((37, 51), (1, 2)))),
    "inside_out": ("normal", changed("height", lambda h: 1 - h)),
    "light": ("base_color", changed("base_color", lit)),
    "metal_range": ("base_color", on_metal),
    "metalness_between": ("metalness", lambda m: {**m, "metalness": of("metalness", torch.full((1, SIDE, SIDE), 0.5))}),
    "missing": ("opacity", lambda m: m),
    "normal_axes": ("normal", changed("normal", lambda n: n[[1, 0, 2]])),
    "normal_below": ("normal", changed("normal", lambda n: torch.where(torch.arange(SIDE) % 20 == 0, -n, n))),
    "normal_gray": ("normal", copied("normal", "height")),
    "normal_length": ("normal", changed("normal", lambda n: n * 0.45)),
    "normal_srgb": ("normal", changed("normal", lambda n: srgb_encode(n / 2 + 0.5) * 2 - 1)),
    "normal_tilt": ("normal", changed("normal", lambda n: n[[2, 1, 0]])),
    "occlusion": ("ambient_occlusion", changed("ambient_occlusion", lambda a: 1 - a)),
    "out_of_range": ("roughness", changed("roughness", lambda r: r * 3 - 0.5)),
    "power_of_two": ("base_color", lambda m: {name: of(name, one.data[:, :100, :100]) for name, one in m.items()}),
    "proportions": ("roughness", changed("roughness", lambda r: r[:, :96])),
    "repetition": ("base_color", lambda m: {name: of(name, tiled(one.data)) for name, one in m.items()}),
    "resolution": ("roughness", changed("roughness", lambda r: r[:, :8, :8])),
    "roughness_low": ("roughness", changed("roughness", lambda r: r * 0.1)),
    "same_map": ("roughness", copied("roughness", "height")),
    "seam": ("roughness", changed("roughness", lambda r: r + torch.linspace(0, 1, SIDE), wrap="unknown")),
    "size_differs": ("roughness", changed("roughness", lambda r: r[:, :96, :96])),
    "texel_density": ("", lambda m: m),
}  # fmt: skip
"""By the name of each check: the map that is to blame, and how to spoil the material."""
STRICT = Thresholds(required=("opacity",), meters=2.0, texel_density=(100, 200))


def test_a_sound_material_has_no_flag() -> None:
    assert check_material(sound(), Thresholds()) == ()


def test_every_check_has_its_mistake() -> None:
    assert PLANTED.keys() == CHECKS.keys() - {"unreadable"}  # which whoever reads files says


@pytest.mark.parametrize("check", PLANTED)
def test_a_mistake_is_found_by_its_check(check: str) -> None:
    blamed, plant = PLANTED[check]
    thresholds = STRICT if check in ("missing", "texel_density") else Thresholds()
    found = {(flag.check, flag.map) for flag in check_material(plant(sound()), thresholds)}
    assert (check, blamed) in found


@pytest.mark.parametrize("check", ["albedo_black", "roughness_low", "seam", "metalness_between"])
def test_a_project_may_see_it_otherwise(check: str) -> None:
    spoilt = PLANTED[check][1](sound())
    usual = next(flag for flag in check_material(spoilt, Thresholds()) if flag.check == check)
    for severity in ("info", "warning", "error"):
        [flag] = [one for one in check_material(spoilt, Thresholds(severities={check: severity})) if one.check == check]
        assert flag == replace(usual, severity=severity)
    assert all(one.check != check for one in check_material(spoilt, Thresholds(severities={check: "off"})))


def test_the_worst_comes_first_and_fails_a_material() -> None:
    spoilt = PLANTED["normal_tilt"][1](PLANTED["constant"][1](sound()))
    flags = check_material(spoilt, STRICT)
    assert [flag.severity for flag in flags] == sorted(
        (flag.severity for flag in flags), key=["error", "warning", "info"].index
    )
    assert gated(flags, "never") == ()
    assert {flag.check for flag in gated(flags, "error")} == {"normal_tilt", "missing"}
    assert gated(flags, "error") == flags[: len(gated(flags, "error"))]
    assert len(gated(flags, "warning")) > len(gated(flags, "error"))
    assert failure(gated(flags, "error")).startswith("2 checks failed: ")
    assert judged(flags, Thresholds(severities=dict.fromkeys(CHECKS, "off"))) == ()


def member(name: str, *maps: str, density: float | None = 100.0, **thresholds: object) -> Member:
    return Member(name, frozenset(maps), density, Thresholds(**thresholds))  # type: ignore[arg-type]


def test_in_a_set_what_nearly_all_have_is_missed() -> None:
    many = [member(f"m{n}", "base_color", "normal") for n in range(5)]
    flags = check_set([*many, member("lone", "base_color", "height")])
    assert [(flag.check, flag.map) for flag in flags.pop("lone")] == [("missing", "normal")]
    assert flags == {}  # one of six has a height


def test_in_a_set_densities_are_compared_where_the_same_is_known_of_them() -> None:
    alike = [member(f"m{n}", density=100.0 + n) for n in range(4)]
    flags = check_set([*alike, member("dense", density=250.0), member("meters", density=900.0, meters=1.0)])
    assert flags.keys() == {"dense"}
    assert [(flag.check, flag.severity) for flag in flags["dense"]] == [("texel_density", "info")]
    known = [member(f"m{n}", density=100.0, meters=1.0) for n in range(3)]
    assert check_set([*known, member("thin", density=10.0, meters=1.0)])["thin"][0].severity == "warning"


def test_two_materials_are_no_set() -> None:
    assert check_set([member("one", "base_color"), member("two", "normal", density=9000.0)]) == {}


PICTURES = st.integers(0, 2**32 - 1).map(
    lambda seed: torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(seed))
)


@given(PICTURES, st.floats(0.1, 9), st.floats(-9, 9))
@settings(max_examples=20)
def test_measures_are_those_of_the_picture_whatever_its_brightness(pixels: Tensor, gain: float, more: float) -> None:
    other = pixels * gain + more
    assert correlation(pixels, other) == pytest.approx(1, abs=1e-4)
    assert correlation(pixels, -other) == pytest.approx(-1, abs=1e-4)
    assert spread(other) == pytest.approx(gain * spread(pixels), rel=1e-3)
    assert repetition_score(pixels.repeat(1, 2, 2)) == pytest.approx(1, abs=1e-3)
    assert repetition_score(pixels) < 0.9


def test_of_nothing_there_is_no_share_and_no_correlation() -> None:
    assert share(torch.zeros(0, dtype=torch.bool)) == 0
    assert correlation(torch.ones(4), torch.arange(4)) == 0
