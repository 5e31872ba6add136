"""Textures become files, and come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assetforge.codecs.atomic import write_atomically
from assetforge.codecs.decode import Reading, decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import FORMATS, Format, parse, unsuited
from assetforge.codecs.read import read
from assetforge.errors import OutputError
from assetforge.material.color_space import ColorSpace
from assetforge.material.map_spec import MAPS
from assetforge.material.texture import Texture
from assetforge.ops.normals import normalize

COLOR = MAPS["base_color"]
EXACT = ("png8", "png16", "webp", "tga", "tiff8", "tiff16", "tiff32", "exr16", "exr32")
CODE = {"8": 255, "16": 65535}


def texture(name: str, height: int, width: int, seed: int = 0, *, alpha: bool = False) -> Texture:
    spec, generator = MAPS[name], torch.Generator().manual_seed(seed)
    data = torch.rand(spec.channels, height, width, generator=generator)
    data = normalize(data - 0.5) if spec.kind == "vector" else data
    cover = torch.rand(1, height, width, generator=generator) if alpha else None
    return Texture(data, spec.color_space, alpha=cover)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(EXACT),
    st.sampled_from(["base_color", "roughness", "normal"]),
    st.integers(1, 20),
    st.integers(1, 20),
    st.booleans(),
)
def test_a_second_trip_changes_nothing(word: str, name: str, height: int, width: int, alpha: bool) -> None:
    import tempfile

    spec, output_format = MAPS[name], parse(word).resolve(None, COLOR)
    start = texture(name, height, width, alpha=alpha and name == "base_color")
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / f"a{output_format.suffix}"
        first.write_bytes(encode({name: (start, spec)}, output_format))
        once = decode(first, spec, unit=False)
        second = encode({name: (once.texture, spec)}, output_format)
    assert once.depth == output_format.depth
    assert (once.texture.alpha is not None) == (start.alpha is not None)
    tolerance = {"8": 6e-3, "16": 3e-5, "half": 1e-3, "float": 1e-6}[once.depth] * (3 if name == "normal" else 1)
    torch.testing.assert_close(once.texture.data, start.data, atol=tolerance, rtol=0)
    assert second == encode({name: (start, spec)}, output_format)


def test_every_sixteen_bit_code_survives_png(tmp_path: Path) -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = np.stack([codes, codes[::-1], codes.T], 2)
    assert cv2.imwrite(str(tmp_path / "x.png"), pixels)
    decoded = decode(tmp_path / "x.png", MAPS["base_color"])
    (tmp_path / "y.png").write_bytes(encode({"base_color": (decoded.texture, MAPS["base_color"])}, parse("png16")))
    assert np.array_equal(cv2.imread(str(tmp_path / "y.png"), cv2.IMREAD_UNCHANGED), pixels)


def test_jpeg_and_hdr_are_near(tmp_path: Path) -> None:
    smooth = Texture(torch.linspace(0.1, 0.9, 64).view(1, 1, 64).expand(3, 64, 64).clone(), ColorSpace.LIN_REC709)
    for word, tolerance in (("jpg", 0.02), ("hdr", 0.01)):
        path = tmp_path / f"x.{word}"
        path.write_bytes(
            encode({"base_color": (smooth, MAPS["base_color"])}, parse(word).resolve("8", MAPS["base_color"]))
        )
        torch.testing.assert_close(decode(path, MAPS["base_color"]).texture.data, smooth.data, atol=tolerance, rtol=0)


def test_normals_can_be_written_for_directx(tmp_path: Path) -> None:
    start = texture("normal", 8, 8)
    for word in ("png16", "exr32"):
        path = tmp_path / f"x{parse(word).suffix}"
        path.write_bytes(encode({"normal": (start, MAPS["normal"])}, parse(word), "down"))
        turned = decode(path, MAPS["normal"], Reading(green="down")).texture.data
        torch.testing.assert_close(turned, start.data, atol=1e-4, rtol=0)
        assert (decode(path, MAPS["normal"]).texture.data[1] - start.data[1]).abs().max() > 0.1


def test_layers_come_back_by_name(tmp_path: Path) -> None:
    maps = {name: (texture(name, 6, 7), MAPS[name]) for name in ("base_color", "normal", "roughness")}
    (tmp_path / "x.exr").write_bytes(encode(maps, parse("exr32")))
    header = OpenEXR.InputFile(str(tmp_path / "x.exr")).header()
    assert header["channels"].keys() == {"R", "G", "B", "normal.X", "normal.Y", "normal.Z", "roughness.Y"}
    for name, (start, spec) in maps.items():
        layer = None if name == "base_color" else name
        torch.testing.assert_close(decode(tmp_path / "x.exr", spec, Reading(layer=layer)).texture.data, start.data)
    with pytest.raises(ValueError, match="png16 holds one map"):
        encode(maps, parse("png16"))


def test_alpha_is_not_lost_silently() -> None:
    covered = texture("base_color", 4, 4, alpha=True)
    with pytest.raises(ValueError, match="jpg holds no alpha; write png"):
        encode({"base_color": (covered, MAPS["base_color"])}, Format("jpg", "8"))
    opaque = Texture(covered.data, covered.color_space, alpha=torch.ones(1, 4, 4))
    assert encode({"base_color": (opaque, MAPS["base_color"])}, Format("jpg", "8"))


@pytest.mark.parametrize("word", [word for word in FORMATS if not unsuited(COLOR, parse(word))])
def test_the_same_texture_gives_the_same_bytes(word: str) -> None:
    output_format = parse(word).resolve(None, MAPS["base_color"])
    for module in output_format.modules:
        pytest.importorskip(module, reason=f"the extra `mobile` is not installed: no {module}")
    one = {"base_color": (texture("base_color", 9, 9), MAPS["base_color"])}
    assert encode(one, output_format) == encode(one, output_format)


@pytest.mark.parametrize("container", ["png", "tiff"])
@pytest.mark.parametrize("depth", ["8", "16"])
@pytest.mark.parametrize("alpha", [False, True])
def test_effort_changes_the_size_and_no_pixel(container: Any, depth: Any, alpha: bool) -> None:
    smooth = torch.linspace(0, 1, 64).expand(3, 64, 64) * torch.linspace(0.5, 1, 64).view(1, 64, 1)
    cover = torch.full((1, 64, 64), 0.5) if alpha else None
    maps = {"base_color": (Texture(smooth, ColorSpace.LIN_REC709, alpha=cover), COLOR)}
    written = [encode(maps, Format(container, depth, effort=effort)) for effort in (0, 1, 9)]
    assert len(written[0]) > len(written[1]) > len(written[2])
    pixels = [read(content, f".{container}").pixels for content in (*written, encode(maps, Format(container, depth)))]
    assert all(np.array_equal(pixels[0], other) for other in pixels[1:])


@pytest.mark.parametrize("container", ["jpg", "webp"])
def test_quality_trades_size_for_likeness(container: Any, tmp_path: Path) -> None:
    maps = {"base_color": (texture("base_color", 64, 64), COLOR)}
    sizes, errors = [], []
    for quality in (10, 60, 100):
        path = tmp_path / f"x.{container}"
        path.write_bytes(encode(maps, Format(container, "8", quality=quality)))
        sizes.append(path.stat().st_size)
        errors.append((decode(path, COLOR).texture.data - maps["base_color"][0].data).abs().mean().item())
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)
    assert encode(maps, Format("jpg", "8")) == encode(maps, Format("jpg", "8", quality=95))


def test_lossy_webp_keeps_alpha_to_the_code(tmp_path: Path) -> None:
    covered = texture("base_color", 16, 16, alpha=True)
    (tmp_path / "x.webp").write_bytes(encode({"base_color": (covered, COLOR)}, Format("webp", "8", quality=50)))
    alpha = decode(tmp_path / "x.webp", COLOR).texture.alpha
    assert alpha is not None and covered.alpha is not None
    assert torch.equal((alpha * 255).round(), (covered.alpha * 255).round())


@pytest.mark.parametrize(
    ("word", "source", "name", "depth"),
    [
        ("png", "8", "base_color", "8"),
        ("png", "16", "base_color", "16"),
        ("png", "float", "base_color", "16"),
        ("png", None, "normal", "16"),
        ("png", None, "roughness", "8"),
        ("png8", "16", "height", "8"),
        ("jpg", "16", "base_color", "8"),
        ("tiff", "half", "base_color", "float"),
        ("exr", "8", "base_color", "half"),
        ("exr", "16", "height", "float"),
        ("hdr", "8", "emission", "float"),
    ],
)
def test_depth_follows_the_source_where_the_container_can(word: str, source: str, name: str, depth: str) -> None:
    assert parse(word).resolve(source, MAPS[name]).depth == depth  # type: ignore[arg-type]


def test_an_unknown_format_is_asked_back() -> None:
    with pytest.raises(ValueError, match="did you mean 'tiff'"):
        parse("tif")


def test_a_file_that_cannot_be_written_is_named_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(OutputError, match=r"x\.png: cannot be written \(is read-only\); make it writable"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="a folder is in its place"):
        write_atomically(tmp_path / "folder", b"new")
    with pytest.raises(OutputError, match="cannot be written"):
        write_atomically(path / "below" / "y.png", b"new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "x.png"]


def test_a_written_file_is_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.png"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert [entry.name for entry in path.parent.iterdir()] == ["x.png"]
    assert path.stat().st_mode & 0o077  # as any other file, not as a private temporary one
