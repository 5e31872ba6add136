"""A file that is still being written is told from one that is whole, in every format that says where it ends."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from odd_files import Bmp, Psd, bmp_rows, layer_count

from assetforge.codecs.completeness import end_of
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import FORMATS, MOBILE, parse, unsuited
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Texture

TOLD = [
    word
    for word in FORMATS
    if parse(word).container not in ("tga", "hdr") and not unsuited(MAPS["base_color"], parse(word))
    if parse(word).compression not in MOBILE
]
"""But for those that optional packages write: KTX2 ends in the same way."""


@cache
def content(word: str) -> bytes:
    generator = torch.Generator().manual_seed(1)
    texture = Texture(torch.rand(3, 40, 56, generator=generator), ColorSpace.LIN_REC709, "clamp", None)
    spec = MAPS["base_color"]
    return encode({"base_color": (texture, spec)}, parse(word).resolve("8", spec))


@pytest.mark.parametrize("word", TOLD)
def test_a_whole_file_has_its_end(word: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content(word))
    assert end_of(path) == "there"


@pytest.mark.parametrize("word", TOLD)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.95, 1.0])
def test_a_part_of_a_file_has_none(word: str, part: float, tmp_path: Path) -> None:
    whole = content(word)
    length = min(len(whole) - 1, max(4, int(part * len(whole))))
    path = tmp_path / "x"
    path.write_bytes(whole[:length])
    assert end_of(path) == "missing"


@cache
def large(word: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (320, 264, 3), dtype=np.uint8)
    texture = Texture(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, ColorSpace.LIN_REC709, "clamp", None)
    spec = MAPS["base_color"]
    return encode({"base_color": (texture, spec)}, parse(word).resolve("8", spec))


@pytest.mark.parametrize("word", TOLD)
@pytest.mark.parametrize("part", [0.0, 0.5, 0.9])
def test_a_file_whose_size_was_reserved_has_none(word: str, part: float, tmp_path: Path) -> None:
    whole = large(word)
    length = int(part * len(whole))
    path = tmp_path / "x"
    path.write_bytes(whole[:length] + bytes(len(whole) - length))
    assert end_of(path) == "missing"


NOISE = np.random.default_rng(0).integers(1, 255, (4, 40, 56), dtype=np.uint8)
OTHERS = {
    "bmp": Bmp((56, 40), 32, bmp_rows(NOISE.transpose(1, 2, 0).reshape(40, -1))).content,
    "bmp8": Bmp((56, 40), 8, bmp_rows(NOISE[0]), palette=bytes(1024)).content,
    "bmp rle": Bmp((2, 2), 8, b"\2\1\0\0\2\1\0\1", compression=1, palette=bytes(1024)).content,
    "psd": Psd(NOISE, packed=False, layers=layer_count(2)).content,
    "psd rle": Psd(NOISE).content,
    "psb rle": Psd(NOISE, large=True).content,
}


@pytest.mark.parametrize("name", OTHERS)
def test_bitmaps_and_photoshop_documents_are_known_too(name: str, tmp_path: Path) -> None:
    path, whole = tmp_path / "x", OTHERS[name]
    path.write_bytes(whole)
    assert end_of(path) == "there"
    for part in (0.02, 0.3, 0.7, 0.95, 1.0):
        path.write_bytes(whole[: min(len(whole) - 1, max(4, int(part * len(whole))))])
        assert end_of(path) == "missing"
    if len(whole) > 8000:
        path.write_bytes(whole[:3000] + bytes(len(whole) - 3000))
        assert end_of(path) == "missing"


def test_a_document_that_lies_of_its_size_is_no_reason_to_stop(tmp_path: Path) -> None:
    content = bytearray(OTHERS["psd rle"])
    content[12:22] = b"\xff" * 10  # channels, height and width
    (tmp_path / "x").write_bytes(content)
    assert end_of(tmp_path / "x") == "missing"


def test_a_text_that_begins_as_a_bitmap_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"BMW and other brands, in a file of text that nobody will ever complete")
    assert end_of(tmp_path / "x") == "there"


def test_what_other_programs_append_does_no_harm(tmp_path: Path) -> None:
    for ending in (".png", ".jpg"):
        _, encoded = cv2.imencode(ending, np.zeros((9, 9, 3), np.uint8))
        path = tmp_path / f"x{ending}"
        path.write_bytes(encoded.tobytes() + b"made by a program that leaves its name")
        assert end_of(path) == "there"


def test_formats_without_an_end_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x01\x02 no magic at all" * 10)
    assert end_of(path) == "unknown"
    path.write_bytes(b"")
    assert end_of(path) == "missing"
