"""`network: auto` tells drawings and damaged files from other pictures, and says what it chose."""

from __future__ import annotations

from pathlib import Path

import assetforge_upscale
import numpy as np
import pytest
import torch
from assetforge_upscale import Params, weights_for
from assetforge_upscale._choose import Choice, choose
from assetforge_upscale._upscale import upscale_material
from assetforge_upscale.training import dataset
from assetforge_upscale.training.degradations import bc1, jpeg, palette
from upscale import drawn

import assetforge as af
from assetforge.ops.color import srgb_decode, srgb_encode
from assetforge.samples import SAMPLES, make_sample
from assetforge.weights import find

FOLDER = Path(assetforge_upscale.__file__).parent


def linear(codes: dataset.Pixels) -> torch.Tensor:
    return srgb_decode(torch.from_numpy(np.array(codes)).permute(2, 0, 1).float() / 255)


def sample(name: str) -> dataset.Pixels:
    encoded = srgb_encode(make_sample(name, 128)["base_color"].data)
    return (encoded * 255).round().byte().permute(1, 2, 0).numpy()


def test_drawings_are_told_from_materials() -> None:
    pictures = {name: choose(linear(np.asarray(picture))) for name, picture in drawn.pictures()}
    assert [name for name, choice in pictures.items() if choice != "drawn"] == ["painted_bricks"]  # which has no ink
    assert {choose(linear(sample(name))) for name in SAMPLES} == {"quality"}


@pytest.mark.parametrize("name", ["brick", "stone"])
def test_what_compression_has_done_is_seen(name: str) -> None:
    picture = sample(name)
    palettes = [palette(picture, colors, dithered=dithered) for colors in (16, 256) for dithered in (False, True)]
    damaged = [bc1(picture), jpeg(picture, 50), jpeg(picture, 90, 0), *palettes]
    assert [choose(linear(one)) for one in damaged] == ["denoise"] * len(damaged)


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_dots_on_smooth_ground_are_no_blocks_of_bc1(share: float) -> None:
    generator = np.random.default_rng(0)
    ground = np.linspace((0, 2, 4), (20, 6, 12), 128)[:, None].repeat(128, 1)
    dots = generator.uniform(80, 255, (128, 128, 3)) * (generator.random((128, 128, 1)) < share)
    stars = np.maximum(ground, dots).round().astype(np.uint8)
    assert choose(linear(stars)) != "denoise"
    assert choose(linear(bc1(stars))) == "denoise"


def test_few_grays_that_follow_each_other_are_no_palette() -> None:
    smooth = np.linspace(40, 90, 128).round().astype(np.uint8)
    assert choose(linear(np.broadcast_to(smooth[:, None, None], (128, 128, 3)))) == "quality"


def test_real_textures_are_as_good_as_they_are(data: Path) -> None:
    """None of these files was a JPEG, for their reduction is another picture than the file."""
    files = dataset.color_files(data)[::16]
    assert len(files) > 6
    small = [dataset.reduce(dataset.read(path), 4).small for path in files]
    assert {choose(linear(one)) for one in small} == {"quality"}
    assert {choose(linear(bc1(one))) for one in small} == {"denoise"}
    kept = [choose(linear(jpeg(one, 50))) for one in small]
    assert kept.count("denoise") >= 0.7 * len(kept)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (15, 40), (8, 1500)])
@pytest.mark.parametrize("value", [0.0, 0.5, 40.0])
def test_flat_and_tiny_pictures_are_chosen_for_too(size: tuple[int, int], value: float) -> None:
    assert choose(torch.full((3, *size), value)) == "quality"


def test_the_choice_is_used_and_told() -> None:
    picture = dict(drawn.pictures())["gears"].crop((100, 100, 148, 148))
    texture = af.Texture(linear(np.asarray(picture)), af.ColorSpace.LIN_REC709)
    notes: dict[str, object] = {}

    def made(network: Choice | str) -> torch.Tensor:
        params = Params(scale=4, network=network)  # type: ignore[arg-type]
        weights = {name: find(name, FOLDER) for name in weights_for(params)}
        told = af.Context(0, "cpu", lambda _: None, weights, af.MAPS, note=notes.__setitem__)
        with torch.no_grad():
            return upscale_material(af.Material("gears", {"base_color": texture}), params, told)["base_color"].data

    assert torch.equal(made("auto"), made("drawn"))
    assert notes == {"networks": {"base_color": "drawn"}}
