"""Whatever is in a file, it is read or named: no traceback, no words of a library, nothing printed."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import tifffile
from odd_files import Bmp, Psd, bmp_rows, layer_count, png, png_chunk
from PIL import Image

from assetforge.codecs.decode import Reading, decode
from assetforge.codecs.formats import READABLE
from assetforge.codecs.transparency import has_transparency
from assetforge.errors import AccessError, SourceError
from assetforge.material.map_spec import MAPS

COLOR = MAPS["base_color"]
READABLE_LIST = "write PNG, JPEG, WebP, TGA, BMP, TIFF, PSD, HDR, OpenEXR, DDS or KTX2"


@pytest.mark.parametrize(("content", "expected"), [
    (b"GIF89a" + bytes(30), "is a GIF, which is not read"),
    (b"\xabKTX 11\xbb\r\n\x1a\n" + bytes(64), "is a KTX, which is not read"),
    (b"\0\0\0\x20ftypavif" + bytes(30), r"is a picture or video of the family of MP4 \(AVIF\), which"),
    (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(30), "is a JPEG 2000, which is not read"),
    (b"gimp xcf v011" + bytes(30), "is a GIMP picture, which is not read"),
    (b"this is no picture", "is not a PNG, nor of another format that is read"),
])  # fmt: skip
def test_what_is_not_read_is_named_with_what_is(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(SourceError, match=rf"x\.png: {expected}.*; {READABLE_LIST}"):
        decode(tmp_path / "x.png", COLOR)
    assert all(word in READABLE_LIST for word in READABLE)


@pytest.mark.parametrize("suffix", [".gif", ".tga"])
def test_a_gif_is_named_whatever_its_ending(suffix: str, tmp_path: Path) -> None:
    Image.new("P", (4, 4)).save(tmp_path / "x.gif")
    path = (tmp_path / "x.gif").rename(tmp_path / f"x{suffix}")
    with pytest.raises(SourceError, match="is a GIF, which is not read"):
        decode(path, COLOR)


def test_a_folder_cannot_be_read_just_now(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(AccessError, match=r"x\.png: cannot be read \(not a regular file\)"):
        decode(tmp_path / "x.png", COLOR)


RNG = np.random.default_rng(0)
RGBA = RNG.integers(1, 255, (18, 22, 4), dtype=np.uint8)


def seeds(folder: Path) -> dict[str, bytes]:
    """Small files of every kind, and of the odd kinds of each."""
    icc = b"\0" * 36 + b"acsp" + bytes(92)
    for suffix, options in ((".png", {"icc_profile": icc}), (".jpg", {}), (".webp", {"lossless": True}), (".tga", {})):
        image = Image.fromarray(RGBA[:, :, :3] if suffix == ".jpg" else RGBA)
        image.save(folder / f"a{suffix}", **options)
    Image.fromarray(RGBA).convert("CMYK").save(folder / "b.jpg", icc_profile=icc)
    Image.fromarray(RGBA).convert("P").save(folder / "b.tga", compression="tga_rle")
    for name, options in (("a.tif", {"compression": "zlib"}), ("b.tif", {"compression": "lzw", "tile": (16, 16)})):
        tifffile.imwrite(folder / name, RGBA, photometric="rgb", extrasamples=["assocalpha"], **options)
    Image.fromarray(RGBA[:, :, 0] > 100).save(folder / "c.tif", compression="packbits")
    light = {name: RGBA[:, :, index] / np.float32(255) for index, name in enumerate("RGBA")}
    planes = {name: np.ascontiguousarray(plane) for name, plane in light.items()}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(folder / "a.exr"))
    parts = [OpenEXR.Part({}, planes, name) for name in ("one", "two")]
    OpenEXR.File(parts).write(str(folder / "b.exr"))
    channels = RGBA.transpose(2, 0, 1)
    palette, packed = RNG.integers(0, 256, 1024, dtype=np.uint8).tobytes(), b"\3\5\0\0\0\2\1\0" + b"\0\3\1\2\3\0\0\1"
    made = {
        "c.png": png((22, 18, 4, 3), (b"\0" + bytes(11)) * 18, png_chunk(b"PLTE", palette[:48])),
        "a.hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 18 +X 22\n" + RGBA.tobytes(),
        "a.bmp": Bmp((22, 18), 32, bmp_rows(RGBA.reshape(18, -1)), 3, 56, masks=(255, 255 << 8, 255 << 16)).content,
        "b.bmp": Bmp((4, 3), 8, packed, 1, palette=palette).content,
        "a.psd": Psd(channels, layers=layer_count(-1), resources={1039: icc, 1057: b"\0\0\0\1\1"}).content,
        "b.psd": Psd(channels[:1], 2, colors=palette[:768], resources={1047: b"\0\1"}).content,
        "c.psb": Psd(channels, 4, large=True).content,
    }
    return {path.name: path.read_bytes() for path in folder.iterdir()} | made


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes or numbers, leave some out, or cut off the end; make checksums right, so that more is seen."""
    broken = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(min(len(broken), chance.choice([64, 400, 10**6])))
        match chance.randrange(5):
            case 0 | 1:
                broken[at] = chance.choice([0, 1, 127, 128, 255])
            case 2:
                number = chance.choice([0, 2**31, 2**32 - 1, 40000])
                broken[at : at + 4] = struct.pack(chance.choice("<>") + "I", number)
            case 3:
                del broken[at : at + chance.randrange(1, 9)]
            case _:
                del broken[max(at, 8) :]
    return with_checksums(bytes(broken)) if broken[:4] == b"\x89PNG" else bytes(broken)


def with_checksums(content: bytes) -> bytes:
    whole, at = content[:8], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        body = content[at + 4 : at + 8 + length]
        whole += content[at : at + 8 + length] + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return whole


WORDS_OF_LIBRARIES = ("axis", "array", "ndarray", "Error", "index", "decode", "NoneType", "codec", "0x", "returned")


def test_damaged_files_are_read_or_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "whole").mkdir()
    whole = seeds(tmp_path / "whole")
    chance = random.Random(20)
    readings = [Reading(), Reading(channel="g"), Reading(channel="rgb"), Reading(profile="srgb"), Reading(layer="one")]
    specs = [MAPS[name] for name in ("base_color", "roughness", "normal", "id")]
    refused = 0
    for name, content in whole.items():
        for _ in range(60):
            path = tmp_path / name
            path.write_bytes(damaged(content, chance))
            spec, reading = chance.choice(specs), chance.choice(readings)
            try:
                decode(path, spec, reading)
                has_transparency(path, reading)
            except SourceError as error:
                refused += 1
                what = str(error.problem).removeprefix(f"{path}: ")
                assert not any(word in what for word in WORDS_OF_LIBRARIES), what
    assert refused > 300
    assert capsys.readouterr().out == ""
