"""The step `pixel_art`: pixels are taken, never mixed, and colors are those of the palette."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from assetforge_stylize import PixelArtParams
from assetforge_stylize._pictures import read_color
from assetforge_stylize._pixel_art import pixelate
from PIL import Image
from torch import Tensor

from assetforge.errors import StepError
from assetforge.material.material import Material
from assetforge.ops.color import srgb_encode
from assetforge.samples import make_sample

PALETTE = [(20, 20, 40), (200, 60, 50), (240, 220, 180), (90, 120, 90)]


def made(material: Material, **params: object) -> Material:
    return pixelate(material, PixelArtParams(**params))  # type: ignore[arg-type]


def colors(material: Material) -> set[tuple[int, ...]]:
    codes: Tensor = (srgb_encode(material["base_color"].data) * 255).round().int()
    return {tuple(map(int, color)) for color in codes.flatten(1).T}


@pytest.fixture(scope="module")
def brick() -> Material:
    return make_sample("brick", 64)


def test_colors_are_those_of_the_palette(brick: Material, tmp_path: Path) -> None:
    palette = Image.new("RGB", (len(PALETTE), 1))
    palette.putdata(PALETTE)
    palette.save(tmp_path / "palette.png")
    result = made(brick, palette=tmp_path / "palette.png", reduce=2)
    assert colors(result) <= set(PALETTE)
    assert len(colors(result)) > 1
    assert all(texture.size == (32, 32) for texture in result.values())


def test_there_are_as_many_colors_as_were_told(brick: Material) -> None:
    assert 6 <= len(colors(made(brick, colors=8))) <= 8
    few, many = (
        (made(brick, colors=count, reduce=1)["base_color"].data - brick["base_color"].data).abs().mean()
        for count in (4, 64)
    )
    assert many < few


def test_a_color_of_the_palette_stays_itself(tmp_path: Path) -> None:
    """Also where the colors of a palette differ by one code: of blue, red and green hardly show."""
    codes = torch.cartesian_prod(torch.arange(8), torch.arange(8), torch.arange(252, 256)).to(torch.uint8)
    Image.fromarray(codes[None].numpy()).save(tmp_path / "blues.png")
    blues = read_color(tmp_path / "blues.png")
    result = made(Material("blues", {"base_color": blues}), palette=tmp_path / "blues.png", reduce=1)
    assert torch.equal(result["base_color"].data, blues.data)


def test_values_are_taken_and_not_mixed(brick: Material) -> None:
    result = made(brick, reduce=4, colors=None)
    for name, texture in result.items():
        assert torch.isin(texture.data, brick[name].data).all()


def test_alpha_is_all_or_nothing_and_what_is_hidden_takes_no_color(brick: Material) -> None:
    alpha = torch.linspace(0, 1, 64).expand(1, 64, 64)
    texture = replace(brick["base_color"], alpha=alpha)
    result = made(Material("leaf", {"base_color": texture}), reduce=2)["base_color"]
    assert set(result.alpha.unique().tolist()) == {0.0, 1.0}  # type: ignore[union-attr]


def test_what_does_not_fit_is_refused(brick: Material, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="which 5 does not divide"):
        made(brick, reduce=5)
    noise = torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8)
    Image.fromarray(noise.numpy()).save(tmp_path / "noise.png")
    with pytest.raises(StepError, match="a palette is a picture of 1 to 256 colors"):
        made(brick, palette=tmp_path / "noise.png")
