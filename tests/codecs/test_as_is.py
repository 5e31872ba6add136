"""Which JPEG sources are published as they are: those that a map reads without any conversion."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from odd_files import png
from PIL import Image, ImageCms

from assetforge.codecs.as_is import passes_as_is
from assetforge.codecs.formats import Format
from assetforge.codecs.reading import Reading
from assetforge.material.map_spec import MAPS, MapSpec

COLOR, ROUGHNESS, NORMAL = MAPS["base_color"], MAPS["roughness"], MAPS["normal"]
JPG = Format("jpg", "8")
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def jpeg(mode: str = "RGB", orientation: int = 1, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, "JPEG", exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize(("content", "spec", "reading", "output"), [
    (jpeg(), COLOR, Reading(), JPG),
    (jpeg("L"), COLOR, Reading(), JPG),
    (jpeg("L"), ROUGHNESS, Reading(), JPG),
    (jpeg(), NORMAL, Reading(), JPG),
    (jpeg(), COLOR, Reading(channel="rgb"), JPG),
    (jpeg(quality=30, progressive=True), COLOR, Reading(), JPG),
    (jpeg(icc_profile=SRGB), COLOR, Reading(), JPG),
    (jpeg(icc_profile=LAB), NORMAL, Reading(), JPG),
])  # fmt: skip
def test_what_needs_no_conversion_passes(content: bytes, spec: MapSpec, reading: Reading, output: Format) -> None:
    assert passes_as_is(content, spec, reading, output)


@pytest.mark.parametrize(("content", "spec", "reading", "output"), [
    (jpeg(), COLOR, Reading(), Format("jpg", "8", quality=95)),
    (jpeg(), COLOR, Reading(), Format("png", "8")),
    (png((1, 1, 8, 2), bytes(4)), COLOR, Reading(), JPG),
    (jpeg(), ROUGHNESS, Reading(channel="g"), JPG),
    (jpeg(), NORMAL, Reading("down"), JPG),
    (jpeg(orientation=6), COLOR, Reading(), JPG),
    (jpeg("CMYK"), COLOR, Reading(), JPG),
    (jpeg(icc_profile=LAB), COLOR, Reading(), JPG),
    (jpeg(icc_profile=LAB), COLOR, Reading(profile="srgb"), JPG),
    (jpeg(icc_profile=b"nonsense"), COLOR, Reading(profile="srgb"), JPG),
    (b"no picture", COLOR, Reading(), JPG),
    (jpeg()[:30], COLOR, Reading(), JPG),
])  # fmt: skip
def test_what_is_converted_does_not(content: bytes, spec: MapSpec, reading: Reading, output: Format) -> None:
    assert not passes_as_is(content, spec, reading, output)


def test_green_passes_where_the_output_wants_it_so() -> None:
    assert passes_as_is(jpeg(), NORMAL, Reading("down"), JPG, "down")
    assert not passes_as_is(jpeg(), NORMAL, Reading("up"), JPG, "down")
    assert passes_as_is(jpeg(), COLOR, Reading("up"), JPG, "down")
