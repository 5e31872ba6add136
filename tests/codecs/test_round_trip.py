"""A map that no step writes passes unchanged: what a file's numbers are decoded to, encodes to equal numbers."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from odd_files import Bmp, Psd, bmp_rows
from PIL import Image

from assetforge.codecs import hdr
from assetforge.codecs.decode import Reading, decode, for_steps
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import parse
from assetforge.codecs.read import read
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.texture import Texture

COLOR, ROUGHNESS, NORMAL, ID, FLASH, HEIGHT, EMISSION = (
    MAPS[name] for name in ("base_color", "roughness", "normal", "id", "flash", "height", "emission")
)
PACK = MapSpec("pack", 4, "data", (0.0, 1.0), (0.0,) * 4, "Four numbers.")
PAIR = MapSpec("pair", 2, "data", (0.0, 1.0), (0.0,) * 2, "Two numbers.")
RNG = np.random.default_rng(0)


def noise(channels: int, kind: Any) -> np.ndarray:
    shape = (37, 41, channels)
    if np.dtype(kind).kind == "f":
        return ((RNG.random(shape, np.float32) - 0.3) * 9).astype(kind)
    return RNG.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)


def pillow(kind: str, **options: Any) -> Callable[[np.ndarray], bytes]:
    def write(pixels: np.ndarray) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, kind, **options)
        return file.getvalue()

    return write


def tiff(pixels: np.ndarray) -> bytes:
    file, channels = io.BytesIO(), pixels.shape[2]
    options: dict[str, Any] = {"photometric": "rgb" if channels > 2 else "minisblack"}
    options["extrasamples"] = ["unassalpha"] if channels in (2, 4) else None
    options["planarconfig"] = "contig" if channels > 1 else None
    tifffile.imwrite(file, pixels.squeeze(2) if channels == 1 else pixels, **options)
    return file.getvalue()


def exr(pixels: np.ndarray) -> bytes:
    names = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    planes = {name: np.ascontiguousarray(pixels[:, :, index]) for index, name in enumerate(names)}
    with tempfile.TemporaryDirectory() as folder:
        OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(f"{folder}/x.exr")
        return Path(folder, "x.exr").read_bytes()


def png16(pixels: np.ndarray) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.png_encode(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels))


def radiance(pixels: np.ndarray) -> bytes:
    return hdr.write(pixels) if pixels.shape[2] == 3 else b""


WRITERS: Mapping[str, tuple[Callable[[np.ndarray], bytes], Any, tuple[int, ...], tuple[str, ...]]] = {
    ".png": (pillow("PNG"), np.uint8, (1, 2, 3, 4), ("png", "png8", "tiff", "tga", "webp")),
    ".png ": (png16, np.uint16, (1, 2, 3, 4), ("png", "png16", "tiff", "tiff16", "tiff32")),
    ".webp": (pillow("WebP", quality=60), np.uint8, (3, 4), ("webp", "png")),
    ".tga": (pillow("TGA"), np.uint8, (1, 2, 3, 4), ("tga", "png")),
    ".jpg": (pillow("JPEG"), np.uint8, (1, 3), ("png", "webp", "tiff")),
    ".bmp": (lambda pixels: Bmp((41, 37), 24, bmp_rows(pixels[:, :, ::-1].reshape(37, -1))).content, np.uint8, (3,),
             ("png", "tga")),
    ".psd": (lambda pixels: Psd(pixels.transpose(2, 0, 1), 3).content, np.uint16, (3, 4), ("png", "tiff16")),
    ".tif": (tiff, np.uint8, (1, 2, 3, 4), ("tiff", "tiff8", "png", "png8")),
    ".tif ": (tiff, np.uint16, (1, 2, 3, 4), ("tiff", "tiff16", "png16", "tiff32")),
    ".tif  ": (tiff, np.float32, (1, 2, 3, 4), ("tiff", "tiff32", "exr32", "exr")),
    ".tif   ": (tiff, np.float16, (1, 2, 3, 4), ("tiff", "exr16", "exr", "exr32")),
    ".exr": (exr, np.float16, (1, 2, 3, 4), ("exr", "exr16", "exr32", "tiff32")),
    ".exr ": (exr, np.float32, (1, 2, 3, 4), ("exr", "exr32", "tiff")),
    ".hdr": (radiance, np.float32, (3,), ("hdr", "exr32", "tiff")),
}  # fmt: skip


def specs_for(channels: int) -> tuple[MapSpec, ...]:
    """The maps that a file of so many channels can be read as, whole."""
    return {
        1: (ROUGHNESS, HEIGHT, COLOR, ID), 2: (PAIR, COLOR), 3: (COLOR, NORMAL, FLASH), 4: (COLOR, NORMAL, PACK),
    }[channels]  # fmt: skip


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_and_depth_passes_unchanged(suffix: str, tmp_path: Path) -> None:
    write, kind, all_channels, words = WRITERS[suffix]
    first, second = tmp_path / f"a{suffix.strip()}", tmp_path / "b"
    for channels in all_channels:
        pixels = noise(channels, kind)
        first.write_bytes(write(pixels))
        for spec in specs_for(channels):
            if (spec.kind == "id" and np.dtype(kind).kind == "f") or (spec.kind == "vector" and suffix == ".hdr"):
                continue
            once = decode(first, spec, unit=False)
            for word in words:
                output = parse(word).resolve(once.depth, spec)
                second.write_bytes(encode({spec.name: (once.texture, spec)}, output))
                again = decode(second.rename(tmp_path / f"b{output.suffix}"), spec, unit=False)
                assert_equal(again.texture, once.texture, f"{suffix} {channels} {spec.name} {word}")
                compare_files(first, tmp_path / f"b{output.suffix}", spec, once.depth == again.depth)


def assert_equal(one: Texture, other: Texture, what: str) -> None:
    assert torch.equal(one.data, other.data), what
    assert (one.alpha is None) == (other.alpha is None), what
    assert one.alpha is None or other.alpha is None or torch.equal(one.alpha, other.alpha), what


def compare_files(first: Path, second: Path, spec: MapSpec, same_depth: bool) -> None:
    """Compare the numbers in the files themselves, so that no mistake of decoding hides one of encoding."""
    one, other = (read(path.read_bytes(), path.suffix) for path in (first, second))
    if same_depth and one.color.shape == other.color.shape:
        assert np.array_equal(one.color, other.color)
    if same_depth and one.alpha is not None and other.alpha is not None and spec.kind != "data":
        assert np.array_equal(one.alpha, other.alpha)


@pytest.mark.parametrize(("kind", "word"), [(np.uint8, "png8"), (np.uint16, "png16")])
@pytest.mark.parametrize("green", ["up", "down"])
def test_normals_of_any_length_pass_unchanged_in_either_convention(
    kind: Any, word: str, green: Any, tmp_path: Path
) -> None:
    """Mean lengths in mipmaps are well below 1, and 0 where slopes cancel each other."""
    top = np.iinfo(kind).max
    pixels = noise(3, kind)
    pixels[:20] = np.rint((0.5 + (pixels[:20] / top - 0.5) * 0.1) * top).astype(kind)
    path = tmp_path / "x.png"
    path.write_bytes(png16(pixels))
    decoded = decode(path, NORMAL, Reading(green), unit=False).texture
    assert decoded.data[:, :20].norm(dim=0).max() < 0.3
    path.write_bytes(encode({"normal": (decoded, NORMAL)}, parse(word), green))
    assert np.array_equal(read(path.read_bytes(), ".png").pixels, pixels)


def test_every_sixteen_bit_code_of_a_vector_passes_unchanged(tmp_path: Path) -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = np.stack([codes, codes[::-1], codes.T], 2)
    (tmp_path / "x.png").write_bytes(png16(pixels))
    decoded = decode(tmp_path / "x.png", NORMAL, unit=False).texture
    (tmp_path / "y.png").write_bytes(encode({"normal": (decoded, NORMAL)}, parse("png16")))
    assert np.array_equal(read((tmp_path / "y.png").read_bytes(), ".png").pixels, pixels)


def test_steps_get_unit_vectors_and_alpha_from_0_to_1(tmp_path: Path) -> None:
    pixels = noise(4, np.float32)
    (tmp_path / "x.exr").write_bytes(exr(pixels))
    loose, unit = (decode(tmp_path / "x.exr", NORMAL, unit=unit).texture for unit in (False, True))
    assert torch.equal(loose.data, torch.from_numpy(pixels[:, :, :3]).permute(2, 0, 1))
    torch.testing.assert_close(unit.data.norm(dim=0), torch.ones(37, 41))
    assert loose.alpha is not None and unit.alpha is not None
    assert (loose.alpha.min() < 0, loose.alpha.max() > 1) == (True, True)
    assert (unit.alpha.min(), unit.alpha.max()) == (0, 1)
    before = loose.data.clone()
    prepared = for_steps(loose, NORMAL)
    assert_equal(prepared, unit, "later as well as at once")
    assert torch.equal(loose.data, before)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float32, (3, 4, 3), elements=FLOATS), st.sampled_from(["exr32", "tiff32"]))
def test_floats_of_any_size_pass_unchanged(pixels: np.ndarray, word: str) -> None:
    for spec in (COLOR, NORMAL):
        assert_passes(exr(pixels), ".exr", spec, word)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, (3, 4, 4)))
def test_light_of_radiance_passes_unchanged(rgbe: np.ndarray) -> None:
    rgbe[:, :, 3] = np.maximum(rgbe[:, :, 3], 40)  # less light than 1e-32 is black
    content = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 3 +X 4\n" + rgbe.tobytes()
    assert_passes(content, ".hdr", EMISSION, "hdr")


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))),
    st.sampled_from(["png", "tiff"]),
    st.sampled_from([COLOR, NORMAL, PACK]),
)
def test_integers_pass_unchanged(pixels: np.ndarray, word: str, spec: MapSpec) -> None:
    assert_passes(tiff(pixels), ".tif", spec, word)


def assert_passes(content: bytes, suffix: str, spec: MapSpec, word: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x{suffix}")
        path.write_bytes(content)
        decoded = decode(path, spec, unit=False)
    output = parse(word).resolve(decoded.depth, spec)
    written = encode({spec.name: (decoded.texture, spec)}, output)
    assert np.array_equal(read(written, output.suffix).pixels, read(content, suffix).pixels)
