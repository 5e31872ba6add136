"""TIFF: what looks like gray or RGB and is not, and files whose pixels are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
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
