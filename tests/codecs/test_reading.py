"""What a pipeline may say of a file: the color without its alpha, sRGB whatever the file says, codes of palettes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from odd_files import Psd, layer_count
from PIL import Image, ImageCms

from assetforge.codecs.decode import Reading, decode
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.ops.color import srgb_decode

COLOR, NORMAL, ROUGHNESS, ID = (MAPS[name] for name in ("base_color", "normal", "roughness", "id"))
PACK = MapSpec("pack", 4, "data", (0.0, 1.0), (0.0,) * 4, "Four numbers.")
RGBA = np.random.default_rng(0).integers(0, 256, (6, 8, 4), dtype=np.uint8)
IGNORED = ("says in which color space it is, which `profile: srgb` ignores",)


@pytest.mark.parametrize("suffix", [".png", ".tga", ".webp", ".tif"])
def test_color_and_roughness_share_a_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    Image.fromarray(RGBA).save(path, **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    color = decode(path, COLOR, Reading(channel="rgb")).texture
    assert color.alpha is None
    assert torch.equal(color.data, decode(path, COLOR).texture.data)
    rough = decode(path, ROUGHNESS, Reading(channel="a")).texture.data
    torch.testing.assert_close(rough[0], torch.from_numpy(RGBA[:, :, 3] / np.float32(255)))


def test_rgb_leaves_alpha_out_of_every_map(tmp_path: Path) -> None:
    Image.fromarray(RGBA).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", NORMAL, Reading(channel="rgb")).texture.alpha is None
    with pytest.raises(SourceError, match="has 3 channels where pack has 4"):
        decode(tmp_path / "x.png", PACK, Reading(channel="rgb"))
    Image.fromarray(RGBA[:, :, [0, 0, 0, 3]]).save(tmp_path / "gray.png")
    rough = decode(tmp_path / "gray.png", ROUGHNESS, Reading(channel="rgb")).texture
    torch.testing.assert_close(rough.data[0], torch.from_numpy(RGBA[:, :, 0] / np.float32(255)))
    Image.fromarray(RGBA[:, :, :3]).save(tmp_path / "opaque.png")
    assert decode(tmp_path / "opaque.png", COLOR, Reading(channel="rgb")).texture.alpha is None


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tga", ".tif", ".psd"])
def test_ids_take_the_indices_of_a_palette(suffix: str, tmp_path: Path) -> None:
    codes = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(16, 16)
    palette = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
    path = tmp_path / f"x{suffix}"
    if suffix == ".psd":
        path.write_bytes(Psd(codes[None], 2, colors=palette.T.tobytes()).content)
    else:
        image = Image.fromarray(codes)
        image.putpalette(palette.tobytes())
        image.save(path)
    decoded = decode(path, ID)
    assert torch.equal(decoded.texture.data[0], torch.from_numpy(codes).float())
    assert decoded.depth == "8"
    torch.testing.assert_close(
        decode(path, COLOR).texture.data,
        srgb_decode(torch.from_numpy(palette[codes] / np.float32(255)).permute(2, 0, 1)),
    )


def test_indices_are_turned_with_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.uint8([[0, 1, 2], [3, 4, 5]]))
    image.putpalette(bytes(range(18)))
    for name in ("x.png", "x.tif"):
        image.save(tmp_path / name, exif=exif)
        assert decode(tmp_path / name, ID).texture.data[0].tolist() == [[3, 0], [4, 1], [5, 2]]


def test_ids_are_whole_numbers(tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "x.tif", np.float32([[1, 2.5], [3, 4]]), photometric="minisblack")
    with pytest.raises(SourceError, match="has numbers that are not whole, which are no codes of id; write whole ones"):
        decode(tmp_path / "x.tif", ID)


def test_a_broken_profile_can_be_ignored(tmp_path: Path) -> None:
    Image.fromarray(RGBA).save(tmp_path / "x.png", icc_profile=b"nonsense")
    with pytest.raises(SourceError, match=r"has a broken color profile; .*write `profile: srgb` under the map"):
        decode(tmp_path / "x.png", COLOR)
    decoded = decode(tmp_path / "x.png", COLOR, Reading(profile="srgb"))
    torch.testing.assert_close(
        decoded.texture.data, srgb_decode(torch.from_numpy(RGBA[:, :, :3] / np.float32(255)).permute(2, 0, 1))
    )
    assert decoded.flags == IGNORED


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_any_profile_is_ignored_where_srgb_is_asked_for(suffix: str, tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path, plain = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    image = Image.fromarray(RGBA[:, :, :3])
    image.save(path, icc_profile=lab)
    image.save(plain)
    with pytest.raises(SourceError, match=r"has a color profile that cannot be applied; .*`profile: srgb`"):
        decode(path, COLOR)
    decoded = decode(path, COLOR, Reading(profile="srgb"))
    assert torch.equal(decoded.texture.data, decode(plain, COLOR).texture.data)
    assert decoded.flags == IGNORED
    assert decode(plain, COLOR, Reading(profile="srgb")).flags == ()
    assert decode(path, NORMAL, Reading(profile="srgb")).flags == ()  # profiles are of color


def test_inks_can_be_taken_without_their_profile(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image.save(tmp_path / "x.jpg", quality=100, icc_profile=b"nonsense")
    with pytest.raises(SourceError, match="has a color profile that cannot be applied"):
        decode(tmp_path / "x.jpg", COLOR)
    decoded = decode(tmp_path / "x.jpg", COLOR, Reading(profile="srgb"))
    torch.testing.assert_close(decoded.texture.data[:, 0, 0], torch.tensor([1.0, 0, 0]), atol=0.02, rtol=0)
    assert decoded.flags == IGNORED


def test_a_picture_that_is_clear_everywhere_is_flagged(tmp_path: Path) -> None:
    clear = RGBA.copy()
    clear[:, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "x.tga")
    assert decode(tmp_path / "x.tga", COLOR).flags == ("is clear everywhere: its alpha is 0",)
    assert decode(tmp_path / "x.tga", COLOR, Reading(channel="rgb")).flags == ()
    (tmp_path / "x.psd").write_bytes(Psd(clear.transpose(2, 0, 1), layers=layer_count(-1)).content)
    assert decode(tmp_path / "x.psd", COLOR).flags == ("is clear everywhere: its alpha is 0",)
