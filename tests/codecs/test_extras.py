"""HEIF and DNG are read where their packages are installed, and elsewhere an error says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from assetforge.codecs.decode import decode
from assetforge.codecs.raster import Pixels
from assetforge.codecs.read import kind_of
from assetforge.codecs.transparency import has_transparency
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_encode

HEIF_START = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def write_heif(path: Path, pixels: Pixels, **options: object) -> Path:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(pixels)).save(path, quality=95, **options)
    return path


def smooth(height: int = 48, width: int = 64) -> Pixels:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3, y * 4, (x + y) * 2], 2).astype(np.uint8)


def write_dng(path: Path, level: int = 30000) -> Path:
    """Write a raw photograph of one gray, with a brighter first quarter: a mosaic of 16 bits, as DNG 1.4 has it."""
    mosaic = np.full((64, 96), level, np.uint16)
    mosaic[:32, :48] = level * 2
    unit = [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)]
    matrix = [number for pair in unit for number in pair]
    tags = [
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, "s", 0, "Sensor", True),  # UniqueCameraModel
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, (0, 1, 1, 2), True),  # CFAPattern
        (50717, "I", 1, 65535, True),  # WhiteLevel
        (50721, "2i", 9, matrix, True),  # ColorMatrix1
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1
    ]
    tifffile.imwrite(path, mosaic, photometric="cfa", extratags=tags, metadata=None, subfiletype=0)
    return path


@pytest.mark.parametrize(("name", "package"), [("shot.heic", "pillow-heif"), ("shot.dng", "rawpy")])
def test_without_its_package_an_error_says_what_to_install(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package.replace("-", "_"), None)
    content = HEIF_START if name.endswith("heic") else b"II*\0" + bytes(60)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"needs the package {package}; run `pip install 'assetforge\[photos\]'`"):
        decode(tmp_path / name, MAPS["flash"])


def test_kinds_are_told_by_their_content() -> None:
    assert kind_of(HEIF_START, ".jpg") == "HEIF"
    assert kind_of(b"MM\0*" + bytes(60), ".DNG") == "DNG"
    assert kind_of(b"MM\0*" + bytes(60), ".tif") == "TIFF"


def test_heif_is_read_with_its_camera(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # which says nothing here: a HEIF file turns its pixels by itself
    exif.get_ifd(0x8769).update({0xA405: 26, 0x8827: 100})
    path = write_heif(tmp_path / "shot.heic", smooth(), exif=exif.tobytes())
    texture = decode(path, MAPS["guide"]).texture
    assert texture.camera is not None
    assert (texture.camera.focal_35mm, texture.camera.iso) == (26, 100)
    assert texture.size in ((48, 64), (64, 48))
    upright = texture.data if texture.size == (48, 64) else texture.data.rot90(1, (1, 2))
    shown = srgb_encode(upright).permute(1, 2, 0).numpy() * 255
    assert np.abs(shown - smooth()).mean() < 3
    assert not has_transparency(path)


def test_a_damaged_heif_is_told(tmp_path: Path) -> None:
    path = write_heif(tmp_path / "shot.heic", smooth())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match="damaged"):
        decode(path, MAPS["flash"])


def test_dng_is_developed_to_linear_light(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    decoded = decode(write_dng(tmp_path / "shot.dng"), MAPS["flash"])
    light = decoded.texture.data
    assert decoded.depth == "float"
    assert light.shape == (3, 64, 96)
    bright, dark = light[:, 8:24, 8:40].mean((1, 2)), light[:, 40:56, 56:88].mean((1, 2))
    assert (bright / dark).tolist() == pytest.approx([2, 2, 2], rel=0.02)
    assert dark.tolist() == pytest.approx([dark.mean().item()] * 3, rel=0.02)


def test_a_damaged_dng_is_told(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    (tmp_path / "shot.dng").write_bytes(b"II*\0" + bytes(60))
    with pytest.raises(SourceError, match="damaged"):
        decode(tmp_path / "shot.dng", MAPS["flash"])
