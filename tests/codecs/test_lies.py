"""Files that say of themselves what is not so: looking at them costs no more than what they hold."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image

from assetforge.codecs.completeness import end_of
from assetforge.codecs.decode import Reading, decode
from assetforge.errors import AssetForgeError
from assetforge.material.map_spec import MAPS

MOST = 32 * 2**20
"""Bytes that a picture of 16 pixels a side may cost."""


@contextmanager
def costs_at_most(most: int) -> Iterator[None]:
    """Fail where what is done inside takes more bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def tiff(entries: list[tuple[int, int, int, int]], pieces: bytes = b"") -> bytes:
    """Write a TIFF file of pieces and a directory of (tag, type, count, value)."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(pieces))
    return start + pieces + struct.pack("<H", len(entries)) + directory + bytes(4)


def packed(kind: str, side: int, compression: int) -> bytes:
    """A TIFF of 16² pixels, whose one strip is a picture of another size."""
    content = io.BytesIO()
    Image.new("L", (side, side)).save(content, kind)
    piece = content.getvalue()
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 4, 1, 16), (279, 4, 1, len(piece))]  # fmt: skip
    return tiff(tags, piece)


def counted() -> bytes:
    """A TIFF with strips without number."""
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 2**32 - 1, 8),
            (277, 3, 1, 1), (278, 4, 1, 16), (279, 4, 2**32 - 1, 16)]  # fmt: skip
    return tiff(tags)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def radiance() -> bytes:
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n"
    return head + b"-Y 16 +X 16\n-Y 20000 +X 20000\n" + bytes(2000)


def targa(side: int) -> bytes:
    """A TGA file of a few runs."""
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, side, side, 24, 0)
    return header + b"\xff\0\0\0" * 10 + bytes(8) + b"TRUEVISION-XFILE.\0"


def animated(kind: str) -> bytes:
    """A picture of 16² pixels that moves for a long time."""
    first, *others = (Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in range(256))
    content = io.BytesIO()
    first.save(content, kind, save_all=True, append_images=others)
    return content.getvalue()


def circular() -> bytes:
    """A JPEG of 16² pixels whose EXIF contains itself, and a text of 4 GiB."""
    entries = struct.pack("<HHII", 0x010F, 2, 2**32 - 1, 8) + struct.pack("<HHII", 0x8769, 4, 1, 8)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 8)
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, "JPEG", exif=exif)
    return content.getvalue()


@pytest.mark.limited
@pytest.mark.parametrize(
    ("name", "content", "flags"),
    [
        ("a.webp", lambda: animated("WEBP"), ("is animated; its first frame is read",)),
        ("a.png", lambda: animated("PNG"), ("is animated; its first frame is read",)),
        ("a.jpg", circular, ()),
    ],
    ids=["webp", "png", "exif"],
)
def test_what_lies_beside_a_picture_costs_nothing(
    name: str, content: Callable[[], bytes], flags: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content())
    with costs_at_most(MOST):
        end_of(path)
        decoded = decode(path, MAPS["base_color"], Reading(), str(path))
        assert (decoded.texture.size, decoded.flags) == ((16, 16), flags)


@pytest.mark.limited
def test_layers_that_are_not_wanted_are_not_unpacked(tmp_path: Path) -> None:
    side, empty = 512, np.zeros((512, 512), np.float32)
    channels = {f"layer{number}.Y": empty for number in range(40)} | {"R": empty, "G": empty + 1, "B": empty}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(tmp_path / "a.exr"))
    with costs_at_most(12 * 4 * side**2):  # the pixels of all would be 43
        texture = decode(tmp_path / "a.exr", MAPS["base_color"], Reading(), "a.exr").texture
        assert texture.data[:, 0, 0].tolist() == [0, 1, 0]


@pytest.mark.limited
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.tif", lambda: packed("JPEG", 4000, 7), "a piece of it is 4000×4000 pixels large"),
        ("a.tif", lambda: packed("PNG", 4000, 34933), "is packed in a way that is not read"),
        ("a.tif", lambda: packed("WEBP", 4000, 50001), "is packed in a way that is not read"),
        ("a.tif", lambda: packed("BMP", 16, 7), "a piece of it is no JPEG"),
        ("a.tif", counted, "is cut off"),
        ("a.hdr", radiance, "is cut off or damaged"),
        ("a.tga", lambda: targa(2048), "is cut off or damaged"),
        ("a.tga", lambda: targa(65535), "declares 65535×65535 pixels"),
    ],
    ids=["jpeg", "png", "webp", "no jpeg", "count", "hdr", "tga", "large tga"],
)
def test_a_picture_that_lies_of_its_size_is_refused(
    name: str, content: Callable[[], bytes], says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content())
    with costs_at_most(MOST):
        end_of(path)
        with pytest.raises(AssetForgeError, match=says):
            decode(path, MAPS["base_color"], Reading(), str(path))


def test_jpeg_in_tiff_is_read_where_it_is_as_large_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(packed("JPEG", 16, 7))
    assert decode(tmp_path / "a.tif", MAPS["base_color"], Reading(), "a").texture.size == (16, 16)
    gray = np.tile(np.arange(48, dtype=np.uint8), (40, 1))
    for tile in (None, (16, 16)):
        tifffile.imwrite(tmp_path / "b.tif", gray, compression="jpeg", tile=tile, photometric="minisblack")
        assert decode(tmp_path / "b.tif", MAPS["base_color"], Reading(), "b").texture.size == (40, 48)


@pytest.mark.limited
def test_chunks_without_number_cost_nothing(tmp_path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(49 * 16)))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"tEXt", b"") * 200_000 + pixels + chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with costs_at_most(MOST):
        decode(path, MAPS["base_color"], Reading(), str(path))


@pytest.mark.limited
def test_of_a_file_that_is_nearly_all_hole_only_the_beginning_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    with path.open("wb") as file:
        file.write(b"\x76\x2f\x31\x01\x02\0\0\0")
        file.truncate(16 * 2**30)
        file.seek(-1, 2)
        file.write(b"\1")
    with costs_at_most(MOST):
        end_of(path)
        with pytest.raises(AssetForgeError, match="more than 4294967296 bytes"):
            decode(path, MAPS["base_color"], Reading(), str(path))
