"""PNG: every color type and depth, written chunk by chunk."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import odd_files
import pytest
import torch
from odd_files import png_chunk as chunk
from PIL import Image

from assetforge.codecs import png
from assetforge.codecs.decode import decode
from assetforge.codecs.encode import to_pixels
from assetforge.codecs.formats import parse
from assetforge.codecs.raster import CutOffError, FormatError
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_decode
from assetforge.samples import make_sample

COLOR, ROUGHNESS, ID = (MAPS[name] for name in ("base_color", "roughness", "id"))
ROW16 = b"\0" + struct.pack(">6H", *[1000, 2000, 3000] * 2)


def write(path: Path, shape: tuple[int, int, int, int], rows: bytes, extra: bytes = b"", interlace: int = 0) -> Path:
    """Write rows of the given width, height, depth and color type."""
    path.write_bytes(odd_files.png(shape, rows, extra, interlace))
    return path


@pytest.mark.parametrize(("depth", "row", "values"), [
    (1, b"\x80", [1, 0]), (2, b"\x90", [2 / 3, 1 / 3]), (4, b"\x5a", [1 / 3, 2 / 3]),
])  # fmt: skip
def test_gray_of_few_bits_fills_the_range(depth: int, row: bytes, values: list[float], tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", (2, 2, depth, 0), (b"\0" + row) * 2)
    torch.testing.assert_close(decode(path, ROUGHNESS).texture.data[0, 0], torch.tensor(values).float())
    with pytest.raises(SourceError, match="no codes of id any more; write 8 or 16 bits"):
        decode(path, ID)


@pytest.mark.parametrize(("shape", "row", "transparent"), [
    ((2, 2, 8, 2), bytes([1, 2, 3, 4, 5, 6]), struct.pack(">3H", 1, 2, 3)),
    ((2, 2, 16, 2), struct.pack(">6H", 1, 2, 3, 4, 5, 6), struct.pack(">3H", 1, 2, 3)),
    ((2, 2, 16, 0), struct.pack(">2H", 777, 9), struct.pack(">H", 777)),
    ((2, 2, 8, 0), bytes([7, 9]), struct.pack(">H", 7)),
    ((2, 2, 4, 0), b"\x5a", struct.pack(">H", 5)),
    ((2, 2, 1, 0), b"\x80", struct.pack(">H", 1)),
])  # fmt: skip
def test_a_transparent_color_becomes_alpha(
    shape: tuple[int, int, int, int], row: bytes, transparent: bytes, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.png", shape, (b"\0" + row) * 2, chunk(b"tRNS", transparent))
    alpha = decode(path, COLOR).texture.alpha
    assert alpha is not None
    assert alpha[0].tolist() == [[0, 1], [0, 1]]


PALETTE = chunk(b"PLTE", bytes([9, 8, 7, 200, 100, 50, 1, 2, 3]))


@pytest.mark.parametrize(("depth", "row"), [(1, b"\x50"), (2, b"\x11"), (4, b"\x01\x01"), (8, b"\0\1\0\1")])
def test_palettes_of_any_depth_give_colors_and_codes(depth: int, row: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", (4, 1, depth, 3), b"\0" + row, PALETTE + chunk(b"tRNS", b"\x33"))
    assert decode(path, ID).texture.data[0, 0].tolist() == [0, 1, 0, 1]
    assert decode(path, ID).depth == "8"
    texture = decode(path, COLOR).texture
    wanted = srgb_decode(torch.tensor([[9, 8, 7], [200, 100, 50]]).T / 255)
    torch.testing.assert_close(texture.data[:, 0, :2], wanted, atol=1e-6, rtol=0)
    assert texture.alpha is not None
    torch.testing.assert_close(texture.alpha[0, 0], torch.tensor([0.2, 1, 0.2, 1]))


def test_an_index_beyond_the_palette_is_black_and_flagged(tmp_path: Path) -> None:
    decoded = decode(write(tmp_path / "x.png", (2, 1, 8, 3), b"\0\1\7", PALETTE), COLOR)
    assert decoded.texture.data[:, 0, 1].tolist() == [0, 0, 0]
    assert decoded.flags == ("has pixels of color 7 in a palette of 3, which are taken as black",)
    assert decode(tmp_path / "x.png", ID).texture.data[0, 0].tolist() == [1, 7]


def test_a_palette_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    for palette in (b"", chunk(b"PLTE", bytes(4))):
        with pytest.raises(SourceError, match="its palette is missing or not whole"):
            decode(write(tmp_path / "x.png", (1, 1, 8, 3), b"\0\0", palette), COLOR)


def test_what_is_only_partly_read_is_flagged(tmp_path: Path) -> None:
    animated = chunk(b"acTL", struct.pack(">II", 2, 0))
    path = write(tmp_path / "x.png", (1, 1, 8, 0), b"\0\0", animated)
    assert decode(path, COLOR).flags == ("is animated; its first frame is read",)
    path = write(tmp_path / "x.png", (1, 1, 8, 0), b"\0\0", chunk(b"acTL", struct.pack(">II", 1, 0)))
    assert decode(path, COLOR).flags == ()
    for points, flagged in ((bytes([1, 13, 0, 1]), False), (bytes([12, 13, 0, 1]), True)):
        path = write(tmp_path / "x.png", (1, 1, 8, 0), b"\0\0", chunk(b"cICP", points))
        assert bool(decode(path, COLOR).flags) == flagged
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "x.webp", save_all=True, append_images=frames[1:], lossless=True)
    decoded = decode(tmp_path / "x.webp", COLOR)
    assert decoded.flags == ("is animated; its first frame is read",)
    assert decoded.texture.data[:, 0, 0].tolist() == [1, 0, 0]


def test_an_interlaced_file_is_put_together(tmp_path: Path) -> None:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 11, 3), dtype=np.uint16)
    parts = (pixels[top::down, left::right] for top, left, down, right in passes)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts if part.size for row in part)
    path = write(tmp_path / "x.png", (11, 9, 16, 2), rows, interlace=1)
    wanted = srgb_decode(torch.from_numpy(pixels.astype(np.float32) / 65535).permute(2, 0, 1))
    torch.testing.assert_close(decode(path, COLOR).texture.data, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 70), (131, 1), (130, 67)])
@pytest.mark.parametrize("at_once", [png._AT_ONCE, 0])
def test_what_is_written_is_read_by_others(
    channels: int, kind: type, height: int, width: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, np.iinfo(kind).max, (height, width, channels), kind, endpoint=True)
    slope = (np.add.outer(np.arange(height) * 3, np.arange(width))[:, :, None] * np.arange(1, channels + 1)).astype(
        kind
    )
    for pixels in (noise, slope, slope[::-1, ::-1], np.full_like(noise, 7)):
        content = png.write(pixels, 1)
        assert np.array_equal(png.read(content).pixels, pixels)
        known = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)  # it has no gray with alpha
        if channels != 2:
            order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
            assert np.array_equal(known.reshape(pixels.shape)[:, :, order], pixels)


def test_a_written_file_that_was_damaged_does_not_pass() -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (40, 30, 3), np.uint8)
    content = png.write(pixels, 1)
    assert png.checked(content) == (40, 30, 3)
    for cut in (20, 60, len(content) - 1):
        with pytest.raises(CutOffError):
            png.checked(content[:cut])
    for place in (20, len(content) // 2):
        with pytest.raises(FormatError, match="checksum"):
            png.checked(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    header = content[8:33]
    for rows, packed, said in (
        (b"\1" + bytes(90), b"", "rows are not whole"),
        ((b"\5" + bytes(90)) * 40, b"", "rows are not whole"),
        (b"", b"no deflate at all", "cannot be unpacked"),
        ((b"\1" + bytes(90)) * 41, b"", "damaged"),
    ):
        body = packed or zlib.compress(rows)
        with pytest.raises(FormatError, match=said):
            png.checked(png.SIGNATURE + header + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def test_files_are_no_larger_than_those_of_libpng() -> None:
    stone, rng = make_sample("stone", 256), np.random.default_rng(0)
    form = parse("png8")
    maps = {name: to_pixels(stone[name], MAPS[name], form) for name in ("base_color", "normal", "roughness")}
    maps["pixel art"] = rng.integers(0, 4, (32, 32, 3), np.uint8).repeat(8, 0).repeat(8, 1) * np.uint8(60)
    maps["tiles"] = np.tile(maps["base_color"][:64, :64], (4, 4, 1))
    maps["flat"] = np.full((256, 256, 3), 90, np.uint8)
    for name, pixels in maps.items():
        theirs = imagecodecs.png_encode(pixels.squeeze(), level=3)
        assert len(png.write(pixels, 1)) <= 1.02 * len(theirs), name


@pytest.mark.parametrize("depth", [8, 16])
def test_missing_rows_are_not_black(depth: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    row = ROW16 if depth == 16 else ROW16[:7]
    path = write(tmp_path / "x.png", (2, 60, depth, 2), row * 40)
    with pytest.raises(SourceError, match=r"x\.png: is damaged"):
        decode(path, COLOR)
    assert capfd.readouterr() == ("", "")


def test_headers_that_are_not_valid_are_refused_quietly(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for shape in ((2, 2, 3, 2), (2, 2, 16, 3), (2, 2, 8, 5), (0, 2, 8, 2)):
        with pytest.raises(SourceError, match=r"is damaged: its header is not valid|declares a size"):
            decode(write(tmp_path / "x.png", shape, bytes(50)), COLOR)
    (tmp_path / "y.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(SourceError, match="does not begin with a header"):
        decode(tmp_path / "y.png", COLOR)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
    (tmp_path / "y.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b""))
    with pytest.raises(SourceError, match="it has no pixels"):
        decode(tmp_path / "y.png", COLOR)
    assert capfd.readouterr() == ("", "")


def test_gamma_chunks_and_broken_metadata_change_no_pixel(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    odd = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"eXIf", b"nonsense") + chunk(b"iCCP", b"x\0\0nonsense")
    plain = decode(write(tmp_path / "x.png", (2, 2, 16, 2), ROW16 * 2), COLOR).texture.data
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    assert torch.equal(decode(write(tmp_path / "y.png", (2, 2, 16, 2), ROW16 * 2, gamma), COLOR).texture.data, plain)
    data = decode(write(tmp_path / "z.png", (1, 1, 8, 0), b"\0\x33", odd), ROUGHNESS).texture.data
    assert data.item() == pytest.approx(0.2)
    with pytest.raises(SourceError, match="has a broken color profile"):
        decode(tmp_path / "z.png", COLOR)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_orientation_turns_png_and_webp(orientation: int, suffix: str, tmp_path: Path) -> None:
    from PIL import ImageOps

    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    with Image.open(path) as image:
        turned = np.asarray(ImageOps.exif_transpose(image)).copy()
    wanted = srgb_decode(torch.from_numpy(turned / np.float32(255)).permute(2, 0, 1))
    torch.testing.assert_close(decode(path, COLOR).texture.data, wanted, atol=1e-6, rtol=0)


def test_more_pixels_than_pillow_allows_are_read(tmp_path: Path) -> None:
    size = 13500  # 182 million pixels: Pillow's own limit is 179
    rows = (b"\0" + bytes(-(-size // 8))) * size
    content = write(tmp_path / "x.png", (size, size, 1, 0), rows).read_bytes()
    assert png.read(content).pixels.shape == (size, size, 1)
