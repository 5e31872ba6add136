"""BMP: every depth, palettes, masks and run lengths; what Pillow reads, we read alike."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from odd_files import Bmp, bmp_rows
from PIL import Image, ImageCms

from assetforge.codecs import bmp
from assetforge.codecs.decode import Reading, decode
from assetforge.codecs.raster import FormatError
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_decode

COLOR, ID, OPACITY = (MAPS[name] for name in ("base_color", "id", "opacity"))
RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (5, 7, 4), dtype=np.uint8)


def expected(pixels: np.ndarray) -> torch.Tensor:
    return srgb_decode(torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_what_pillow_writes_is_read(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(RGBA).convert(mode)
    image.save(tmp_path / "x.bmp")
    decoded = decode(tmp_path / "x.bmp", COLOR)
    torch.testing.assert_close(decoded.texture.data, expected(np.asarray(image.convert("RGB"))), atol=1e-6, rtol=0)
    assert bool(decoded.flags) == (mode == "RGBA")  # it writes alpha without a mask, and does not read it either


@pytest.mark.parametrize(
    ("header", "height"), [(12, 5), *((header, height) for header in (40, 52, 56, 64, 108, 124) for height in (5, -5))]
)
def test_every_header_and_both_directions(header: int, height: int, tmp_path: Path) -> None:
    rows = RGBA[:, :, 2::-1].reshape(5, -1)
    stored = bmp_rows(rows if height > 0 else rows[::-1])
    (tmp_path / "x.bmp").write_bytes(Bmp((7, height), 24, stored, header=header).content)
    torch.testing.assert_close(decode(tmp_path / "x.bmp", COLOR).texture.data, expected(RGBA[:, :, :3]))


@pytest.mark.parametrize(("bits", "packed"), [
    (1, b"\x50"), (2, b"\x11"), (4, b"\x01\x01"), (8, b"\x00\x01\x00\x01"),
])  # fmt: skip
def test_indices_are_the_codes_of_ids(bits: int, packed: bytes, tmp_path: Path) -> None:
    palette = bytes([9, 8, 7, 0, 60, 50, 40, 0])
    file = Bmp((4, 1), bits, packed.ljust(4, b"\0"), palette=palette, colors=2)
    (tmp_path / "x.bmp").write_bytes(file.content)
    assert decode(tmp_path / "x.bmp", ID).texture.data[0, 0].tolist() == [0, 1, 0, 1]
    color = decode(tmp_path / "x.bmp", COLOR).texture.data
    torch.testing.assert_close(color, expected(np.uint8([[[7, 8, 9], [40, 50, 60]] * 2])))


def test_black_and_white_of_eight_bits_is_not_taken_for_one_bit(tmp_path: Path) -> None:
    """Pillow takes the two entries of such a palette for a picture of one bit."""
    indices = np.uint8([[0, 1, 1, 0, 1, 0, 0, 0]])
    file = Bmp((8, 1), 8, bmp_rows(indices), palette=bytes(4) + b"\xff" * 4, colors=2)
    (tmp_path / "x.bmp").write_bytes(file.content)
    assert decode(tmp_path / "x.bmp", OPACITY).texture.data[0].tolist() == indices.tolist()


@pytest.mark.parametrize(("bits", "masks", "word", "color", "alpha"), [
    (16, (0xF800, 0x7E0, 0x1F), 0b11111_000001_00000, (255, 4, 0), None),
    (16, (0x7C00, 0x3E0, 0x1F), 0b0_00001_11111_00000, (8, 255, 0), None),
    (16, (0xF00, 0xF0, 0xF, 0xF000), 0x8F01, (255, 0, 17), 136),
    (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF), 0x01020304, (1, 2, 3), 4),
    (32, (0xFF, 0xFF00, 0xFF0000), 0x00030201, (1, 2, 3), None),
])  # fmt: skip
def test_masks_are_obeyed(
    bits: int,
    masks: tuple[int, ...],
    word: int,
    color: tuple[int, int, int],
    alpha: int | None,
    tmp_path: Path,
) -> None:
    stored = word.to_bytes(bits // 8, "little").ljust(4, b"\0")
    header = 40 if alpha is None else 56
    (tmp_path / "x.bmp").write_bytes(Bmp((1, 1), bits, stored, compression=3, header=header, masks=masks).content)
    texture = decode(tmp_path / "x.bmp", COLOR).texture
    torch.testing.assert_close(texture.data, expected(np.uint8([[color]])), atol=1e-6, rtol=0)
    assert (None if texture.alpha is None else round(texture.alpha.item() * 255)) == alpha


def test_masks_of_ten_bits_fill_sixteen(tmp_path: Path) -> None:
    masks = (0x3FF00000, 0xFFC00, 0x3FF)
    stored = (1023 << 20 | 512 << 10 | 1).to_bytes(4, "little")
    raster = bmp.read(Bmp((1, 1), 32, stored, compression=3, masks=masks).content)
    assert raster.pixels[0, 0].tolist() == [65535, round(512 * 65535 / 1023), 64]
    assert raster.widened


def test_run_lengths_with_jumps_and_ends(tmp_path: Path) -> None:
    palette = bytes(value for index in range(16) for value in (index, index, index, 0))
    eight = b"\3\5\0\0" + b"\0\2\1\0" + b"\0\3\1\2\3\0" + b"\0\0" + b"\2\7\0\1"
    four = b"\3\x56\0\0" + b"\0\3\x12\x30" + b"\0\1"
    wanted = {
        (8, 1, eight): [[7, 7, 0, 0], [0, 1, 2, 3], [5, 5, 5, 0]],
        (4, 2, four): [[0, 0, 0, 0], [1, 2, 3, 0], [5, 6, 5, 0]],
    }
    for (bits, compression, stored), indices in wanted.items():
        file = Bmp((4, 3), bits, stored, compression, palette=palette, colors=16)
        (tmp_path / "x.bmp").write_bytes(file.content)
        assert decode(tmp_path / "x.bmp", ID).texture.data[0].tolist() == indices
        (tmp_path / "x.bmp").write_bytes(file.content[:-3])
        with pytest.raises(SourceError, match=r"x\.bmp: is cut off"):
            decode(tmp_path / "x.bmp", ID)


def test_an_index_beyond_the_palette_is_black_and_flagged(tmp_path: Path) -> None:
    (tmp_path / "x.bmp").write_bytes(Bmp((2, 1), 8, b"\0\5\0\0", palette=b"\xff" * 8, colors=2).content)
    decoded = decode(tmp_path / "x.bmp", COLOR)
    assert decoded.texture.data[0, 0].tolist() == [1, 0]
    assert decoded.flags == ("has pixels of color 5 in a palette of 2, which are taken as black",)


def test_a_fourth_number_without_a_mask_is_left_out_and_flagged(tmp_path: Path) -> None:
    (tmp_path / "x.bmp").write_bytes(Bmp((2, 1), 32, bytes([3, 2, 1, 9, 3, 2, 1, 8])).content)
    decoded = decode(tmp_path / "x.bmp", COLOR)
    assert decoded.texture.alpha is None
    assert decoded.flags == ("has a fourth number in each pixel that it does not call alpha, and which is left out",)
    (tmp_path / "x.bmp").write_bytes(Bmp((2, 1), 32, bytes([3, 2, 1, 0, 3, 2, 1, 0])).content)
    assert decode(tmp_path / "x.bmp", COLOR).flags == ()


def test_an_embedded_profile_is_used(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    stored = bytes([30, 20, 10, 0])
    (tmp_path / "x.bmp").write_bytes(Bmp((1, 1), 24, stored, header=124, profile=profile).content)
    assert bmp.read((tmp_path / "x.bmp").read_bytes()).profile == profile
    assert decode(tmp_path / "x.bmp", COLOR, Reading(profile="srgb")).flags
    (tmp_path / "x.bmp").write_bytes(Bmp((1, 1), 24, stored, header=124, profile=b"nonsense").content)
    with pytest.raises(SourceError, match="has a broken color profile"):
        decode(tmp_path / "x.bmp", COLOR)


@pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 32])
def test_a_cut_file_is_refused_but_for_the_last_fill(bits: int) -> None:
    size = (5 * bits + 7) // 8
    rows = RNG.integers(0, 1 + (bits > 1), (3, size), dtype=np.uint8)
    palette = bytes(4 * 2**bits) if bits <= 8 else b""
    content = Bmp((5, 3), bits, bmp_rows(rows), palette=palette).content
    fill = -size % 4
    assert bmp.read(content[: len(content) - fill]).pixels.shape[:2] == (3, 5)
    for kept in range(10, len(content) - fill):
        with pytest.raises(FormatError, match="is cut off"):
            bmp.read(content[:kept])


@pytest.mark.parametrize(("file", "expected"), [
    (Bmp((1, 1), 24, bytes(4), compression=4), "a kind of BMP that is not read"),
    (Bmp((1, 1), 8, bytes(4), compression=3, palette=bytes(8), header=64), "a kind of BMP that is not read"),
    (Bmp((1, 1), 64, bytes(8)), "has 64 bits in a pixel; write 24"),
    (Bmp((1, 1), 32, bytes(4), compression=3, masks=(0xFF, 0, 0xFF00)), "its masks of red, green and blue make no"),
    (Bmp((1, 1), 32, bytes(4), compression=3, masks=(0xF0F, 0xF0, 0xF000)), "its masks of red, green and blue make no"),
    (Bmp((60000, 60000), 24, bytes(4)), "declares 60000×60000 pixels"),
    (Bmp((-5, 1), 24, bytes(4)), "declares a size of -5×1"),
])  # fmt: skip
def test_what_cannot_be_read_is_named(file: Bmp, expected: str, tmp_path: Path) -> None:
    (tmp_path / "x.bmp").write_bytes(file.content)
    with pytest.raises(SourceError, match=rf"x\.bmp: .*{expected}"):
        decode(tmp_path / "x.bmp", COLOR)


def test_pixels_that_begin_too_early_are_moved_behind_the_palette() -> None:
    content = bytearray(Bmp((2, 1), 8, b"\0\1\0\0", palette=bytes([1, 1, 1, 0, 2, 2, 2, 0]), colors=2).content)
    content[10:14] = struct.pack("<I", 54)
    assert bmp.read(bytes(content)).pixels[0, :, 0].tolist() == [1, 2]
