"""The evaluation `upscale`: what it measures is right, fair to all that is compared, and said where it is not done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from assetforge_upscale import _evaluate
from assetforge_upscale._architectures.srresnet import MsrResNet
from assetforge_upscale._comparison import FIGURES, Comparison
from assetforge_upscale._network import Compact
from pydantic import ValidationError
from upscale.evaluated import evaluated, scores
from upscale.test_checkpoints import saved

import assetforge as af
from assetforge.ops import metrics
from assetforge.ops.color import hdr_encode, luma
from assetforge.ops.normals import normalize
from assetforge.ops.resample import BICUBIC, BOX, resample
from assetforge.samples import make_sample

SIDE = 96


@pytest.fixture(scope="module")
def brick() -> af.Material:
    return make_sample("brick", SIDE)


def of(found: list[af.Score], name: str, method: str) -> Mapping[str, float]:
    return next(one.figures for one in found if (one.map, one.method) == (name, method))


def rounded(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels.clamp(0, 1) * 255).round() / 255


def test_every_map_is_measured_beside_bicubic(brick: af.Material) -> None:
    found = scores(brick, scale=2)
    assert [(one.map, one.method) for one in found] == [
        (name, method) for name in brick for method in ("bicubic", "fast")
    ]
    for one in found:
        expected = {figure.name for figure in FIGURES} - (set() if one.map == "normal" else {"angle"})
        assert one.figures.keys() == expected
        assert all(math.isfinite(value) for value in one.figures.values())


@pytest.mark.parametrize("size", [(1, 40), (4, 4), (27, 200)])
def test_what_is_too_small_after_shrinking_is_left_out(brick: af.Material, size: tuple[int, int]) -> None:
    told: list[str] = []
    dot = af.Material("dot", {"roughness": brick["roughness"].with_data(torch.rand(1, *size))})
    assert not scores(dot, told, scale=4, shrink=8)
    assert told == ["roughness: is too small; a side of 224 pixels is enough"]


@pytest.mark.parametrize("reduce", ["bicubic", "box"])
def test_bicubic_is_what_it_is_by_hand(brick: af.Material, reduce: str) -> None:
    """Written out here: reduced, rounded, enlarged, rounded, cropped, and luma compared."""
    texture = brick["base_color"]
    truth = hdr_encode(texture.data).clamp(0, 1)
    kernel = {"bicubic": BICUBIC, "box": BOX}[reduce]
    small = rounded(resample(truth, (SIDE // 4, SIDE // 4), kernel, repeat=True))
    large = rounded(resample(small, (SIDE, SIDE), BICUBIC, repeat=True))
    one, other = (luma(pixels)[:, 4:-4, 4:-4] for pixels in (large, truth))
    figures = of(scores(brick.only("base_color"), reduce=reduce), "base_color", "bicubic")
    assert figures["PSNR"] == pytest.approx(metrics.psnr(one, other), abs=1e-3)
    assert figures["SSIM"] == pytest.approx(metrics.ssim(one, other), abs=1e-4)
    assert figures["consistency"] == pytest.approx(metrics.consistency(large, small, kernel, repeat=True), abs=1e-2)
    assert figures["ratio"] == 1


def test_normals_are_measured_by_their_angle(brick: af.Material) -> None:
    truth = brick["normal"].data
    stored = truth * 0.5 + 0.5
    small = rounded(normalize(resample(stored, (SIDE // 4, SIDE // 4), BICUBIC, repeat=True) * 2 - 1) * 0.5 + 0.5)
    unit = normalize(small * 2 - 1) * 0.5 + 0.5
    large = rounded(normalize(resample(unit, (SIDE, SIDE), BICUBIC, repeat=True) * 2 - 1) * 0.5 + 0.5)
    inner = slice(4, -4)
    angle = metrics.angular_error(normalize(large * 2 - 1)[:, inner, inner], truth[:, inner, inner])
    found = scores(brick.only("normal"))
    bicubic, fast = (of(found, "normal", method) for method in ("bicubic", "fast"))
    assert bicubic["angle"] == pytest.approx(angle, rel=1e-3)
    assert fast["ratio"] == pytest.approx(fast["angle"] / bicubic["angle"])


def test_the_ratio_is_the_gain_in_decibels(brick: af.Material) -> None:
    found = scores(brick.only("base_color", "roughness"))
    for name in ("base_color", "roughness"):
        bicubic, fast = (of(found, name, method) for method in ("bicubic", "fast"))
        assert fast["PSNR"] - bicubic["PSNR"] == pytest.approx(-20 * math.log10(fast["ratio"]))


def test_networks_are_compared_by_their_names(brick: af.Material, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    color = saved(MsrResNet(3, 8, 1, [2]), tmp_path / "color.pth")
    data, second = (saved(Compact(1, 2, 8, 1), path) for path in (tmp_path / "a.pth", tmp_path / "other" / "a.pth"))
    material = brick.only("base_color", "roughness")
    found = scores(material, scale=2, network=f"fast,{color}", data_network=f"{data},{second}")
    assert [one.method for one in found if one.map == "base_color"] == ["bicubic", "fast", "color.pth"]
    assert [one.method for one in found if one.map == "roughness"] == ["bicubic", str(data), str(second)]
    assert of(found, "base_color", "color.pth")["PSNR"] < of(found, "base_color", "fast")["PSNR"]


def test_a_correction_makes_the_result_more_consistent(brick: af.Material, tmp_path: Path) -> None:
    file = saved(MsrResNet(3, 8, 1, [2]), tmp_path / "a.pth")
    plain, corrected = (
        scores(brick.only("base_color"), scale=2, network=str(file), correct=correct) for correct in ("no", "all")
    )
    before, after = (of(found, "base_color", "a.pth")["consistency"] for found in (plain, corrected))
    assert after > before + 3
    assert of(plain, "base_color", "bicubic") == of(corrected, "base_color", "bicubic")


def test_damage_is_done_to_colors_alone(brick: af.Material) -> None:
    whole = scores(brick, scale=2)
    for damage in ("jpeg", "bc1", "palette"):
        damaged = scores(brick, scale=2, damage=damage)
        assert of(damaged, "base_color", "fast")["PSNR"] < of(whole, "base_color", "fast")["PSNR"] - 0.3
        assert of(damaged, "roughness", "fast") == of(whole, "roughness", "fast")


def test_a_shrunk_picture_is_another_one(brick: af.Material) -> None:
    whole, shrunk = (scores(brick.only("base_color"), scale=2, shrink=shrink) for shrink in (1, 2))
    assert of(whole, "base_color", "bicubic")["PSNR"] != of(shrunk, "base_color", "bicubic")["PSNR"]


def test_sides_need_be_no_multiples(brick: af.Material) -> None:
    odd = replace(brick["base_color"], data=brick["base_color"].data[:, :83, :70], wrap="clamp")
    found = scores(af.Material("odd", {"base_color": odd}), scale=3)
    assert of(found, "base_color", "fast")["PSNR"] > of(found, "base_color", "bicubic")["PSNR"]


def test_what_lies_beyond_a_range_counts_as_far_as_it_is_of_it(brick: af.Material) -> None:
    """Heights in meters are data as others are: the measure is that of the same heights between 0 and 1."""
    height = brick["height"]
    raised = height.with_data(height.data * 12 - 4)
    low, high = raised.data.min().item(), raised.data.max().item()
    between = raised.with_data((raised.data - low) / (high - low))
    plain, far = (of(scores(af.Material("m", {"height": one})), "height", "fast") for one in (between, raised))
    assert low < 0
    assert high > 1
    assert far == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (torch.full((1, SIDE, SIDE), 0.5), "roughness: is flat; there is nothing to restore"),
        (torch.rand(1, 20, SIDE), "roughness: is too small; a side of 28 pixels is enough"),
        (torch.rand(1, 2, 2), "roughness: is too small; a side of 28 pixels is enough"),
    ],
)
def test_what_cannot_be_measured_is_left_out_and_told(brick: af.Material, data: torch.Tensor, says: str) -> None:
    flags: list[str] = []
    odd = replace(brick["roughness"], data=data)
    material = brick.only("height").replace(roughness=odd)
    found = scores(material, flags)
    assert {one.map for one in found} == {"height"}
    assert flags == [says]
    enough = replace(odd, data=torch.rand(1, 28, 28))
    assert scores(af.Material("m", {"roughness": enough}))


def test_ids_and_alpha_are_not_measured(brick: af.Material) -> None:
    color = brick["base_color"]
    ids = af.Texture(torch.randint(0, 5, (1, SIDE, SIDE)).float(), af.ColorSpace.NONE, "repeat")
    hidden = replace(color, alpha=torch.rand(1, SIDE, SIDE))
    flags: list[str] = []
    found = scores(af.Material("m", {"base_color": hidden, "id": ids}), flags)
    assert flags == ["id: ids are copied, which needs no measure"]
    assert of(found, "base_color", "fast") == of(scores(brick.only("base_color")), "base_color", "fast")


@pytest.mark.parametrize(
    "told", [{"scale": 1}, {"scale": 2.5}, {"network": ()}, {"network": 4}, {"reduce": "area"}, {"networks": "fast"}]
)
def test_parameters_that_make_no_sense_are_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Comparison(**told)  # type: ignore[arg-type]


def test_equal_results_have_a_ratio_of_one(monkeypatch: pytest.MonkeyPatch, brick: af.Material) -> None:
    """Where bicubic is right to the bit, all that is not is infinitely worse."""
    monkeypatch.setattr(_evaluate, "_file", lambda pixels, _: pixels)
    wave = torch.sin(torch.arange(SIDE) * 2 * math.pi / SIDE).expand(1, SIDE, SIDE) * 0.2 + 0.5
    smooth = replace(brick["roughness"], data=wave)
    found = scores(af.Material("m", {"roughness": smooth}), scale=2)
    assert of(found, "roughness", "bicubic")["ratio"] == 1
    assert 0 < of(found, "roughness", "fast")["ratio"] < math.inf


@pytest.mark.parametrize(("file", "stated"), [("team01_efdn.pth", 32.08), ("team04_rlfn.pth", 32.10)])
@pytest.mark.slow
def test_networks_of_others_reach_what_is_stated_of_them(file: str, stated: float, data: Path) -> None:
    found = evaluated(data / "sr" / "set5", network=str(data / "weights" / "sr" / file))
    decibels = [one["PSNR"] for one in found["base_color", file].values()]
    assert len(decibels) == 5
    assert sum(decibels) / 5 == pytest.approx(stated, abs=0.05)
