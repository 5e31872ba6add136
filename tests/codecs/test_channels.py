"""Which channels of a file a map takes, and how files are recognized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from assetforge.codecs.decode import Reading, decode
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS, MapSpec

RGBA = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
MASK = MapSpec("mask_color", 1, "color", (0.0, 1.0), (0.0,), "A tint.")
PACK = MapSpec("pack", 4, "data", (0.0, 1.0), (0.0,) * 4, "Four numbers.")


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    Image.fromarray(RGBA).save(tmp_path / "x.png")
    return tmp_path / "x.png"


def test_a_color_map_of_one_channel_takes_the_named_one(packed: Path) -> None:
    texture = decode(packed, MASK, Reading(channel="r")).texture
    assert texture.channels == 1
    assert texture.alpha is None
    with pytest.raises(SourceError, match="has 3 different channels where mask_color has one"):
        decode(packed, MASK)


@pytest.mark.parametrize("name", ["base_color", "normal"])
def test_a_map_of_three_channels_refuses_one(name: str, packed: Path) -> None:
    with pytest.raises(SourceError, match=f"gives one channel and {name} has 3; remove `channel: r`"):
        decode(packed, MAPS[name], Reading(channel="r"))


def test_a_map_of_four_numbers_takes_all_four(packed: Path) -> None:
    texture = decode(packed, PACK).texture
    torch.testing.assert_close(texture.data, torch.from_numpy(RGBA / np.float32(255)).permute(2, 0, 1))
    assert texture.alpha is None


def test_normals_keep_their_alpha_and_data_does_not(packed: Path) -> None:
    alpha = decode(packed, MAPS["normal"]).texture.alpha
    assert alpha is not None
    torch.testing.assert_close(alpha[0], torch.from_numpy(RGBA[:, :, 3] / np.float32(255)))
    assert decode(packed, MAPS["roughness"], Reading(channel="g")).texture.alpha is None


def test_tall_normals_are_unit_in_every_row(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (600, 3, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    data = decode(tmp_path / "x.png", MAPS["normal"]).texture.data
    torch.testing.assert_close(data.norm(dim=0), torch.ones(600, 3))


def test_a_tga_is_known_by_its_footer_and_text_is_not_one(tmp_path: Path) -> None:
    Image.fromarray(RGBA).save(tmp_path / "x.png", "TGA")
    assert decode(tmp_path / "x.png", MAPS["base_color"]).texture.size == (5, 7)
    (tmp_path / "x.tga").write_bytes(b"this is text and not a picture at all")
    with pytest.raises(SourceError, match=r"x\.tga: is not a TGA"):
        decode(tmp_path / "x.tga", MAPS["base_color"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"textures/x\.png: cannot be read"):
        decode(tmp_path / "x.png", MAPS["base_color"], name="textures/x.png")
