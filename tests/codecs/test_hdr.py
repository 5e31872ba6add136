"""Radiance HDR: what its header may say, and files that are cut off."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from assetforge.codecs import hdr
from assetforge.codecs.decode import decode
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS

LIGHT = MAPS["emission"]
HEADER = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 4 +X 5\n"
FLAT = bytes([128, 64, 32, 129]) * 20


def test_flat_pixels_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.hdr").write_bytes(HEADER + FLAT)
    assert decode(tmp_path / "x.hdr", LIGHT).texture.data[:, 3, 4].tolist() == [1, 0.5, 0.25]


@pytest.mark.parametrize(("old", "new", "expected"), [
    (b"rgbe", b"xyze", "is not of RGB pixels"),
    (b"FORMAT=32-bit_rle_rgbe\n", b"", "is not of RGB pixels"),
    (b"-Y 4", b"+Y 4", "is stored turned or mirrored"),
    (b"-Y 4 +X 5", b"", "its header gives no size"),
    (b"-Y 4 +X 5", b"-Y 60000 +X 60000", "declares 60000×60000 pixels"),
])  # fmt: skip
def test_headers_that_change_the_meaning_are_refused(
    old: bytes, new: bytes, expected: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.hdr").write_bytes(HEADER.replace(old, new) + FLAT)
    with pytest.raises(SourceError, match=rf"x\.hdr: .*{expected}"):
        decode(tmp_path / "x.hdr", LIGHT)
    assert capfd.readouterr() == ("", "")


def test_primaries_of_the_header_are_converted_and_nonsense_is_not(tmp_path: Path) -> None:
    wide = b"PRIMARIES=0.708 0.292 0.170 0.797 0.131 0.046 0.3127 0.3290\n"  # ITU-R BT.2020
    for line, wanted in ((wide, 1.6605), (b"PRIMARIES=0 0 0 0 0 0 0 0\n", 1), (b"PRIMARIES=red\n", 1)):
        content = HEADER.replace(b"FORMAT", line + b"FORMAT") + bytes([128, 0, 0, 129]) * 20
        (tmp_path / "x.hdr").write_bytes(content)
        assert decode(tmp_path / "x.hdr", LIGHT).texture.data[0, 0, 0].item() == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize(("light", "wanted"), [
    ((-0.5, 0.5, 0.7), (0, 0.5, 179 / 256)),
    ((-1, -2, -3), (0, 0, 0)),
    ((0.9999, 0.1, 0.0), (1, 13 / 128, 0)),  # the brightest is rounded up, and takes the others' step along
    ((3e38, 1, 0), (hdr.LARGEST, 0, 0)),
    ((1e-38, 0, 0), (0, 0, 0)),
])  # fmt: skip
def test_light_is_rounded_to_the_nearest_and_never_turned_positive(
    light: tuple[float, ...], wanted: tuple[float, ...]
) -> None:
    """OpenCV and imagecodecs cut off what is between, and take −0.5 for 0.5."""
    written = hdr.read(hdr.write(np.full((3, 9, 3), light, np.float32))).pixels
    np.testing.assert_allclose(written[2, 8], wanted, rtol=1e-6)


@pytest.mark.parametrize("width", [5, 40])
def test_a_cut_file_is_refused_quietly(width: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    light = np.random.default_rng(0).random((30, width, 3), np.float32)
    assert cv2.imwrite(str(tmp_path / "x.hdr"), light[:, :, ::-1])
    content = (tmp_path / "x.hdr").read_bytes()
    truth = torch.from_numpy(light).permute(2, 0, 1)
    torch.testing.assert_close(decode(tmp_path / "x.hdr", LIGHT).texture.data, truth, atol=1 / 128, rtol=0)
    for kept in [*range(12, len(content), len(content) // 15), len(content) - 1]:
        (tmp_path / "x.hdr").write_bytes(content[:kept])
        with pytest.raises(SourceError, match=r"x\.hdr: is (cut off|damaged|not of RGB)"):
            decode(tmp_path / "x.hdr", LIGHT)
    assert capfd.readouterr() == ("", "")
