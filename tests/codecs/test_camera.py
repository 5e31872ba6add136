"""What the camera said of a photograph comes with its map, and only where it can be believed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from assetforge.codecs.decode import decode
from assetforge.execute.map_io import load_maps, save_maps
from assetforge.material.camera import Camera, fov
from assetforge.material.map_spec import MAPS
from assetforge.material.material import Material
from assetforge.ops.resample import matched

PHONE = Camera(focal_35mm=26, exposure_time=1 / 60, aperture=1.8, iso=320)
TAGS = {0xA405: 26, 0x829A: IFDRational(1, 60), 0x829D: IFDRational(18, 10), 0x8827: 320}


def photograph(path: Path, tags: dict[int, object], orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update(tags)
    said = Image.Exif()
    said.load(exif.tobytes())  # without a file behind them, Pillow writes no tags of a shot into TIFF
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 255
    Image.fromarray(pixels).save(path, exif=said, **({"lossless": True} if path.suffix == ".webp" else {}))
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_the_camera_comes_with_the_photograph(tmp_path: Path, suffix: str) -> None:
    decoded = decode(photograph(tmp_path / f"shot.{suffix}", TAGS), MAPS["flash"])
    camera = decoded.texture.camera
    assert camera is not None
    assert camera.focal_35mm == 26
    assert camera.exposure_time == pytest.approx(1 / 60)
    assert camera.aperture == pytest.approx(1.8)
    assert camera.iso == 320
    assert decoded.flags == ()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_a_photograph_is_turned_as_it_was_held(tmp_path: Path, suffix: str) -> None:
    texture = decode(photograph(tmp_path / f"shot.{suffix}", TAGS, orientation=6), MAPS["guide"]).texture
    assert texture.size == (6, 4)
    assert texture.data[0].argmax() == 3  # what was on the left is on top, what was on top is on the right
    assert texture.camera is not None


def test_an_exr_tells_the_shot_by_its_standard_attributes(tmp_path: Path) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    header |= {"expTime": 0.02, "aperture": 2.8, "isoSpeed": 100.0}
    plane = np.ones((4, 6), np.float32)
    OpenEXR.File(header, {"R": plane, "G": plane, "B": plane}).write(str(tmp_path / "shot.exr"))
    camera = decode(tmp_path / "shot.exr", MAPS["flash"]).texture.camera
    assert camera is not None
    assert (camera.exposure_time, camera.aperture, camera.iso) == pytest.approx((0.02, 2.8, 100))
    assert camera.focal_35mm is None


@pytest.mark.parametrize(
    ("tags", "flag"),
    [
        ({0xA405: 60000}, "focal length is 60000 mm"),
        ({0x829A: IFDRational(1, 0)}, "exposure time is"),
        ({0x829D: IFDRational(1, 100)}, "aperture is f/0.01"),
        ({0x829A: IFDRational(100000, 1)}, "exposure time is 100000 s"),
    ],
)
def test_lies_are_left_out_and_told(tmp_path: Path, tags: dict[int, object], flag: str) -> None:
    decoded = decode(photograph(tmp_path / "shot.jpg", {0x8827: 100, **tags}), MAPS["flash"])
    assert decoded.texture.camera == Camera(iso=100)
    assert len(decoded.flags) == 1
    assert flag in decoded.flags[0]
    assert "not believed" in decoded.flags[0]
    assert decode(tmp_path / "shot.jpg", MAPS["base_color"]).flags == ()  # whom it does not concern


def test_zero_is_the_word_for_unknown(tmp_path: Path) -> None:
    decoded = decode(photograph(tmp_path / "shot.jpg", {0xA405: 0}), MAPS["flash"])
    assert decoded.texture.camera is None
    assert decoded.flags == ()


def test_a_photograph_without_exif_and_a_map_that_is_no_photograph_have_no_camera(tmp_path: Path) -> None:
    Image.new("RGB", (6, 4)).save(tmp_path / "plain.jpg")
    assert decode(tmp_path / "plain.jpg", MAPS["flash"]).texture.camera is None
    color = decode(photograph(tmp_path / "shot.jpg", TAGS), MAPS["base_color"]).texture
    assert color.camera is None


def test_a_damaged_block_says_nothing(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (6, 4)).save(file, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x87\x69")
    (tmp_path / "shot.jpg").write_bytes(file.getvalue())
    assert decode(tmp_path / "shot.jpg", MAPS["flash"]).texture.camera is None


def test_the_camera_lives_through_storing_and_resampling(tmp_path: Path) -> None:
    texture = decode(photograph(tmp_path / "shot.png", TAGS), MAPS["flash"]).texture
    save_maps(tmp_path / "kept.safetensors", {"flash": texture})
    loaded = load_maps(tmp_path / "kept.safetensors")
    assert loaded is not None
    assert loaded[0]["flash"].camera == texture.camera
    small = matched(Material("pair", {"flash": texture}), (2, 3))
    assert small["flash"].camera == texture.camera


def test_only_photographs_have_a_camera(tmp_path: Path) -> None:
    texture = decode(photograph(tmp_path / "shot.png", TAGS), MAPS["flash"]).texture
    with pytest.raises(ValueError, match="photographs alone"):
        Material("pair", {"base_color": texture})


def test_the_field_of_view_follows_from_the_focal_length() -> None:
    assert fov(Camera(focal_35mm=18)) == pytest.approx(90)
    assert fov(PHONE) == pytest.approx(69.4, abs=0.05)
    assert fov(Camera(iso=100)) is None
    assert fov(None) is None


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_camera_holds_no_impossible_number(value: float) -> None:
    with pytest.raises(ValueError, match="focal_35mm"):
        Camera(focal_35mm=value)
