"""Color profiles: every kind of curve, and those that cannot be used."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from assetforge.codecs import icc
from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import parse
from assetforge.codecs.raster import FormatError
from assetforge.codecs.read import read
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS
from assetforge.ops.color import srgb_decode

COLOR = MAPS["base_color"]
X = np.linspace(0, 1, 101)
SRGB_XYZ = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)]


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    offset, table, data = 132 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, offset + len(data), len(body))
        data += body
    head = bytearray(128)
    head[16:20], head[20:24], head[36:40] = space, b"XYZ ", b"acsp"
    return bytes(head) + struct.pack(">I", len(tags)) + table + data


def gray(curve: bytes) -> bytes:
    return profile(b"GRAY", {b"kTRC": curve})


def rgb(curve: bytes) -> bytes:
    points = [b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in xyz)) for xyz in SRGB_XYZ]
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
    return profile(b"RGB ", dict(zip(names, [*points, *[curve] * 3], strict=True)))


def para(kind: int, *values: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(f">HH{len(values)}i", kind, 0, *(round(v * 65536) for v in values))


def curv(*values: int) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *values)


A, B, C, D = 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045
SRGB = srgb_decode(torch.from_numpy(X)).numpy()


@pytest.mark.parametrize(("curve", "wanted"), [
    (curv(), X),
    (curv(round(2.2 * 256)), X ** (round(2.2 * 256) / 256)),
    (curv(0, 16384, 65535), np.interp(X, [0, 0.5, 1], [0, 16384 / 65535, 1])),
    (para(0, 1.8), X**1.8),
    (para(1, 2.0, 1.25, -0.25), np.maximum(1.25 * X - 0.25, 0) ** 2),
    (para(2, 2.0, 0.75, -0.25, 0.1), np.maximum(0.75 * X - 0.25, 0) ** 2 + 0.1),
    (para(3, 2.4, A, B, C, D), SRGB),
    (para(4, 2.4, A, B, C, D, 0.01, 0.02), SRGB + np.where(X >= D, 0.01, 0.02)),
])  # fmt: skip
def test_every_kind_of_curve_is_evaluated(curve: bytes, wanted: np.ndarray) -> None:
    parsed = icc.parse(gray(curve))
    assert parsed is not None
    np.testing.assert_allclose(parsed.curves[0](X), wanted, atol=2e-4)


@pytest.mark.parametrize("curve", [
    para(1, 2.0, 0.0, 0.5), para(9, 1.0), para(0), curv()[:10], b"curv\0\0\0\0\xff\xff\xff\xff", b"text",
    para(0, -2.0),
])  # fmt: skip
def test_broken_curves_are_named(curve: bytes) -> None:
    for content in (gray(curve), rgb(curve)):
        with pytest.raises(FormatError, match="has a broken color profile; remove it"):
            icc.parse(content)


def test_a_gray_profile_applies_to_gray_of_any_depth(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 128, np.uint8)).save(tmp_path / "x.png", icc_profile=gray(curv(256)))
    torch.testing.assert_close(decode(tmp_path / "x.png", COLOR).texture.data, torch.full((3, 2, 2), 128 / 255))
    deep = Image.fromarray(np.full((2, 2), 40000, np.uint16))
    deep.save(tmp_path / "y.png", icc_profile=gray(curv(256)))
    assert decode(tmp_path / "y.png", COLOR).texture.data[0, 0, 0].item() == pytest.approx(40000 / 65535)


def test_an_rgb_profile_on_gray_keeps_it_gray(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(np.full((2, 2), 128, np.uint8)).save(tmp_path / "x.png", icc_profile=srgb)
    wanted = srgb_decode(torch.full((3, 2, 2), 128 / 255))
    torch.testing.assert_close(decode(tmp_path / "x.png", COLOR).texture.data, wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("embedded", [
    ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    rgb(curv(*np.rint(srgb_decode(torch.linspace(0, 1, 1024)).numpy() * 65535).astype(int))),
])  # fmt: skip
def test_a_profile_of_srgb_changes_no_code(embedded: bytes, tmp_path: Path) -> None:
    """It is rounded, as all profiles are; what no step touches is written as it was read."""
    codes = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", codes, photometric="rgb", iccprofile=embedded)
    texture = decode(tmp_path / "x.tif", COLOR).texture
    assert np.array_equal(read(encode({"base_color": (texture, COLOR)}, parse("png16")), ".png").pixels, codes)


def test_a_profile_that_cannot_be_applied_is_named(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(np.full((2, 2, 3), 9, np.uint8)).save(tmp_path / "x.png", icc_profile=lab)
    with pytest.raises(SourceError, match="has a color profile that cannot be applied; convert the file to sRGB"):
        decode(tmp_path / "x.png", COLOR)
