"""Photoshop documents: the merged picture of every depth and mode, its alpha, and documents that have none."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from odd_files import Psd, layer_blocks, layer_count
from PIL import Image, ImageCms

from assetforge.codecs import psd, psd_sections
from assetforge.codecs.decode import Reading, decode
from assetforge.codecs.raster import CutOffError, FormatError
from assetforge.errors import SourceError
from assetforge.material.map_spec import MAPS

COLOR, ID = MAPS["base_color"], MAPS["id"]
RNG = np.random.default_rng(0)


def planes(channels: int, kind: type = np.uint8) -> np.ndarray:
    if kind is np.float32:
        return RNG.random((channels, 6, 9), np.float32) * 2
    noise = RNG.integers(0, np.iinfo(kind).max, (channels, 6, 9), kind, endpoint=True)
    noise[:, 2] = noise[:, 2, :1]  # a row that packs
    return noise


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("mode", "channels"), [(1, 1), (3, 3)])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_gray_and_rgb_of_every_depth(kind: type, mode: int, channels: int, large: bool, packed: bool) -> None:
    numbers = planes(channels, kind)
    raster = psd.read(Psd(numbers, mode, large=large, packed=packed).content)
    assert raster.pixels.dtype == kind
    assert np.array_equal(raster.pixels, numbers.transpose(1, 2, 0))
    assert raster.flags == ()


def test_pillow_reads_the_same(tmp_path: Path) -> None:
    content = Psd(planes(3)).content
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(np.asarray(image), psd.read(content).pixels)


def matted(straight: np.ndarray, top: float) -> np.ndarray:
    """Lay white below (4, H, W), as Photoshop does with what is clear."""
    alpha = straight[3] / top
    return np.concatenate([straight[:3] * alpha + top * (1 - alpha), straight[3:]])


@pytest.mark.parametrize(("kind", "layers"), [
    (np.uint8, layer_count(-1)),
    (np.uint16, layer_blocks((b"Patt", b"abc"), (b"Mt16", b""))),
    (np.uint16, layer_blocks((b"Lr16", struct.pack(">hh", -2, 0)))),
    (np.float32, layer_blocks((b"Mt32", b""))),
])  # fmt: skip
def test_the_white_below_a_clear_picture_is_taken_out(kind: type, layers: bytes) -> None:
    top = 1.0 if kind is np.float32 else float(np.iinfo(kind).max)
    straight = planes(4, np.float32).astype(np.float64) / 2 * top
    straight[3] = np.linspace(0.3, 1, 54).reshape(6, 9) * top
    stored = matted(straight, top)
    raster = psd.read(
        Psd(stored.astype(kind) if kind is np.float32 else np.rint(stored).astype(kind), layers=layers).content
    )
    tolerance = {np.uint8: 4, np.uint16: 4, np.float32: 1e-5}[kind]
    np.testing.assert_allclose(raster.pixels, straight.transpose(1, 2, 0), atol=tolerance)
    assert raster.flags == ()


def test_where_nothing_shows_the_white_stays() -> None:
    clear = np.full((4, 2, 2), 255, np.uint8)
    clear[3] = 0
    assert psd.read(Psd(clear, layers=layer_count(-3)).content).pixels[0, 0].tolist() == [255, 255, 255, 0]


@pytest.mark.parametrize("layers", [b"", layer_count(2), layer_blocks((b"Lr16", struct.pack(">hh", 2, 0)))])
def test_another_channel_is_alpha_as_it_is_and_flagged(layers: bytes, tmp_path: Path) -> None:
    numbers = planes(4)
    (tmp_path / "x.psd").write_bytes(Psd(numbers, layers=layers).content)
    decoded = decode(tmp_path / "x.psd", COLOR)
    assert decoded.texture.alpha is not None
    torch.testing.assert_close(decoded.texture.alpha[0], torch.from_numpy(numbers[3] / np.float32(255)))
    assert "may be a saved selection" in decoded.flags[0]
    assert decode(tmp_path / "x.psd", COLOR, Reading(channel="rgb")).texture.alpha is None
    packed = decode(tmp_path / "x.psd", MAPS["roughness"], Reading(channel="a")).texture.data
    torch.testing.assert_close(packed, decoded.texture.alpha)


def test_of_many_channels_the_first_beyond_the_colors_is_alpha() -> None:
    numbers = planes(7)
    numbers[3] = 255
    assert np.array_equal(psd.read(Psd(numbers, layers=layer_count(-1)).content).pixels, numbers[:4].transpose(1, 2, 0))


def test_indices_and_their_colors(tmp_path: Path) -> None:
    palette = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    indices = planes(1)
    document = Psd(indices, 2, colors=palette.T.tobytes(), resources={1047: struct.pack(">H", int(indices[0, 0, 0]))})
    (tmp_path / "x.psd").write_bytes(document.content)
    assert torch.equal(decode(tmp_path / "x.psd", ID).texture.data, torch.from_numpy(indices).float())
    raster = psd.read(document.content)
    assert np.array_equal(raster.pixels[:, :, :3], palette[indices[0]])
    assert np.array_equal(raster.pixels[:, :, 3] == 0, indices[0] == indices[0, 0, 0])


def test_one_bit_is_black_where_it_is_set() -> None:
    bits = RNG.integers(0, 2, (1, 3, 11), dtype=np.uint8)
    for packed in (False, True):
        raster = psd.read(Psd(bits, 0, depth=1, packed=packed).content)
        assert np.array_equal(raster.pixels[:, :, 0], np.where(bits[0] == 1, 0, 255))


def test_inks_are_converted_as_those_of_jpeg(tmp_path: Path) -> None:
    inks = np.uint8([[[0, 255], [100, 20]], [[0, 0], [50, 20]], [[0, 0], [0, 20]], [[0, 0], [30, 200]]])
    (tmp_path / "x.psd").write_bytes(Psd(255 - inks, 4).content)
    image = Image.merge("CMYK", [Image.fromarray(plane) for plane in inks]).convert("RGB")
    assert np.array_equal(psd.read((tmp_path / "x.psd").read_bytes()).pixels, np.asarray(image))
    document = Psd(255 - inks, 4, resources={1039: b"nonsense"})
    (tmp_path / "x.psd").write_bytes(document.content)
    with pytest.raises(SourceError, match=r"has a color profile that cannot be applied; .*`profile: srgb`"):
        decode(tmp_path / "x.psd", COLOR)
    decoded = decode(tmp_path / "x.psd", COLOR, Reading(profile="srgb"))
    assert decoded.flags == ("says in which color space it is, which `profile: srgb` ignores",)
    assert decoded.texture.data[:, 0, 0].tolist() == [1, 1, 1]


def test_the_profile_is_found_among_resources() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    document = Psd(planes(3), resources={1005: b"odd", 1039: profile, 1057: b"\0\0\0\1\1"})
    assert psd.read(document.content).profile == profile


def test_a_document_without_a_merged_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.psd").write_bytes(Psd(planes(3), resources={1057: b"\0\0\0\1\0abc"}).content)
    with pytest.raises(SourceError, match="has no merged picture; save it again with Photoshop's Maximize Compat"):
        decode(tmp_path / "x.psd", COLOR)


@pytest.mark.parametrize(("document", "expected"), [
    (Psd(planes(3), 9), "holds Lab pixels; write gray or RGB"),
    (Psd(planes(3), 7), "holds multichannel pixels; write gray or RGB"),
    (Psd(planes(1), 8), "holds duotone pixels; write gray or RGB"),
    (Psd(planes(4, np.uint16), 4), "has 16 bits in this mode; write gray or RGB of 8, 16 or 32 bits"),
    (Psd(planes(2), 3), "a kind of PSD that is not read"),
    (Psd(planes(1), 2), "is cut off"),
])  # fmt: skip
def test_what_cannot_be_read_is_named(document: Psd, expected: str, tmp_path: Path) -> None:
    (tmp_path / "x.psd").write_bytes(document.content)
    with pytest.raises(SourceError, match=rf"x\.psd: .*{expected}"):
        decode(tmp_path / "x.psd", COLOR)


def test_other_packings_are_named() -> None:
    content = Psd(planes(1), 1, packed=False).content
    start = psd_sections.read_sections(io.BytesIO(content)).start
    with pytest.raises(FormatError, match="has a merged picture that is packed by ZIP"):
        psd.read(content[:start] + b"\0\3" + content[start + 2 :])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_document_is_refused(large: bool, packed: bool) -> None:
    content = Psd(planes(3), large=large, packed=packed, layers=layer_count(1, large=large)).content
    for kept in range(len(content)):
        with pytest.raises(CutOffError):
            psd.read(content[:kept])


def test_lengths_that_lie_make_no_room() -> None:
    content = bytearray(Psd(planes(3), large=True).content)
    content[34:42] = b"\x7f" * 8  # of the layers
    with pytest.raises(CutOffError):
        psd.read(bytes(content))
