"""Whether a source is transparent is told without its pixels where its header can tell, and as decoding finds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import tifffile
from odd_files import Bmp, Psd, bmp_rows, layer_count, png, png_chunk
from PIL import Image

from assetforge.codecs.decode import decode
from assetforge.codecs.reading import Reading
from assetforge.codecs.transparency import has_transparency
from assetforge.errors import AccessError, SourceError
from assetforge.material.map_spec import MAPS

COLOR = MAPS["base_color"]
RGBA = np.random.default_rng(0).integers(1, 255, (24, 32, 4), dtype=np.uint8)
OPAQUE = np.concatenate([RGBA[:, :, :3], np.full((24, 32, 1), 255, np.uint8)], 2)
MASKS = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)


def exr(path: Path, pixels: np.ndarray) -> None:
    light = (pixels / np.float32(255)).transpose(2, 0, 1)
    planes = {name: np.ascontiguousarray(plane) for name, plane in zip("RGBA", light, strict=False)}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(path))


def bmp(path: Path, pixels: np.ndarray) -> None:
    rows = bmp_rows(pixels.reshape(24, -1))
    if pixels.shape[2] == 4:
        path.write_bytes(Bmp((32, 24), 32, rows, compression=3, header=56, masks=MASKS).content)
    else:
        path.write_bytes(Bmp((32, 24), 24, rows).content)


def pillow(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path, **({"lossless": True} if path.suffix == ".webp" else {}))


def tiff(path: Path, pixels: np.ndarray) -> None:
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"] if pixels.shape[2] == 4 else None)


def psd(path: Path, pixels: np.ndarray) -> None:
    path.write_bytes(Psd(pixels.transpose(2, 0, 1), layers=layer_count(-1)).content)


WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    ".png": pillow, ".webp": pillow, ".tga": pillow, ".tif": tiff, ".bmp": bmp, ".psd": psd, ".exr": exr,
}  # fmt: skip


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_clear_somewhere_is_told_from_what_is_not(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    for pixels, wanted in ((RGBA, True), (OPAQUE, False), (RGBA[:, :, :3], False)):
        WRITERS[suffix](path, pixels)
        alpha = decode(path, COLOR).texture.alpha
        assert has_transparency(path) == wanted == (alpha is not None and bool((alpha < 1).any()))


@pytest.mark.parametrize("suffix", [*(suffix for suffix in WRITERS if suffix != ".webp"), ".jpg"])
def test_pixels_are_not_read_where_the_header_tells(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    WRITERS.get(suffix, pillow)(path, RGBA[:, :, :3])
    path.write_bytes(path.read_bytes()[:-50])
    assert not has_transparency(path)
    with pytest.raises(SourceError):
        decode(path, COLOR)


def test_colors_and_entries_that_are_clear_count(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png((2, 1, 8, 2), bytes([0, 1, 2, 3, 4, 5, 6]), png_chunk(b"tRNS", b"\0\1\0\2\0\3")))
    assert has_transparency(path)
    palette = png_chunk(b"PLTE", bytes(6)) + png_chunk(b"tRNS", b"\xff\0")
    path.write_bytes(png((2, 1, 8, 3), b"\0\0\1", palette))
    assert has_transparency(path)
    path.write_bytes(png((2, 1, 8, 3), b"\0\0\0", palette))
    assert not has_transparency(path)


@pytest.mark.parametrize("channel", ["r", "a", "rgb"])
def test_a_file_whose_alpha_is_left_out_is_opaque(channel: str, tmp_path: Path) -> None:
    Image.fromarray(RGBA).save(tmp_path / "x.png")
    assert not has_transparency(tmp_path / "x.png", Reading(channel=channel))  # type: ignore[arg-type]


def test_only_the_layer_that_is_read_counts(tmp_path: Path) -> None:
    flat = np.full((4, 4), 0.5, np.float32)
    planes = {f"{layer}.{name}": flat for layer, names in (("one", "RGB"), ("two", "RGBA")) for name in names}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(tmp_path / "x.exr"))
    assert [has_transparency(tmp_path / "x.exr", Reading(layer=layer)) for layer in ("one", "two")] == [False, True]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"textures/x\.png: cannot be read"):
        has_transparency(tmp_path / "x.png", name="textures/x.png")
    Image.fromarray(RGBA).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"x\.png: is cut off"):
        has_transparency(tmp_path / "x.png")
    (tmp_path / "y.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"y\.png: is not a PNG"):
        has_transparency(tmp_path / "y.png")


def test_neither_reading_nor_asking_imports_torch() -> None:
    for module in ("read", "transparency", "formats", "completeness"):
        command = f"import sys, assetforge.codecs.{module}; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
