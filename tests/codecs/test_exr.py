"""OpenEXR: windows, channel names, parts, and files that are cut off."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import torch

from assetforge.codecs.decode import Reading, decode
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS

LIGHT, NORMAL = MAPS["emission"], MAPS["normal"]
RGB = np.random.default_rng(0).random((40, 30, 3), np.float32)
AP1 = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)


def write(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    planes = {name: np.ascontiguousarray(pixels) for name, pixels in channels.items()}
    OpenEXR.File({"type": OpenEXR.scanlineimage, **header}, planes).write(str(path))
    return path


def window(left: int, top: int, right: int, bottom: int) -> tuple[Any, Any]:
    return np.array([left, top], np.int32), np.array([right, bottom], np.int32)


def test_overscan_is_cut_to_the_display_window(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.exr", {"RGB": RGB}, dataWindow=window(-5, -3, 24, 36), displayWindow=window(0, 0, 19, 29)
    )
    wanted = torch.from_numpy(RGB[3:33, 5:25]).permute(2, 0, 1)
    assert torch.equal(decode(path, LIGHT).texture.data, wanted)


def test_a_cropped_picture_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.exr", {"RGB": RGB}, dataWindow=window(2, 2, 31, 41), displayWindow=window(0, 0, 49, 49))
    with pytest.raises(SourceError, match="write the whole picture, not cropped"):
        decode(path, LIGHT)


def test_normals_may_be_named_x_y_z(tmp_path: Path) -> None:
    vectors = RGB * 2 - 1
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    path = write(tmp_path / "x.exr", dict(zip("XYZ", vectors.transpose(2, 0, 1), strict=True)))
    torch.testing.assert_close(decode(path, NORMAL).texture.data, torch.from_numpy(vectors).permute(2, 0, 1))


def test_green_is_not_taken_for_alpha_nor_luminance_for_gray(tmp_path: Path) -> None:
    path = write(tmp_path / "x.exr", {"R": RGB[:, :, 0], "G": RGB[:, :, 1]})
    with pytest.raises(SourceError, match=r"has channels .* in this file; a texture needs R, G, B or Y"):
        decode(path, LIGHT)
    path = write(tmp_path / "y.exr", {"Y": RGB[:, :, 0], "RY": RGB[:, :, 1], "BY": RGB[:, :, 2]})
    with pytest.raises(SourceError, match="holds luminance and chroma; write R, G and B"):
        decode(path, LIGHT)


def test_the_primaries_of_parts_are_converted(tmp_path: Path) -> None:
    red = np.zeros((2, 2, 3), np.float32)
    red[:, :, 0] = 1
    parts = [OpenEXR.Part({"chromaticities": AP1}, {"RGB": red}, name) for name in ("one", "two")]
    OpenEXR.File(parts).write(str(tmp_path / "x.exr"))
    data = decode(tmp_path / "x.exr", LIGHT, Reading(layer="two")).texture.data
    assert data[0, 0, 0].item() == pytest.approx(1.705, abs=2e-3)


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "DWAA", "DWAB"])
def test_a_cut_file_is_refused_quietly(compression: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    kind = getattr(OpenEXR, f"{compression}_COMPRESSION")
    path = write(tmp_path / "x.exr", {"RGB": RGB.astype(np.float16)}, compression=kind)
    decode(path, LIGHT)
    content = path.read_bytes()
    for kept in [*range(8, len(content), max(1, len(content) // 12)), len(content) - 1]:
        path.write_bytes(content[:kept])
        with pytest.raises(SourceError, match=r"x\.exr: is cut off"):
            decode(path, LIGHT)
    assert capfd.readouterr() == ("", "")  # the library would warn on stdout


def test_cut_parts_are_refused(tmp_path: Path) -> None:
    parts = [OpenEXR.Part({}, {"RGB": RGB}, "one"), OpenEXR.Part({}, {"RGB": RGB}, "two")]
    OpenEXR.File(parts).write(str(tmp_path / "x.exr"))
    content = (tmp_path / "x.exr").read_bytes()
    (tmp_path / "x.exr").write_bytes(content[:-40])
    for name in ("one", "two", None):
        with pytest.raises(SourceError, match="is cut off"):
            decode(tmp_path / "x.exr", LIGHT, Reading(layer=name))


def test_a_damaged_part_does_not_make_the_other_the_whole(tmp_path: Path) -> None:
    smooth = np.zeros((40, 30, 3), np.float32) + np.linspace(0, 1, 30, dtype=np.float32)[:, None]
    parts = [OpenEXR.Part({"compression": OpenEXR.ZIP_COMPRESSION}, {"RGB": smooth}, name) for name in ("one", "two")]
    OpenEXR.File(parts).write(str(tmp_path / "x.exr"))
    content = bytearray((tmp_path / "x.exr").read_bytes())
    content[-60:] = b"\xff" * 60
    (tmp_path / "x.exr").write_bytes(content)
    with pytest.raises(SourceError, match="is damaged"):
        decode(tmp_path / "x.exr", LIGHT)


def test_tiles_are_read(tmp_path: Path) -> None:
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    header = {"type": OpenEXR.tiledimage, "tiles": tiles}
    OpenEXR.File(header, {"RGB": RGB}).write(str(tmp_path / "x.exr"))
    assert torch.equal(decode(tmp_path / "x.exr", LIGHT).texture.data, torch.from_numpy(RGB).permute(2, 0, 1))


def test_a_header_that_lies_is_refused_before_pixels_are_made(tmp_path: Path) -> None:
    path = write(tmp_path / "x.exr", {"RGB": RGB})
    true, false = struct.pack("<4i", 0, 0, 29, 39), struct.pack("<4i", 0, 0, 59999, 59999)
    path.write_bytes(path.read_bytes().replace(true, false))
    with pytest.raises(SourceError, match="declares 60000×60000 pixels"):
        decode(path, LIGHT)
