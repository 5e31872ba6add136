"""OpenEXR: windows, channel names, parts, and files that are cut off."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import torch

from assetforge.codecs import exr_chunks
from assetforge.codecs.decode import Reading, decode
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS

LIGHT, NORMAL, ID = MAPS["emission"], MAPS["normal"], MAPS["id"]
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


@pytest.mark.parametrize(("data", "shown"), [
    ((2, 3), (50, 50)), ((-5, -3), (60, 60)), ((-5, 3), (20, 60)), ((10, -10), (30, 20)), ((0, 0), (30, 40)),
    ((29, 39), (30, 40)),
])  # fmt: skip
def test_a_cropped_picture_is_filled_to_the_display_window(
    data: tuple[int, int], shown: tuple[int, int], tmp_path: Path
) -> None:
    """Compositors write the rectangle of what is not empty, and readers show what is left out as empty."""
    (left, top), (width, height) = data, shown
    header = {
        "dataWindow": window(left, top, left + 29, top + 39),
        "displayWindow": window(0, 0, width - 1, height - 1),
    }
    decoded = decode(write(tmp_path / "x.exr", {"RGB": RGB}, **header), LIGHT)
    canvas = np.zeros((200, 200, 3), np.float32)
    canvas[50 + top : 90 + top, 50 + left : 80 + left] = RGB
    wanted = torch.from_numpy(canvas[50 : 50 + height, 50 : 50 + width]).permute(2, 0, 1)
    assert torch.equal(decoded.texture.data, wanted)
    assert decoded.flags == ()


def test_what_a_crop_leaves_out_is_clear_and_has_no_slope(tmp_path: Path) -> None:
    planes = {name: np.full((2, 2), 0.5, np.float16) for name in "RGBA"}
    header = {"dataWindow": window(1, 1, 2, 2), "displayWindow": window(0, 0, 3, 3)}
    path = write(tmp_path / "x.exr", planes, **header)
    alpha = decode(path, LIGHT).texture.alpha
    assert alpha is not None
    assert alpha[0, 0].tolist() == [0, 0, 0, 0] and alpha[0, 1].tolist() == [0, 0.5, 0.5, 0]
    assert decode(path, NORMAL).texture.data[:, 0, 0].tolist() == [0, 0, 1]


@pytest.mark.parametrize(("left", "top"), [(60, 0), (-60, 0), (0, 60), (0, -60), (60, 60)])
def test_pixels_beside_the_picture_are_flagged(left: int, top: int, tmp_path: Path) -> None:
    header = {"dataWindow": window(left, top, left + 29, top + 39), "displayWindow": window(0, 0, 49, 49)}
    decoded = decode(write(tmp_path / "x.exr", {"RGB": RGB}, **header), LIGHT)
    assert not decoded.texture.data.any()
    assert decoded.flags == ("shows nothing: its pixels lie beside its display window",)


def test_a_display_window_that_lies_makes_no_room(tmp_path: Path) -> None:
    path = write(tmp_path / "x.exr", {"RGB": RGB}, displayWindow=window(0, 0, 99999, 99999))
    with pytest.raises(SourceError, match="declares 100000×100000 pixels"):
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


XYZ = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)


@pytest.mark.parametrize(("primaries", "light", "wanted"), [
    (XYZ, (0.9505, 1, 1.0891), (1, 1, 1)),  # IEC 61966-2-1: D65, and red
    (XYZ, (0.4124, 0.2126, 0.0193), (1, 0, 0)),
    (BT2020, (1, 1, 1), (1, 1, 1)),
    (BT2020, (1, 0, 0), (1.6605, -0.1246, -0.0182)),  # ITU-R BT.2407, the inverse of its equation (1)
    (BT2020, (0, 1, 0), (-0.5876, 1.1329, -0.1006)),
    (AP1, (0, 0, 1), (-0.0834, -0.0105, 1.1518)),
])  # fmt: skip
def test_primaries_with_y_of_0_and_others_are_converted(
    primaries: tuple[float, ...], light: tuple[float, ...], wanted: tuple[float, ...], tmp_path: Path
) -> None:
    pixels = np.zeros((2, 2, 3), np.float32) + np.float32(light)
    data = decode(write(tmp_path / "x.exr", {"RGB": pixels}, chromaticities=primaries), LIGHT).texture.data
    torch.testing.assert_close(data[:, 0, 0], torch.tensor(wanted, dtype=torch.float32), atol=2e-3, rtol=0)


@pytest.mark.parametrize("primaries", [
    (0.0,) * 8,
    (0.3, 0.3, 0.4, 0.4, 0.5, 0.5, 0.3127, 0.329),
    (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3, 0.0),
    (float("nan"),) * 8,
])  # fmt: skip
def test_primaries_that_span_no_color_are_named_where_color_is_wanted(
    primaries: tuple[float, ...], tmp_path: Path
) -> None:
    path = write(tmp_path / "x.exr", {"RGB": RGB}, chromaticities=primaries)
    with pytest.raises(SourceError, match=r"x\.exr: has primaries that span no colors; .* `profile: srgb`"):
        decode(path, LIGHT)
    assert decode(path, NORMAL).flags == ()
    decoded = decode(path, LIGHT, Reading(profile="srgb"))
    assert torch.equal(decoded.texture.data, torch.from_numpy(RGB).permute(2, 0, 1))
    assert decoded.flags == ("says in which color space it is, which `profile: srgb` ignores",)


def test_whole_numbers_that_floats_do_not_hold_are_flagged(tmp_path: Path) -> None:
    for value, flagged in ((2**24, False), (2**24 + 1, True)):
        path = write(tmp_path / "x.exr", {"Y": np.full((2, 2), value, np.uint32)})
        assert bool(decode(path, ID).flags) == flagged


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
    with pytest.raises(SourceError, match="has several layers"):
        decode(tmp_path / "x.exr", LIGHT)
    with pytest.raises(SourceError, match="is damaged"):
        decode(tmp_path / "x.exr", LIGHT, Reading(layer="one"))


def test_tiles_are_read(tmp_path: Path) -> None:
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    header = {"type": OpenEXR.tiledimage, "tiles": tiles}
    OpenEXR.File(header, {"RGB": RGB}).write(str(tmp_path / "x.exr"))
    assert torch.equal(decode(tmp_path / "x.exr", LIGHT).texture.data, torch.from_numpy(RGB).permute(2, 0, 1))


@pytest.mark.parametrize("levels", [
    OpenEXR.LevelMode.ONE_LEVEL, OpenEXR.LevelMode.MIPMAP_LEVELS, OpenEXR.LevelMode.RIPMAP_LEVELS,
])  # fmt: skip
@pytest.mark.parametrize("rounding", [OpenEXR.LevelRoundingMode.ROUND_DOWN, OpenEXR.LevelRoundingMode.ROUND_UP])
def test_tiles_of_every_kind_are_counted(
    levels: Any, rounding: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiles = OpenEXR.TileDescription()
    tiles.xSize, tiles.ySize, tiles.mode, tiles.roundingMode = 16, 8, levels, rounding
    header = {"type": OpenEXR.tiledimage, "tiles": tiles}
    OpenEXR.File(header, {"RGB": RGB}).write(str(tmp_path / "x.exr"))
    content = (tmp_path / "x.exr").read_bytes()
    exr_chunks.check(content)
    for kept in range(8, len(content), len(content) // 9):
        (tmp_path / "y.exr").write_bytes(content[:kept])
        with pytest.raises(SourceError, match=r"y\.exr: is cut off"):
            decode(tmp_path / "y.exr", LIGHT)
    assert capfd.readouterr() == ("", "")


def test_what_the_library_prints_reaches_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    smooth = np.zeros((400, 300, 3), np.float32) + np.linspace(0, 1, 300, dtype=np.float32)[:, None]
    path = write(tmp_path / "x.exr", {"RGB": smooth}, compression=OpenEXR.ZIP_COMPRESSION)
    content = bytearray(path.read_bytes())
    content[-100:] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.exr: is damaged"):
        decode(path, LIGHT)
    assert capfd.readouterr().out == ""


def test_a_header_that_lies_is_refused_before_pixels_are_made(tmp_path: Path) -> None:
    path = write(tmp_path / "x.exr", {"RGB": RGB})
    true, false = struct.pack("<4i", 0, 0, 29, 39), struct.pack("<4i", 0, 0, 59999, 59999)
    path.write_bytes(path.read_bytes().replace(true, false))
    with pytest.raises(SourceError, match="declares 60000×60000 pixels"):
        decode(path, LIGHT)
