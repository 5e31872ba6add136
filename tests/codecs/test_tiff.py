"""TIFF: what looks like gray or RGB and is not, and files whose pixels are missing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import odd_files
import pytest
import tifffile
import torch
from odd_files import matrix_profile
from PIL import Image

from assetforge.codecs.decode import decode
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_decode

COLOR, ROUGHNESS, ID = MAPS["base_color"], MAPS["roughness"], MAPS["id"]
RGB = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_every_layout_gives_the_same_pixels(
    compression: str | None, planar: bool, tile: tuple[int, int] | None, tmp_path: Path
) -> None:
    pixels = np.ascontiguousarray(RGB.transpose(2, 0, 1)) if planar else RGB
    layout = "separate" if planar else "contig"
    options = {"compression": compression, "planarconfig": layout, "tile": tile, "byteorder": ">"}
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb", **options)
    wanted = srgb_decode(torch.from_numpy(RGB / np.float32(255)).permute(2, 0, 1))
    torch.testing.assert_close(decode(tmp_path / "x.tif", COLOR).texture.data, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("bits", "kind", "depth"), [(4, np.uint8, "8"), (12, np.uint16, "16"), (10, np.uint16, "16")])
def test_odd_bit_depths_fill_the_range(bits: int, kind: type, depth: str, tmp_path: Path) -> None:
    pixels = np.array([[0, 2**bits - 1], [2 ** (bits - 1), 1]], kind)
    tifffile.imwrite(tmp_path / "x.tif", pixels, bitspersample=bits, photometric="minisblack")
    decoded = decode(tmp_path / "x.tif", ROUGHNESS)
    assert decoded.depth == depth
    wanted = torch.from_numpy(pixels.astype(np.float32)) / (2**bits - 1)
    torch.testing.assert_close(decoded.texture.data[0], wanted, atol=1 / 500 if depth == "8" else 1e-5, rtol=0)
    with pytest.raises(SourceError, match="no codes of id"):
        decode(tmp_path / "x.tif", ID)


SEVERAL = ("has several pages, of which the first is read",)


def test_of_several_pages_the_first_is_read_and_flagged(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(RGB, photometric="rgb")
        file.write(np.zeros((8, 9), np.uint16), photometric="minisblack")
    assert_first(tmp_path / "x.tif", SEVERAL)
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([RGB, RGB[::-1], RGB[:, ::-1]]), photometric="rgb")
    assert_first(tmp_path / "stack.tif", SEVERAL)
    first, second = (Image.fromarray(pixels) for pixels in (RGB, RGB[::-1]))
    first.save(tmp_path / "y.tif", save_all=True, append_images=[second], compression="tiff_lzw")
    assert_first(tmp_path / "y.tif", SEVERAL)


def test_previews_and_masks_are_no_pages(tmp_path: Path) -> None:
    small, mask = np.ascontiguousarray(RGB[::4, ::4]), np.zeros((32, 48), bool)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(small, photometric="rgb", subfiletype=1)
        file.write(mask, photometric="minisblack", subfiletype=4)
        file.write(RGB, photometric="rgb", subfiletype=0)
    assert_first(tmp_path / "x.tif", ())
    with tifffile.TiffWriter(tmp_path / "y.tif") as file:
        file.write(RGB, photometric="rgb")
        file.write(small, photometric="rgb", subfiletype=1)
    assert_first(tmp_path / "y.tif", ())
    tifffile.imwrite(tmp_path / "z.tif", RGB, photometric="rgb", subfiletype=1)  # then it is all that there is
    assert_first(tmp_path / "z.tif", ())


def test_damage_behind_the_first_page_does_not_matter(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", RGB, photometric="rgb")
    content = bytearray((tmp_path / "x.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        after = file.pages.first.offset + 2 + 12 * len(file.pages.first.tags)
    for following in (len(content) - 3, len(content) * 2, file.pages.first.offset):
        content[after : after + 4] = following.to_bytes(4, "little")
        (tmp_path / "y.tif").write_bytes(content)
        decoded = decode(tmp_path / "y.tif", COLOR)
        assert decoded.texture.size == (32, 48)


def assert_first(path: Path, flags: tuple[str, ...]) -> None:
    decoded = decode(path, COLOR)
    wanted = srgb_decode(torch.from_numpy(RGB / np.float32(255)).permute(2, 0, 1))
    torch.testing.assert_close(decoded.texture.data, wanted, atol=1e-6, rtol=0)
    assert decoded.flags == flags


@pytest.mark.parametrize(("bits", "packed"), [(1, b"\x50"), (4, b"\x01\x01"), (8, b"\0\1\0\1")])
@pytest.mark.parametrize("top", [255, 65535])
def test_palettes_of_any_depth_give_colors_and_codes(bits: int, packed: bytes, top: int, tmp_path: Path) -> None:
    """A color map has 16 bits. Some programs write numbers of 8, and libtiff takes them for such."""
    entries = 2**bits
    colors = [0] * (3 * entries)
    colors[1], colors[entries + 1], colors[2 * entries + 1] = top, top // 5, 0
    tags = {256: (3, (4,)), 257: (3, (1,)), 258: (3, (bits,)), 259: (3, (1,)), 262: (3, (3,)), 273: (4, (8,)),
            277: (3, (1,)), 278: (3, (1,)), 279: (4, (len(packed),)), 320: (3, tuple(colors))}  # fmt: skip
    (tmp_path / "x.tif").write_bytes(odd_files.tiff(tags, packed))
    assert decode(tmp_path / "x.tif", ID).texture.data[0, 0].tolist() == [0, 1, 0, 1]
    wanted = srgb_decode(torch.tensor([1, 51 / 255, 0]))
    torch.testing.assert_close(decode(tmp_path / "x.tif", COLOR).texture.data[:, 0, 1], wanted, atol=1e-6, rtol=0)


def old_jpeg(pixels: Image.Image, *, strips: bool, interchange: bool, **options: Any) -> bytes:
    """A TIFF of compression 6 whose JPEG stands where strips say, where the tag of the stream does, or both."""
    file = io.BytesIO()
    pixels.save(file, "JPEG", **options)
    jpeg, (width, height) = file.getvalue(), pixels.size
    tags = {256: (3, (width,)), 257: (3, (height,)), 258: (3, (8, 8, 8)), 259: (3, (6,)), 262: (3, (6,)),
            277: (3, (3,)), 278: (3, (height,)), 530: (3, (2, 2))}  # fmt: skip
    if strips:
        tags |= {273: (4, (8,)), 279: (4, (len(jpeg),))}
    if interchange:
        tags |= {513: (4, (8,)), 514: (4, (len(jpeg),))}
    return odd_files.tiff(tags, jpeg)


@pytest.mark.parametrize(("strips", "interchange"), [(True, True), (False, True)])
def test_old_style_jpeg_has_its_colors(strips: bool, interchange: bool, tmp_path: Path) -> None:
    picture = Image.new("RGB", (48, 32), (200, 80, 40))
    picture.paste((20, 160, 240), (24, 0, 48, 32))
    content = old_jpeg(picture, strips=strips, interchange=interchange, quality=95, subsampling=2)
    (tmp_path / "x.tif").write_bytes(content)
    data = decode(tmp_path / "x.tif", COLOR).texture.data
    for column, color in ((4, (200, 80, 40)), (44, (20, 160, 240))):
        wanted = srgb_decode(torch.tensor(color) / 255)
        torch.testing.assert_close(data[:, 16, column], wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_fax_is_black_where_it_is_black_and_turned(compression: str, orientation: int, tmp_path: Path) -> None:
    bits = np.random.default_rng(1).random((30, 70)) > 0.5
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(bits).save(tmp_path / "x.tif", compression=compression, exif=exif)
    wanted = np.rot90(bits, -1) if orientation == 6 else bits
    data = decode(tmp_path / "x.tif", MAPS["opacity"]).texture.data[0]
    assert np.array_equal(data.numpy(), wanted.astype(np.float32))


def test_floats_with_the_profile_of_other_primaries_are_converted(tmp_path: Path) -> None:
    """Photoshop writes 32 bits with a profile of linear light; other curves are not meant for floats."""
    light = np.float32([[[1, 1, 1], [1, 0, 0]]])
    wide = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]  # Adobe RGB (1998)
    for gamma, flags in ((1.0, 0), (2.2, 1)):
        tifffile.imwrite(tmp_path / "x.tif", light, photometric="rgb", iccprofile=matrix_profile(gamma, wide))
        decoded = decode(tmp_path / "x.tif", COLOR)
        red = torch.tensor([1.3984, 0, 0]) if gamma == 1 else torch.tensor([1.0, 0, 0])
        torch.testing.assert_close(decoded.texture.data[:, 0, 0], torch.ones(3), atol=2e-3, rtol=0)
        torch.testing.assert_close(decoded.texture.data[:, 0, 1], red, atol=2e-3, rtol=0)
        assert len(decoded.flags) == flags


def test_white_is_zero_turns_color_and_not_alpha(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 2), (255, 51), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="miniswhite", extrasamples=["unassalpha"])
    texture = decode(tmp_path / "x.tif", COLOR).texture
    assert texture.alpha is not None
    assert (texture.data.max().item(), texture.alpha.max().item()) == (0, pytest.approx(0.2))


@pytest.mark.parametrize(("photometric", "channels"), [("separated", 4), ("cielab", 3)])
def test_inks_and_lab_are_not_taken_for_rgb(photometric: str, channels: int, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.full((4, 4, channels), 100, np.uint8), photometric=photometric)
    with pytest.raises(SourceError, match=f"holds {photometric.upper()} pixels; write gray or RGB"):
        decode(tmp_path / "x.tif", COLOR)


def test_jpeg_in_tiff_is_converted(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (200, 80, 40)).save(tmp_path / "x.tif", compression="jpeg", quality=100)
    wanted = srgb_decode(torch.tensor([200, 80, 40]) / 255)
    torch.testing.assert_close(decode(tmp_path / "x.tif", COLOR).texture.data[:, 5, 5], wanted, atol=0.02, rtol=0)


def test_doubles_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.full((2, 2, 3), 1e300), photometric="rgb")
    with pytest.raises(SourceError, match="has 12 values that are not finite"):
        decode(tmp_path / "x.tif", COLOR)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_a_cut_file_is_refused_quietly(
    compression: str | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tifffile.imwrite(tmp_path / "x.tif", RGB, photometric="rgb", compression=compression, rowsperstrip=4)
    content = (tmp_path / "x.tif").read_bytes()
    for kept in range(8, len(content), len(content) // 20):
        (tmp_path / "y.tif").write_bytes(content[:kept])
        with pytest.raises(SourceError, match=r"y\.tif: "):
            decode(tmp_path / "y.tif", COLOR)
    assert capfd.readouterr() == ("", "")


def test_a_header_that_lies_is_refused_before_pixels_are_made(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", RGB, photometric="rgb", compression="zlib")
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+b") as file:
        file.pages.first.tags["ImageWidth"].overwrite(60000)
        file.pages.first.tags["ImageLength"].overwrite(60000)
    with pytest.raises(SourceError, match="declares 60000×60000 pixels"):
        decode(tmp_path / "x.tif", COLOR)
