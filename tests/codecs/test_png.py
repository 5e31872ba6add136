"""PNG: every color type and depth, written chunk by chunk."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from assetforge.codecs import png
from assetforge.codecs.decode import decode
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_decode

COLOR, ROUGHNESS, ID = (MAPS[name] for name in ("base_color", "roughness", "id"))
ROW16 = b"\0" + struct.pack(">6H", *[1000, 2000, 3000] * 2)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write(path: Path, shape: tuple[int, int, int, int], rows: bytes, extra: bytes = b"", interlace: int = 0) -> Path:
    """Write rows of the given width, height, depth and color type."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *shape, 0, 0, interlace))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
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


def test_an_interlaced_file_is_put_together(tmp_path: Path) -> None:
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 11, 3), dtype=np.uint16)
    parts = (pixels[top::down, left::right] for top, left, down, right in passes)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts if part.size for row in part)
    path = write(tmp_path / "x.png", (11, 9, 16, 2), rows, interlace=1)
    wanted = srgb_decode(torch.from_numpy(pixels.astype(np.float32) / 65535).permute(2, 0, 1))
    torch.testing.assert_close(decode(path, COLOR).texture.data, wanted, atol=1e-6, rtol=0)


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
