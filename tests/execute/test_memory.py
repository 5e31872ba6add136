"""What a file may ask of a process that reads it, each in a process of its own."""

from __future__ import annotations

import io
import resource
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import Forge
from odd_files import png_chunk
from PIL import Image

from assetforge.codecs.allowance import Limits, allowing
from assetforge.codecs.decode import decode
from assetforge.errors import AccessError, AssetForgeError
from assetforge.execute.memory import reading
from assetforge.material.map_spec import MAPS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process so")
ALONE = pytest.mark.limited(seconds=60, memory=2**33)
"""In a process of its own. What it may take is more than reading may."""
UNPACKED = 2**31


def peak() -> int:
    """Return the most bytes of memory that this process has had at once."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def read(path: Path) -> tuple[str, int]:
    """Return what reading says, and how many bytes it took: that of this process, so that each test has its own."""
    before, allowed = peak(), resource.getrlimit(resource.RLIMIT_DATA)
    try:
        with reading(Limits(), path):
            said = str(tuple(decode(path, MAPS["base_color"]).texture.data.shape))
    except AssetForgeError as error:
        said = str(error)
    assert resource.getrlimit(resource.RLIMIT_DATA) == allowed
    return said, peak() - before


def bomb(compression: str) -> bytes:
    """A TIFF of 16² pixels, whose one strip unpacks to far more."""
    packed = {"zlib": _deflated, "zstd": _zstandard}[compression]()
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((16, 16), np.uint8), compression=compression, metadata=None)
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as opened:
        page = opened.pages[0]
        tags = {tag.name: tag for tag in page.tags}
        places = tags["StripOffsets"].valueoffset, tags["StripByteCounts"].valueoffset
        sizes = tags["StripOffsets"].dtype, tags["StripByteCounts"].dtype
    content = bytearray(file.getvalue())
    for place, kind, value in zip(places, sizes, (len(content), len(packed)), strict=True):
        size = {3: 2, 4: 4, 16: 8}[int(kind)]
        content[place : place + size] = value.to_bytes(size, "little")
    return bytes(content) + packed


def _deflated() -> bytes:
    """Zeros as RFC 1950 has them: one block again and again, which a full flush makes independent of those before."""
    deflate = zlib.compressobj(1, wbits=-15)
    block = deflate.compress(bytes(2**24)) + deflate.flush(zlib.Z_FULL_FLUSH)
    adler = (UNPACKED % 65521) << 16 | 1  # of so many zeros
    return b"\x78\x01" + block * (UNPACKED // 2**24) + deflate.flush() + adler.to_bytes(4, "big")


def _zstandard() -> bytes:
    import imagecodecs

    return b"".join([imagecodecs.zstd_encode(bytes(2**26), level=1)] * (UNPACKED // 2**26))


def test_the_bomb_is_what_it_seems_to_be() -> None:
    unpacked, packed = zlib.decompressobj(), _deflated()
    assert unpacked.decompress(packed, 2**20) == bytes(2**20)
    assert len(packed) < UNPACKED // 200


@ALONE
@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_a_strip_that_unpacks_to_gigabytes_takes_no_more_than_is_allowed(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    path.write_bytes(bomb(compression))
    _, took = read(path)
    assert took < 640 * 2**20


@ALONE
def test_a_profile_that_unpacks_to_gigabytes_takes_no_more_than_is_allowed(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "PNG")
    content = file.getvalue()
    profile = png_chunk(b"iCCP", b"a\0\0" + _deflated())
    path = tmp_path / "bomb.png"
    path.write_bytes(content[:33] + profile + content[33:])
    _, took = read(path)
    assert took < 640 * 2**20


@ALONE
@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.tif", "a.exr"])
def test_a_large_picture_has_all_the_memory_that_it_needs(name: str, tmp_path: Path) -> None:
    pixels = np.full((2048, 3072, 4), 0.5, np.float32)
    path = tmp_path / name
    if name == "a.exr":
        import OpenEXR

        channels = {letter: pixels[:, :, index] for index, letter in enumerate("RGBA")}
        OpenEXR.File({"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))
    elif name == "a.tif":
        lzma = {"compression": "lzma", "compressionargs": {"level": 0}}
        tifffile.imwrite(path, pixels, photometric="rgb", metadata=None, **lzma)
    else:
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    said, _ = read(path)
    assert said == "(3, 2048, 3072)"


def test_a_webp_says_its_size_before_it_is_opened(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "WebP")
    large = bytearray(file.getvalue())
    large[26:30] = b"\xff\x3f\xff\x3f"
    path = tmp_path / "a.webp"
    path.write_bytes(large)
    with allowing(Limits(pixels=10**6)), pytest.raises(AccessError, match="declares 16383×16383 pixels"):
        decode(path, MAPS["base_color"])


def test_a_pipeline_limits_pixels_and_says_so(project: Path, forge: Forge) -> None:
    pipeline = project / "pipeline.yaml"
    text = pipeline.read_text()
    pipeline.write_text(f"{text}limits: {{pixels: 100}}\n")
    done = forge("run", "pipeline.yaml")
    assert done.returncode == 1
    assert "declares 32×24 pixels; more than 100 (`limits: {pixels: …}`)" in done.stdout + done.stderr
    pipeline.write_text(f"{text}limits: {{pixels: 1000, memory: 1 GiB}}\n")
    assert forge("run", "pipeline.yaml").returncode == 0  # nothing was quarantined: the files are not at fault


def test_memory_below_what_a_process_takes_by_itself_is_refused(project: Path, forge: Forge) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write("limits: {memory: 10 MiB}\n")
    done = forge("check", "pipeline.yaml")
    assert done.returncode == 2
    assert 'pipeline.yaml:11:18: limits.memory: is "10 MiB"; it should be at least 1 GiB' in done.stderr
