"""DDS and KTX2: what is written is read by others, what others write is read, and what is damaged is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pytest
import torch
from maps.conftest import run
from PIL import Image

from assetforge.build import Build
from assetforge.codecs import ktx2
from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import FORMATS, MOBILE, parse, unsuited
from assetforge.codecs.gpu_formats import LAYOUTS
from assetforge.codecs.gpu_formats import written as layout_of
from assetforge.codecs.limits import cut_share
from assetforge.codecs.raster import FormatError
from assetforge.codecs.read import read
from assetforge.codecs.reading import Reading
from assetforge.codecs.transparency import has_transparency
from assetforge.codecs.verify import verify
from assetforge.errors import PipelineError, SourceError
from assetforge.execute.options import RunOptions
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.material.texture import Texture
from assetforge.ops.color import srgb_encode
from assetforge.samples import make_sample, write_sample

GPU = [word for word in FORMATS if word.startswith(("dds", "ktx2")) and parse(word).compression not in MOBILE]
PHONES = [word for word in FORMATS if parse(word).compression in MOBILE]
ROOT = Path(__file__).parents[2]
BRICK = make_sample("brick", 32)
PAIR = MapSpec("pair", 2, "data", (0.0, 1.0), (0.0,) * 2, "Two numbers.")
PACK = MapSpec("pack", 4, "data", (0.0, 1.0), (0.0,) * 4, "Four numbers.")
NEAR = {"bc1": 0.2, "bc3": 0.2, "bc4": 0.06, "bc5": 0.08, "bc6h": 0.12, "bc7": 0.06, "uncompressed": 0.004}
"""How far the worst of 32² pixels of a noisy sample may be off."""


def texture(name: str) -> Texture:
    """A map of 30 by 27 pixels, which no block divides."""
    spec = MAPS[name]
    if name == "id":
        data = (BRICK["roughness"].data * 9).round()
    elif name == "emission":
        data = BRICK["base_color"].data * 20
    else:
        data = BRICK[name].data
    return Texture(data[:, :27, :30].contiguous(), spec.color_space)


def written(word: str, name: str, texture: Texture, source: Any = None) -> bytes:
    spec = MAPS[name]
    output_format = parse(word).resolve(source, spec)
    content = encode({name: (texture, spec)}, output_format)
    verify(content, output_format, {name: (texture, spec)})
    return content


@pytest.mark.parametrize("word", GPU)
@pytest.mark.parametrize("name", ["base_color", "normal", "roughness", "height", "id", "emission"])
def test_what_is_written_comes_back(word: str, name: str, tmp_path: Path) -> None:
    spec, start = MAPS[name], texture(name)
    source = "float" if name == "emission" else None
    if unsuited(spec, parse(word)):
        with pytest.raises(ValueError, match=f"{word}.*write "):
            written(word, name, start)
        return
    path = tmp_path / f"x{parse(word).suffix}"
    path.write_bytes(written(word, name, start, source))
    back = decode(path, spec).texture
    assert back.alpha is None
    resolved = parse(word).resolve(source, spec)
    first, second = (srgb_encode(one.data / 20) if name == "emission" else one.data for one in (start, back))
    if not (name == "emission" and resolved.depth == "8"):  # which cuts light above 1, and is flagged
        assert (first - second).abs().max() < NEAR[resolved.compression or ""]
    if name == "id":
        assert torch.equal(back.data, start.data)


@pytest.mark.parametrize(("name", "source", "compression"), [
    ("base_color", "8", "bc7"), ("base_color", "16", "bc7"), ("emission", "half", "bc6h"), ("flash", None, "bc6h"),
    ("normal", "8", "bc5"), ("roughness", "8", "bc4"), ("height", "16", "uncompressed"), ("id", None, "uncompressed"),
])  # fmt: skip
def test_the_compression_suits_the_map(name: str, source: Any, compression: str) -> None:
    for container in ("dds", "ktx2"):
        assert parse(container).resolve(source, MAPS[name]).compression == compression
    assert parse("dds").resolve(None, PAIR).compression == "bc5"
    assert parse("dds").resolve(None, PACK).compression == "bc7"


PILLOW = [
    "dds-bc4 roughness",
    "dds-bc5 normal",
    "dds-bc6h emission",
    "dds-bc7 base_color",
    "dds-uncompressed base_color",
]


@pytest.mark.parametrize("case", PILLOW)
def test_pillow_sees_the_same_pixels(case: str) -> None:
    word, name = case.split()
    content = written(word, name, texture(name), "float" if name == "emission" and "bc6h" in word else "8")
    theirs = np.asarray(Image.open(io.BytesIO(content)))
    ours = read(content, ".dds").pixels
    if ours.dtype == np.float16:  # of which Pillow makes codes, and cuts what is above 1
        ours = np.clip(ours.astype(np.float32), 0, 1) * 255
    ours = ours / 257 if ours.dtype == np.uint16 else ours.astype(np.float32)
    channels = 2 if "normal" in name else min(3, theirs[:, :, None].shape[-1], ours.shape[2])
    theirs = theirs.reshape(*theirs.shape[:2], -1)
    assert np.abs(theirs[:, :, :channels] - ours[:, :, :channels]).max() <= 1
    assert theirs.shape[:2] == (27, 30)


class Level(NamedTuple):
    offset: int
    data: bytes


class Ktx2(NamedTuple):
    """What a KTX2 file says, as its specification lays it out."""

    vk: int
    size: tuple[int, int]
    scheme: int
    levels: list[Level]
    model: int
    transfer: int
    block: tuple[int, int]
    plane: int
    samples: list[tuple[int, int, int, int, int]]
    """Offset and length in bits, type, least and most."""
    words: dict[bytes, bytes]


def parsed(content: bytes) -> Ktx2:
    assert content[:12] == bytes.fromhex("AB4B5458203230BB0D0A1A0A")
    vk, _, width, height, depth, layers, faces, count, scheme = struct.unpack_from("<9I", content, 12)
    assert (depth, layers, faces) == (0, 0, 1)
    at, size, words_at, words_size, other, other_size = struct.unpack_from("<4I2Q", content, 48)
    assert (other, other_size) == (0, 0)
    levels = []
    for number in range(count):
        offset, length, plain = struct.unpack_from("<3Q", content, 80 + 24 * number)
        data = content[offset : offset + length]
        data = bytes(imagecodecs.zstd_decode(data)) if scheme == 2 else data
        assert len(data) == plain
        levels.append(Level(offset, data))
    total, kind, version, model, _, transfer, flags, x, y, z, w, plane = struct.unpack_from("<III4B4BB", content, at)
    assert (total, kind, version & 0xFFFF, flags, z, w) == (size, 0, 2, 0, 0, 0)
    assert version >> 16 == size - 4
    samples = []
    for place in range(at + 28, at + size, 16):
        offset, length, channel, position, low, high = struct.unpack_from("<HBBIII", content, place)
        assert position == 0
        samples.append((offset, length + 1, channel, low, high))
    return Ktx2(vk, (width, height), scheme, levels, model, transfer, (x + 1, y + 1), plane, samples,
                dict(said(content[words_at : words_at + words_size])))  # fmt: skip


def said(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    while content:
        (length,) = struct.unpack_from("<I", content)
        key, _, value = content[4 : 4 + length].partition(b"\0")
        yield key, value
        content = content[4 + length + -length % 4 :]


ALL = 0xFFFFFFFF


@pytest.mark.parametrize(("word", "name", "vk", "model", "transfer", "plane", "samples"), [
    ("ktx2-bc1", "base_color", 132, 128, 2, 8, [(0, 64, 0, 0, ALL)]),
    ("ktx2-bc3", "base_color", 138, 130, 2, 16, [(0, 64, 31, 0, ALL), (64, 64, 0, 0, ALL)]),
    ("ktx2-bc4", "roughness", 139, 131, 1, 8, [(0, 64, 0, 0, ALL)]),
    ("ktx2-bc5", "normal", 141, 132, 1, 16, [(0, 64, 0, 0, ALL), (64, 64, 1, 0, ALL)]),
    ("ktx2-bc6h", "emission", 143, 133, 1, 16, [(0, 128, 0x80, 0, 0x3F800000)]),
    ("ktx2-bc7", "base_color", 146, 134, 2, 16, [(0, 128, 0, 0, ALL)]),
    ("ktx2-bc7", "normal", 145, 134, 1, 16, [(0, 128, 0, 0, ALL)]),
    ("ktx2-uncompressed", "roughness", 9, 1, 1, 1, [(0, 8, 0, 0, 255)]),
    ("ktx2-uncompressed", "base_color", 43, 1, 2, 4, [
        (0, 8, 0, 0, 255), (8, 8, 1, 0, 255), (16, 8, 2, 0, 255), (24, 8, 31, 0, 255)]),
])  # fmt: skip
def test_ktx2_says_what_its_pixels_are(
    word: str, name: str, vk: int, model: int, transfer: int, plane: int, samples: list[tuple[int, ...]]
) -> None:
    """By the tables of Vulkan's formats and of the data format's models; 31 is alpha that stays linear."""
    file = parsed(written(word, name, texture(name), "8"))
    assert (file.vk, file.model, file.transfer, file.plane, file.samples) == (vk, model, transfer, plane, samples)
    assert file.size == (30, 27)
    assert file.block == ((1, 1) if "uncompressed" in word else (4, 4))
    assert file.words[b"KTXorientation"] == b"rd\0"
    assert (b"KTXswizzle" in file.words) == (word in ("ktx2-bc3", "ktx2-bc7") or len(samples) == 4)


def test_ktx2_keeps_levels_smallest_first_each_in_its_place() -> None:
    start = run("mips", BRICK.only("base_color"))["base_color"]
    for effort, scheme in ((0, 0), (9, 2)):
        output_format = replace(parse("ktx2-bc7"), effort=effort).resolve("8", MAPS["base_color"])
        file = parsed(encode({"base_color": (start, MAPS["base_color"])}, output_format))
        assert file.scheme == scheme
        assert [len(level.data) for level in file.levels] == [1024, 256, 64, 16, 16, 16]
        offsets = [level.offset for level in file.levels]
        assert offsets == sorted(offsets, reverse=True)
        assert scheme == 2 or all(offset % 16 == 0 for offset in offsets)
        for level, own in zip(file.levels, start.levels, strict=True):
            side = max(4, own.size[0])
            codes = np.asarray(imagecodecs.bcn_decode(level.data, 7, shape=(side, side, 4)))
            codes = codes[: own.size[0], : own.size[1]]
            wanted = (srgb_encode(own.data) * 255).permute(1, 2, 0).numpy()
            assert np.abs(codes[:, :, :3] - wanted).mean() < 3


def test_dds_keeps_levels_largest_first() -> None:
    start = run("mips", BRICK.only("roughness"))["roughness"]
    content = written("dds-bc4", "roughness", start)
    assert struct.unpack_from("<I", content, 28)[0] == 6
    assert len(content) == 148 + 8 * (64 + 16 + 4 + 1 + 1 + 1)
    last = np.asarray(imagecodecs.bcn_decode(content[-8:], 4, shape=(4, 4)))[0, 0]
    assert abs(last / 255 - start.levels[-1].data.item()) < 0.01
    alone = written("dds-bc4", "roughness", BRICK["roughness"])
    assert alone[148 : 148 + 512] == content[148 : 148 + 512]


def test_formats_without_levels_hold_the_largest_alone() -> None:
    start = BRICK["base_color"]
    assert written("png8", "base_color", run("mips", BRICK)["base_color"]) == written("png8", "base_color", start)


def test_alpha_is_kept_and_told_by_the_headers(tmp_path: Path) -> None:
    alpha = torch.linspace(0, 1, 32).expand(1, 32, 32).contiguous()
    clear = Texture(BRICK["base_color"].data, ColorSpace.LIN_REC709, alpha=alpha)
    for word in ("dds-bc3", "dds-bc7", "dds-uncompressed", "ktx2-bc3", "ktx2-bc7", "ktx2-uncompressed"):
        path = tmp_path / f"x{parse(word).suffix}"
        path.write_bytes(written(word, "base_color", clear))
        back = decode(path, MAPS["base_color"]).texture.alpha
        assert back is not None and (back - alpha).abs().max() < 0.1
        assert has_transparency(path)
        path.write_bytes(written(word, "base_color", BRICK["base_color"]))
        assert decode(path, MAPS["base_color"]).texture.alpha is None
        assert not has_transparency(path)
    for word in ("dds-bc1", "ktx2-bc6h"):
        with pytest.raises(ValueError, match=f"{word} holds no alpha"):
            written(word, "base_color", clear)


def test_normals_that_point_down_are_told() -> None:
    normal = torch.tensor([0.6, 0.0, -0.8]).view(3, 1, 1).expand(3, 8, 8).contiguous()
    down = Texture(normal, ColorSpace.NONE)
    for word, share in (("dds", 1 / 3), ("dds-bc7", 0)):
        assert cut_share(down, MAPS["normal"], parse(word).resolve(None, MAPS["normal"])) == pytest.approx(share)


def test_light_that_half_precision_cannot_hold_is_told() -> None:
    bright = Texture(torch.full((3, 8, 8), 1e6), ColorSpace.LIN_REC709)
    output_format = parse("dds").resolve("float", MAPS["emission"])
    assert cut_share(bright, MAPS["emission"], output_format) == 1
    written("dds", "emission", bright, "float")


@pytest.mark.parametrize("kind", ["DXT1", "DXT3", "DXT5"])
def test_old_files_of_four_letters_are_read(kind: str, tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    codes = np.dstack([codes, np.full((8, 12), 128 if kind != "DXT1" else 255, np.uint8)])
    Image.fromarray(codes).save(tmp_path / "x.dds", pixel_format=kind)
    ours = read((tmp_path / "x.dds").read_bytes(), ".dds").pixels
    theirs = np.asarray(Image.open(tmp_path / "x.dds"))
    assert ours.shape[2] == (3 if kind == "DXT1" else 4)
    assert np.abs(ours.astype(int) - theirs[:, :, : ours.shape[2]]).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_old_files_of_masks_are_read(channels: int, tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(0, 255, (5, 7, channels), np.uint8)
    Image.fromarray(codes.squeeze()).save(tmp_path / "x.dds")
    assert np.array_equal(read((tmp_path / "x.dds").read_bytes(), ".dds").pixels, codes)


def test_few_bits_fill_eight() -> None:
    header = bytearray(written("dds-uncompressed", "roughness", texture("roughness"))[:128])
    struct.pack_into("<II", header, 12, 1, 2)
    struct.pack_into("<8I", header, 76, 32, 0x40, 0, 16, 0xF800, 0x7E0, 0x1F, 0)
    raster = read(bytes(header) + struct.pack("<HH", 0xFFFF, 0x8400), ".dds")
    assert raster.widened and raster.pixels.tolist() == [[[255, 255, 255], [132, 130, 0]]]


def test_linear_color_of_ktx2_stays_linear(tmp_path: Path) -> None:
    """A writer that says UNORM and a linear transfer means it; `profile: srgb` takes it otherwise."""
    flat = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 4, 4).contiguous()
    content = written("ktx2-uncompressed", "normal", Texture(flat, ColorSpace.NONE), "8")
    (tmp_path / "x.ktx2").write_bytes(content)
    half, one = decode(tmp_path / "x.ktx2", MAPS["base_color"]).texture.data[[0, 2], 0, 0].tolist()
    assert (half, one) == pytest.approx((128 / 255, 1))
    srgb = decode(tmp_path / "x.ktx2", MAPS["base_color"], Reading(profile="srgb")).texture.data[0, 0, 0].item()
    assert srgb == pytest.approx(0.2158, abs=1e-3)


def seen_as(swizzle: bytes, channels: int) -> tuple[np.ndarray, bytes]:
    """Random pixels (4, 4, channels), and a file of them that says how its channels are to be seen."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, channels), np.uint8)
    content = ktx2.write([pixels], layout_of("uncompressed", "u8", channels, srgb=False, known_as="vk"), opaque=False)
    words = content.replace(b"\x15\0\0\0KTXwriter\0AssetForge\0", b"\x10\0\0\0KTXswizzle\0" + swizzle + bytes(6))
    return pixels, words


@pytest.mark.parametrize(
    ("swizzle", "channels", "places"),
    [
        (b"rrrg", 2, [0, 1]),
        (b"rrr1", 1, [0]),
        (b"bgra", 4, [2, 1, 0, 3]),
        (b"bgr1", 4, [2, 1, 0]),
        (b"rrra", 4, [0, 3]),
    ],
)
def test_channels_are_those_that_ktx2_says_are_seen(swizzle: bytes, channels: int, places: list[int]) -> None:
    """Gray and alpha are two channels that other writers mark so: they are no x and y."""
    pixels, content = seen_as(swizzle, channels)
    assert np.array_equal(read(content, ".ktx2").pixels, pixels[:, :, places])


def test_channels_that_cannot_be_seen_are_refused() -> None:
    for swizzle in (b"rgg0", b"rab1"):
        with pytest.raises(FormatError, match=f"{swizzle.decode()!r}, which is not read"):
            read(seen_as(swizzle, 2)[1], ".ktx2")


def needs_mobile() -> None:
    for module in ("astc_encoder", "etcpak", "texture2ddecoder"):
        pytest.importorskip(module, reason=f"the extra `mobile` is not installed: no {module}")


SMOOTH = torch.nn.functional.interpolate(BRICK["base_color"].data[None, :, :16, :16], (41, 43), mode="bicubic")[0]
"""A picture that no block divides, with no noise between one pixel and the next."""
LEAST = {"ktx2-astc": (43, 45), "ktx2-astc6x6": (38, 36), "ktx2-astc8x8": (34, 33), "ktx2-etc2": (33, 38)}
"""PSNR of color and of one or two channels, in dB; a channel exchanged for another gives less than 20."""


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(-10 * (first - second).square().mean().log10())


@pytest.mark.parametrize("word", PHONES)
def test_phones_get_color_normals_and_numbers(word: str, tmp_path: Path) -> None:
    needs_mobile()
    path, smooth = tmp_path / "x.ktx2", SMOOTH.clamp(0, 1)
    color, numbers = LEAST[word]
    cases = {"base_color": (smooth, color), "roughness": (smooth[1:2], numbers), "normal": (BRICK["normal"].data, 32)}
    for name, (data, least) in cases.items():
        spec = MAPS[name]
        path.write_bytes(written(word, name, Texture(data.contiguous(), spec.color_space)))
        back = decode(path, spec).texture
        assert (back.alpha, back.data.shape) == (None, data.shape)
        first, second = (srgb_encode(one) if spec.is_color else one for one in (data, back.data))
        assert psnr(first, second) > least, name


@pytest.mark.parametrize("word", PHONES)
def test_channels_that_go_their_own_ways_are_kept_apart(word: str) -> None:
    """Of a map of four numbers, all; of two, the first two of what is read, whose third is for normals."""
    needs_mobile()
    ways = torch.stack([SMOOTH[0], 1 - SMOOTH[1], SMOOTH[2].flip(0), SMOOTH[1].flip(1)]).clamp(0, 1)
    for spec in (PAIR, PACK):
        data = ways[: spec.channels]
        content = encode({"x": (Texture(data, ColorSpace.NONE), spec)}, parse(word).resolve("8", spec))
        back = torch.from_numpy(read(content, ".ktx2").pixels[:, :, : spec.channels] / np.float32(255)).permute(2, 0, 1)
        assert psnr(back, data) > 30
        assert min(psnr(one, other) for one, other in zip(back, data, strict=True)) > 26


HALVES = [(0, 64, 0, 0, ALL), (64, 64, 1, 0, ALL)]


@pytest.mark.parametrize(("word", "name", "vk", "model", "plane", "samples", "seen"), [
    ("ktx2-astc", "base_color", 158, 162, 16, [(0, 128, 0, 0, ALL)], b"rgb1\0"),
    ("ktx2-astc", "normal", 157, 162, 16, [(0, 128, 0, 0, ALL)], b"ra01\0"),
    ("ktx2-astc6x6", "base_color", 166, 162, 16, [(0, 128, 0, 0, ALL)], b"rgb1\0"),
    ("ktx2-astc6x6", "roughness", 165, 162, 16, [(0, 128, 0, 0, ALL)], b"rrr1\0"),
    ("ktx2-astc8x8", "base_color", 172, 162, 16, [(0, 128, 0, 0, ALL)], b"rgb1\0"),
    ("ktx2-astc8x8", "normal", 171, 162, 16, [(0, 128, 0, 0, ALL)], b"ra01\0"),
    ("ktx2-etc2", "base_color", 148, 161, 8, [(0, 64, 2, 0, ALL)], None),
    ("ktx2-etc2", "clear", 152, 161, 16, [(0, 64, 31, 0, ALL), (64, 64, 2, 0, ALL)], None),
    ("ktx2-etc2", "roughness", 153, 161, 8, [(0, 64, 0, 0, ALL)], None),
    ("ktx2-etc2", "normal", 155, 161, 16, HALVES, None),
])  # fmt: skip
def test_ktx2_says_how_phones_see_it(
    word: str, name: str, vk: int, model: int, plane: int, samples: list[tuple[int, ...]], seen: bytes | None
) -> None:
    """By the tables of Vulkan's formats and of the data format's models; 2 is the color of ETC2, 31 linear alpha."""
    needs_mobile()
    start = texture("base_color" if name == "clear" else name)
    if name == "clear":
        name, start = "base_color", replace(start, alpha=start.data[:1])
    for level in (0, 9):
        output_format = replace(parse(word), effort=level).resolve("8", MAPS[name])
        file = parsed(encode({name: (start, MAPS[name])}, output_format))
        assert (file.vk, file.model, file.plane, file.samples) == (vk, model, plane, samples)
        assert file.transfer == (2 if name == "base_color" else 1)
        assert file.block == {"ktx2-astc6x6": (6, 6), "ktx2-astc8x8": (8, 8)}.get(word, (4, 4))
        assert file.words.get(b"KTXswizzle") == seen
        across, down = (-(-side // block) for side, block in zip((30, 27), file.block, strict=True))
        assert [len(one.data) for one in file.levels] == [across * down * plane]


PARSE = """
const fs = require("fs"), {read} = require("ktx-parse");
const file = read(new Uint8Array(fs.readFileSync(process.argv[1]))), [said] = file.dataFormatDescriptor;
console.log(JSON.stringify([file.vkFormat, said.colorModel, said.transferFunction, file.pixelWidth, file.pixelHeight,
  file.levels.map(level => level.uncompressedByteLength), said.samples.map(one => one.channelType),
  file.keyValue.KTXswizzle ?? ""]));
"""


@pytest.mark.parametrize("word", PHONES)
def test_another_parser_of_ktx2_reads_the_same(word: str, tmp_path: Path) -> None:
    needs_mobile()
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not there")
    places = {**os.environ, "NODE_PATH": os.pathsep.join([str(ROOT / "node_modules"), os.environ.get("NODE_PATH", "")])}
    if subprocess.run([node, "-e", 'require("ktx-parse")'], env=places, capture_output=True, check=False).returncode:
        pytest.skip("ktx-parse is not there: `npm install ktx-parse` in the project's folder")
    content = written(word, "normal", run("mips", BRICK.only("normal"))["normal"])
    (tmp_path / "x.ktx2").write_bytes(content)
    command = [node, "-e", PARSE, str(tmp_path / "x.ktx2")]
    done = subprocess.run(command, env=places, capture_output=True, text=True, check=True)
    ours = parsed(content)
    channels = [sample[2] for sample in ours.samples]
    sizes = [len(level.data) for level in ours.levels]
    seen = ours.words.get(b"KTXswizzle", b"").rstrip(b"\0").decode()
    assert json.loads(done.stdout) == [ours.vk, ours.model, ours.transfer, 32, 32, sizes, channels, seen]


def test_another_decoder_sees_each_level_of_astc() -> None:
    needs_mobile()
    import texture2ddecoder

    start = run("mips", BRICK.only("base_color"))["base_color"]
    file = parsed(written("ktx2-astc6x6", "base_color", start))
    for level, own in zip(file.levels, start.levels, strict=True):
        side = own.size[0]
        assert len(level.data) == 16 * (-(-side // 6)) ** 2
        codes = np.frombuffer(texture2ddecoder.decode_astc(level.data, side, side, 6, 6), np.uint8)
        wanted = (srgb_encode(own.data) * 255).permute(1, 2, 0).numpy()
        assert np.abs(codes.reshape(side, side, 4)[:, :, 2::-1] - wanted).mean() < 7


BLOCKS = {
    "ktx2-astc": (bytes.fromhex("FCFD FFFF FFFF FFFF") + struct.pack("<4H", 0xFFFF, 0x8080, 0, 0xFFFF), (255, 128, 0)),
    "ktx2-etc2": (bytes.fromhex("F8F8 0002 0000 0000"), (255, 255, 2)),
}
"""Blocks of one color, as the specification has them: ASTC's void extent, and ETC's two equal halves."""


@pytest.mark.parametrize("word", BLOCKS)
def test_blocks_that_others_wrote_are_read(word: str) -> None:
    needs_mobile()
    block, color = BLOCKS[word]
    four = Texture(torch.zeros(3, 4, 4), ColorSpace.LIN_REC709)
    plain = encode(
        {"base_color": (four, MAPS["base_color"])}, replace(parse(word), effort=0).resolve("8", MAPS["base_color"])
    )
    content = plain[: -len(block)] + block
    assert np.array_equal(read(content, ".ktx2").pixels, np.full((4, 4, 3), color))
    with pytest.raises(Exception, match="is cut off"):
        read(content[:-1], ".ktx2")


def test_alpha_of_phones_is_beside_color_alone(tmp_path: Path) -> None:
    needs_mobile()
    alpha = torch.linspace(0, 1, 32).expand(1, 32, 32).contiguous()
    path = tmp_path / "x.ktx2"
    for word in PHONES:
        path.write_bytes(written(word, "base_color", replace(BRICK["base_color"], alpha=alpha)))
        back = decode(path, MAPS["base_color"]).texture.alpha
        assert back is not None and psnr(back, alpha) > 30
        assert has_transparency(path)
        path.write_bytes(written(word, "base_color", BRICK["base_color"]))
        assert not has_transparency(path)
        for name in ("normal", "roughness"):
            with pytest.raises(ValueError, match=f"{word} holds no alpha"):
                written(word, name, replace(BRICK[name], alpha=alpha))


def test_astc_has_the_same_bytes_without_special_instructions() -> None:
    """The package has an encoder for each set of instructions, and takes the one that the processor has."""
    needs_mobile()
    import astc_encoder
    from astc_encoder import _encoder_none as plain

    codes = (BRICK["base_color"].data.permute(1, 2, 0) * 255).to(torch.uint8).numpy()
    data = np.dstack([codes, codes[:, :, :1]]).tobytes()
    made = set()
    for arm in (astc_encoder, plain):
        image = arm.ASTCImage(astc_encoder.ASTCType.U8, 32, 32, 1, data)
        context = arm.ASTCContext(arm.ASTCConfig(astc_encoder.ASTCProfile.LDR_SRGB, 6, 6, 1, 60, 0))
        made.add(context.compress(image, arm.ASTCSwizzle.from_str("rgba")))
    assert len(made) == 1


@pytest.mark.parametrize("word", PHONES)
def test_any_blocks_are_read(word: str) -> None:
    needs_mobile()
    rng = np.random.default_rng(0)
    for name in ("base_color", "normal", "roughness"):
        plain = replace(parse(word), effort=0).resolve("8", MAPS[name])
        content = encode({name: (texture(name), MAPS[name])}, plain)
        blocks = parsed(content).levels[0]
        noise = rng.integers(0, 256, len(blocks.data), np.uint8).tobytes()
        pixels = read(content[: blocks.offset] + noise, ".ktx2").pixels
        assert pixels.shape == (27, 30, MAPS[name].channels)


@pytest.mark.parametrize(("module", "word"), [
    ("astc_encoder", "ktx2-astc8x8"), ("etcpak", "ktx2-etc2"), ("texture2ddecoder", "ktx2-etc2"),
])  # fmt: skip
def test_without_the_packages_for_phones_an_error_says_what_to_install(
    module: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = {"astc_encoder": "astc-encoder-py"}.get(module, module)
    install = rf"needs the package {package}; run `pip install 'assetforge\[mobile\]'`"
    monkeypatch.setitem(sys.modules, module, None)
    content = bytearray(written("ktx2-bc7", "base_color", texture("base_color"), "8"))
    struct.pack_into("<I", content, 12, 158 if "astc" in word else 152)
    (tmp_path / "x.ktx2").write_bytes(content)
    if module != "etcpak":
        with pytest.raises(SourceError, match=rf"x\.ktx2: is .*, which {install}"):
            decode(tmp_path / "x.ktx2", MAPS["base_color"])
    if module == "texture2ddecoder":
        return
    with pytest.raises(ValueError, match=install):
        written(word, "base_color", texture("base_color"))
    start = 'version: 1\nsources: .\ninputs: {base_color: "{name}.png"}\n'
    own = f"presets: {{own: {{like: unreal, descriptor: none, format: {word}}}}}\noutputs: {{preset: own}}\n"
    for outputs in (f"outputs: {{format: {word}}}\n", own):
        (tmp_path / "pipeline.yaml").write_text(start + outputs)
        with pytest.raises(PipelineError, match=rf"{word} needs the package {package}"):
            Build(tmp_path / "pipeline.yaml")


@cache
def _whole(word: str) -> bytes:
    return written(word, "base_color", texture("base_color"), "8")


def _changed(word: str, at: int, value: int, size: int = 4) -> bytes:
    content = bytearray(_whole(word))
    content[at : at + size] = value.to_bytes(size, "little")
    return bytes(content)


HOSTILE = {
    "is cut off": [
        _whole("dds-bc7")[:-1], b"DDS " + bytes(60),
        _whole("ktx2-bc7")[:-1], bytes.fromhex("AB4B5458203230BB0D0A1A0A"),
        _changed("ktx2-bc7", 80, 2**60, 8), _changed("ktx2-bc7", 88, 2**62, 8),
    ],
    "declares": [
        _changed("dds-bc7", 12, 2**31), _changed("dds-bc7", 16, 0), _changed("ktx2-bc7", 20, 2**31),
        _changed("ktx2-bc7", 24, 0),
    ],
    "is a cube map": [
        _changed("dds-bc7", 112, 0xFE00), _changed("dds-bc7", 136, 4), _changed("dds-bc7", 140, 6),
        _changed("ktx2-bc7", 36, 6), _changed("ktx2-bc7", 28, 9), _changed("ktx2-bc7", 32, 2),
    ],
    "is not read": [
        _changed("dds-bc7", 128, 70), _changed("dds-bc7", 84, int.from_bytes(b"ABCD", "little")),
        _changed("ktx2-bc7", 12, 0), _changed("ktx2-bc7", 12, 9999), _changed("ktx2-bc7", 44, 1),
        _changed("ktx2-bc7", 44, 3), _changed("dds-bc7", 80, 0x20001 | (2**31 << 64), 12),
        _changed("dds-bc7", 4, 7),
    ],
    "multiplied by alpha": [
        _changed("dds-bc7", 144, 2), _changed("dds-bc7", 84, int.from_bytes(b"DXT4", "little")),
        _changed("ktx2-bc7", 104 + 15, 1, 1),
    ],
    "is cut off or damaged": [_changed("ktx2-bc7", 44, 2)[:104] + bytes(2000)],
}  # fmt: skip


@pytest.mark.parametrize(("says", "content"), [(says, one) for says, all_of in HOSTILE.items() for one in all_of])
def test_what_is_damaged_or_asks_for_too_much_is_named(says: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.dds").write_bytes(content)
    with pytest.raises(SourceError, match=rf"x\.dds: .*{says}"):
        decode(tmp_path / "x.dds", MAPS["base_color"])


def test_a_small_level_cannot_unpack_to_more_than_its_size() -> None:
    bomb = bytes(imagecodecs.zstd_encode(bytes(2**26), level=19))
    content = bytearray(written("ktx2-bc7", "base_color", texture("base_color")))
    struct.pack_into("<3Q", content, 80, len(content), len(bomb), 2**26)
    with pytest.raises(Exception, match="is cut off or damaged"):
        read(bytes(content) + bomb, ".ktx2")


def test_every_layout_is_told_once() -> None:
    for number in ("dxgi", "vk"):
        told = [getattr(layout, number) for layout in LAYOUTS if getattr(layout, number)]
        assert len(told) == len(set(told))


def test_a_run_writes_levels_for_an_engine(tmp_path: Path) -> None:
    write_sample("brick", tmp_path / "textures", 32)
    (tmp_path / "pipeline.yaml").write_text("""\
version: 1
sources: textures
inputs: {base_color: "{name}/{name}_base_color.png", normal: "{name}/{name}_normal.png"}
steps: [{use: mips}]
outputs: {dir: build, format: {default: dds, normal: ktx2}}
""")
    with Build(tmp_path / "pipeline.yaml") as build:
        [job] = build.run(build.plan(), options=RunOptions("cpu", workers=0)).jobs
    assert job.state == "done", job.error
    content = (tmp_path / "build" / "brick_base_color.dds").read_bytes()
    assert struct.unpack_from("<I", content, 28)[0] == 6
    file = parsed((tmp_path / "build" / "brick_normal.ktx2").read_bytes())
    assert (file.vk, len(file.levels)) == (141, 6)
