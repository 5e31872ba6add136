"""Words for formats, their options, and what each holds."""

from __future__ import annotations

from typing import Any

import pytest

from assetforge.codecs import formats
from assetforge.codecs.formats import FORMATS, Format, parse, unsuited
from assetforge.codecs.starts import STARTS
from assetforge.material.map_spec import MAPS, MapSpec

PACK = MapSpec("pack", 4, "data", (0.0, 1.0), (0.0,) * 4, "Four numbers.")


@pytest.mark.parametrize(("known", "name"), [
    (Format("jpg"), "jpg"),
    (Format("jpg", quality=85), "jpg quality 85"),
    (Format("jpg", "8", quality=85), "jpg quality 85"),
    (Format("webp", quality=1), "webp quality 1"),
    (Format("png", "16", effort=9), "png16 effort 9"),
    (Format("tiff", effort=0), "tiff effort 0"),
])  # fmt: skip
def test_options_are_in_the_name(known: Format, name: str) -> None:
    assert known.name == name


def test_a_depth_that_is_resolved_keeps_the_options() -> None:
    assert Format("png", effort=7).resolve("16", MAPS["height"]) == Format("png", "16", effort=7)
    assert Format("webp", quality=7).resolve(None, MAPS["height"]) == Format("webp", "8", quality=7)


def test_words_have_no_options() -> None:
    assert all(parse(word).quality is None and parse(word).effort is None for word in FORMATS)
    assert all(parse(word).name == word for word in FORMATS)


@pytest.mark.parametrize(("options", "expected"), [
    ({"container": "png", "quality": 85}, "png has no quality; jpg and webp have"),
    ({"container": "jpg", "effort": 5}, "jpg has no effort; png and tiff and ktx2 have"),
    ({"container": "jpg", "quality": 0}, "quality 0 of jpg does not exist; write 1 to 100"),
    ({"container": "webp", "quality": 101}, "quality 101 of webp does not exist; write 1 to 100"),
    ({"container": "png", "effort": 10}, "effort 10 of png does not exist; write 0 to 9"),
])  # fmt: skip
def test_options_that_do_not_exist_are_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Format(**options)


@pytest.mark.parametrize(("spec", "known", "expected"), [
    (MAPS["id"], Format("jpg"), "jpg does not keep numbers exactly, as id needs; write png, tiff or exr"),
    (MAPS["id"], Format("hdr"), "hdr does not keep numbers exactly"),
    (MAPS["id"], Format("webp", quality=90), "webp quality 90 does not keep numbers exactly"),
    (MAPS["normal"], Format("hdr"), "hdr holds no negative numbers, as normal has; write exr"),
    (PACK, Format("jpg"), "jpg does not hold the 4 channels of pack; write 1 or 3"),
    (PACK, Format("png"), ""),
    (MAPS["id"], Format("webp"), ""),
    (MAPS["normal"], Format("jpg"), ""),
    (MAPS["base_color"], Format("hdr"), ""),
])  # fmt: skip
def test_what_holds_no_map_of_a_kind_is_known_without_pixels(spec: MapSpec, known: Format, expected: str) -> None:
    assert unsuited(spec, known).startswith(expected)
    assert bool(unsuited(spec, known)) == bool(expected)


def test_everything_that_is_read_is_listed_once() -> None:
    assert {*STARTS, "TGA"} == set(formats.READABLE)
    assert len(set(formats.READABLE)) == len(formats.READABLE)
