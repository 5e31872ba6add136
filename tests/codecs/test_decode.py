"""Files become textures: every format, every depth, and no bad file passes."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
import torch
from odd_files import matrix_profile
from PIL import Image, ImageCms

from assetforge.codecs.decode import Reading, decode
from assetforge.codecs.read import read
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_decode

COLOR, ROUGHNESS, NORMAL, HEIGHT = (MAPS[name] for name in ("base_color", "roughness", "normal", "height"))
RNG = np.random.default_rng(0)
RGB8 = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
RGBA8 = RNG.integers(0, 256, (12, 17, 4), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (12, 17, 3), dtype=np.uint16)


def expected(pixels: np.ndarray) -> torch.Tensor:
    top = np.iinfo(pixels.dtype).max
    return srgb_decode(torch.from_numpy(pixels.astype(np.float32) / top).permute(2, 0, 1))


def assert_color(path: Path, pixels: np.ndarray, atol: float = 1e-6) -> None:
    decoded = decode(path, COLOR)
    torch.testing.assert_close(decoded.texture.data, expected(pixels[:, :, :3]), atol=atol, rtol=0)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tga", ".tiff"])
def test_eight_bit_color_with_alpha_is_exact(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    Image.fromarray(RGBA8).save(path, **({"lossless": True, "exact": True} if suffix == ".webp" else {}))
    assert_color(path, RGBA8)
    decoded = decode(path, COLOR)
    assert decoded.depth == "8"
    alpha = decoded.texture.alpha
    assert alpha is not None
    torch.testing.assert_close(alpha[0], torch.from_numpy(RGBA8[:, :, 3] / np.float32(255)))


def test_sixteen_bit_color_is_not_reduced_to_eight(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), RGB16[:, :, ::-1])
    assert_color(path, RGB16)
    assert decode(path, COLOR).depth == "16"
    tifffile.imwrite(tmp_path / "x.tif", RGB16, photometric="rgb", compression="lzw", byteorder=">")
    assert_color(tmp_path / "x.tif", RGB16)


def test_sixteen_bit_gray_with_alpha_survives(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">4H", 1000, 65535, 40000, 30000) for _ in range(2))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 2, 2, 16, 4, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(content)
    decoded = decode(tmp_path / "x.png", HEIGHT, Reading())
    torch.testing.assert_close(decoded.texture.data[0, 0], torch.tensor([1000, 40000]) / 65535)
    alpha = decode(tmp_path / "x.png", HEIGHT, Reading(channel="a")).texture.data
    torch.testing.assert_close(alpha[0, 0], torch.tensor([65535, 30000]) / 65535)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_png_shows_what_pillow_shows(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(RGBA8 if mode in ("LA", "RGBA") else RGB8).convert(mode)
    image.save(tmp_path / "x.png")
    assert_color(tmp_path / "x.png", np.asarray(image.convert("RGB")))


def test_a_transparent_palette_gives_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(RGB8).quantize(8)
    image.save(tmp_path / "x.png", transparency=bytes([0, 128] + [255] * 6))
    alpha = decode(tmp_path / "x.png", COLOR).texture.alpha
    assert alpha is not None
    assert {round(value * 255) for value in alpha.unique().tolist()} == {0, 128, 255}


def test_jpeg_gray_and_cmyk_are_color(tmp_path: Path) -> None:
    flat = Image.new("RGB", (16, 16), (200, 80, 40))
    flat.convert("L").save(tmp_path / "gray.jpg", quality=100)
    flat.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    gray = decode(tmp_path / "gray.jpg", COLOR).texture.data
    assert torch.equal(gray[0], gray[2])
    assert_color(tmp_path / "cmyk.jpg", np.broadcast_to(np.uint8([200, 80, 40]), (16, 16, 3)), atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_exif_orientation_is_applied(orientation: int, suffix: str, tmp_path: Path) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16], pixels[:8, 16:], pixels[8:, :16] = 240, 160, 80
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, quality=100)
    from PIL import ImageOps

    with Image.open(path) as image:
        turned = np.asarray(ImageOps.exif_transpose(image))
    assert_color(path, turned, atol=1e-3)


def profile(name: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


# Adobe RGB (1998), adapted to D50.
ADOBE = matrix_profile(
    2.19921875, [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
)


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    Image.fromarray(RGB8).save(tmp_path / "x.png", icc_profile=profile("sRGB"))
    assert_color(tmp_path / "x.png", RGB8, atol=1e-3)


def test_a_wide_profile_is_converted_as_littlecms_does(tmp_path: Path) -> None:
    muted = (RGB8 // 5 + 100).astype(np.uint8)  # inside sRGB, where littleCMS does not clip
    image = Image.fromarray(muted)
    image.save(tmp_path / "x.png", icc_profile=ADOBE)
    source = ImageCms.ImageCmsProfile(io.BytesIO(ADOBE))
    reference = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), renderingIntent=1)
    assert_color(tmp_path / "x.png", np.asarray(reference), atol=0.01)
    assert (decode(tmp_path / "x.png", COLOR).texture.data - expected(muted)).abs().max() > 0.02


def test_a_wide_profile_on_sixteen_bits_keeps_them(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", RGB16, photometric="rgb", iccprofile=ADOBE)
    decoded = decode(tmp_path / "x.tif", COLOR)
    assert decoded.depth == "16"
    assert len(decoded.texture.data.unique()) > 500


def test_profiles_of_data_are_ignored_and_broken_ones_named(tmp_path: Path) -> None:
    Image.fromarray(RGB8[:, :, 0]).save(tmp_path / "x.png", icc_profile=b"nonsense")
    torch.testing.assert_close(
        decode(tmp_path / "x.png", ROUGHNESS).texture.data[0], torch.from_numpy(RGB8[:, :, 0] / np.float32(255))
    )
    Image.fromarray(RGB8).save(tmp_path / "y.png", icc_profile=b"nonsense")
    with pytest.raises(SourceError, match=r"y\.png: has a broken color profile; remove it"):
        decode(tmp_path / "y.png", COLOR)


def test_float_files_are_linear(tmp_path: Path) -> None:
    light = RNG.random((9, 11, 3), np.float32) * 4
    tifffile.imwrite(tmp_path / "x.tif", light, photometric="rgb")
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": light}).write(str(tmp_path / "x.exr"))
    cv2.imwrite(str(tmp_path / "x.hdr"), light[:, :, ::-1])
    truth = torch.from_numpy(light).permute(2, 0, 1)
    for name, tolerance in (("x.tif", 0), ("x.exr", 0), ("x.hdr", 4 / 128)):
        decoded = decode(tmp_path / name, MAPS["emission"])
        assert decoded.depth == "float"
        torch.testing.assert_close(decoded.texture.data, truth, atol=tolerance, rtol=0)


def test_layers_and_parts_of_openexr_are_found_by_name(tmp_path: Path) -> None:
    rgb, rough = RNG.random((5, 6, 3), np.float32).astype(np.float16), RNG.random((5, 6), np.float32)
    layered = {"albedo.R": rgb[:, :, 0], "albedo.G": rgb[:, :, 1], "albedo.B": rgb[:, :, 2], "rough.Y": rough}
    channels = {name: np.ascontiguousarray(pixels) for name, pixels in layered.items()}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(tmp_path / "layers.exr"))
    parts = [OpenEXR.Part({}, {"Y": rough}, "rough"), OpenEXR.Part({}, {"RGB": np.ascontiguousarray(rgb)}, "albedo")]
    OpenEXR.File(parts).write(str(tmp_path / "parts.exr"))
    for name in ("layers.exr", "parts.exr"):
        color = decode(tmp_path / name, COLOR, Reading(layer="albedo"))
        assert color.depth == "half"
        torch.testing.assert_close(color.texture.data, torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1))
        torch.testing.assert_close(
            decode(tmp_path / name, ROUGHNESS, Reading(layer="rough")).texture.data[0], torch.from_numpy(rough)
        )
        with pytest.raises(SourceError, match="has no layer 'x'; it has: "):
            decode(tmp_path / name, COLOR, Reading(layer="x"))
        with pytest.raises(SourceError, match="has several layers"):
            decode(tmp_path / name, COLOR)


def test_acescg_chromaticities_are_converted(tmp_path: Path) -> None:
    ap1 = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
    white = np.ones((2, 2, 3), np.float32)
    OpenEXR.File({"type": OpenEXR.scanlineimage, "chromaticities": ap1}, {"RGB": white}).write(str(tmp_path / "x.exr"))
    torch.testing.assert_close(decode(tmp_path / "x.exr", COLOR).texture.data, torch.ones(3, 2, 2), atol=1e-4, rtol=0)
    red = white * np.float32([1, 0, 0])
    OpenEXR.File({"type": OpenEXR.scanlineimage, "chromaticities": ap1}, {"RGB": red}).write(str(tmp_path / "y.exr"))
    converted = decode(tmp_path / "y.exr", COLOR).texture.data[:, 0, 0]
    torch.testing.assert_close(converted, torch.tensor([1.7051, -0.1302, -0.0240]), atol=2e-3, rtol=0)


def test_premultiplied_tiff_becomes_straight(tmp_path: Path) -> None:
    straight = np.full((4, 4, 4), 128, np.uint8)
    straight[:, :, 0] = 200
    premultiplied = straight.copy()
    premultiplied[:, :, :3] = np.rint(straight[:, :, :3] * (128 / 255))
    tifffile.imwrite(tmp_path / "x.tif", premultiplied, photometric="rgb", extrasamples=["assocalpha"])
    assert_color(tmp_path / "x.tif", straight, atol=0.01)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_light_without_alpha_in_premultiplied_tiff_stays(kind: type, tmp_path: Path) -> None:
    """Glow that is added to what lies below has color and no alpha: it is not divided by that."""
    top = 1 if kind is np.float32 else np.iinfo(kind).max
    glow = np.full((4, 4, 4), (top // 5 if top > 1 else 0.2, 0, 0, 0)).astype(kind)
    tifffile.imwrite(tmp_path / "x.tif", glow, photometric="rgb", extrasamples=["assocalpha"])
    assert np.array_equal(read((tmp_path / "x.tif").read_bytes(), ".tif").pixels, glow)


def test_normals_are_unit_and_up(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 3), (190, 235, 200), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    up = decode(tmp_path / "x.png", NORMAL).texture.data
    down = decode(tmp_path / "x.png", NORMAL, Reading(green="down")).texture.data
    torch.testing.assert_close(up.norm(dim=0), torch.ones(4, 4))
    assert up[1, 0, 0] > 0.6
    torch.testing.assert_close(down[1], -up[1])


def test_a_packed_file_needs_a_channel(tmp_path: Path) -> None:
    Image.fromarray(RGB8).save(tmp_path / "orm.png")
    green = decode(tmp_path / "orm.png", ROUGHNESS, Reading(channel="g")).texture.data
    torch.testing.assert_close(green[0], torch.from_numpy(RGB8[:, :, 1] / np.float32(255)))
    with pytest.raises(
        SourceError, match=r"orm\.png: has 3 different channels where roughness has one; write `channel"
    ):
        decode(tmp_path / "orm.png", ROUGHNESS)
    with pytest.raises(SourceError, match="has no alpha channel"):
        decode(tmp_path / "orm.png", ROUGHNESS, Reading(channel="a"))
    Image.fromarray(RGB8[:, :, 0]).save(tmp_path / "gray.png")
    with pytest.raises(SourceError, match="has 1 channels where normal has 3"):
        decode(tmp_path / "gray.png", NORMAL)


def test_ids_stay_whole_numbers(tmp_path: Path) -> None:
    Image.fromarray(RGB8[:, :, 0]).save(tmp_path / "id.png")
    assert torch.equal(decode(tmp_path / "id.png", MAPS["id"]).texture.data[0], torch.from_numpy(RGB8[:, :, 0]).float())


def good_files(folder: Path) -> dict[str, Path]:
    large = np.ascontiguousarray(np.tile(RGB8, (8, 8, 1)))
    for suffix in ("png", "jpg", "webp", "tga"):
        Image.fromarray(large).save(folder / f"x.{suffix}", **({"compression": "tga_rle"} if suffix == "tga" else {}))
    tifffile.imwrite(folder / "x.tif", large, photometric="rgb", compression="zlib")
    cv2.imwrite(str(folder / "x.hdr"), large.astype(np.float32))
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": large.astype(np.float32)}).write(str(folder / "x.exr"))
    return {path.suffix: path for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tga", ".tif", ".hdr", ".exr"])
@pytest.mark.parametrize("kept", [0.95, 0.5, 0.02])
def test_a_truncated_file_is_refused(suffix: str, kept: float, tmp_path: Path) -> None:
    path = good_files(tmp_path)[suffix]
    decode(path, MAPS["emission"])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SourceError, match=f"{path}: "):
        decode(path, MAPS["emission"])


def test_a_flipped_bit_in_a_png_is_noticed(tmp_path: Path) -> None:
    path = good_files(tmp_path)[".png"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.png: is damaged: the checksum of a IDAT chunk is wrong"):
        decode(path, COLOR)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"this is no picture", "is not a PNG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git-LFS pointer"),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60000, 60000, 8, 2, 0, 0, 0)
         + struct.pack(">I", zlib.crc32(struct.pack(">4sIIBBBBB", b"IHDR", 60000, 60000, 8, 2, 0, 0, 0))),
         "declares 60000×60000 pixels"),
    ],
)  # fmt: skip
def test_a_file_that_lies_is_named(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "foo.png"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"textures/foo\.png: " + expected):
        decode(path, COLOR, name="textures/foo.png")


def test_content_counts_and_not_the_ending(tmp_path: Path) -> None:
    Image.fromarray(RGB8).save(tmp_path / "x.tga", "PNG")
    assert_color(tmp_path / "x.tga", RGB8)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    light = np.ones((3, 3, 3), np.float32)
    light[1, 1, 1] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", light, photometric="rgb")
    with pytest.raises(SourceError, match="has 1 values that are not finite"):
        decode(tmp_path / "x.tif", COLOR)


def test_real_materials_decode(data: Path) -> None:
    names = {"albedo": COLOR, "normal": NORMAL, "roughness": ROUGHNESS, "height": HEIGHT, "metallic": MAPS["metalness"]}
    seen = 0
    for folder in sorted((data / "materials").iterdir())[::4]:
        for name, spec in names.items():
            for path in folder.glob(f"{name}.*"):
                decoded = decode(path, spec)
                assert decoded.texture.channels == spec.channels
                seen += 1
    assert seen > 20
    assert decode(data / "materials" / "Bricks075B" / "height.png", HEIGHT).depth == "16"
