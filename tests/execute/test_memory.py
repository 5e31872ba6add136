"""What a file may ask of a process that reads it, each in a process of its own."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import Forge
from odd_files import png_chunk
from PIL import Image

from assetforge.codecs.allowance import Limits, allowing
from assetforge.codecs.decode import decode
from assetforge.errors import AccessError
from assetforge.material.map_spec import MAPS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process so")
_READER = """\
import resource, sys
from pathlib import Path
from assetforge.codecs.allowance import Limits
from assetforge.codecs.decode import decode
from assetforge.errors import AssetForgeError
from assetforge.execute.memory import reading
from assetforge.material.map_spec import MAPS

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

before, path = peak(), Path(sys.argv[1])
try:
    with reading(Limits(), path):
        print(tuple(decode(path, MAPS["base_color"]).texture.data.shape))
except AssetForgeError as error:
    print(error)
assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
print(peak() - before)
"""


UNPACKED = 2**31


def read(path: Path) -> tuple[str, int]:
    """Return what reading says, and how many bytes it took."""
    command = [sys.executable, "-c", _READER, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said, took = done.stdout.splitlines()[-2:]
    return said, int(took)


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


@cache
def _deflated() -> bytes:
    deflate = zlib.compressobj(1)
    return b"".join(deflate.compress(bytes(2**24)) for _ in range(UNPACKED // 2**24)) + deflate.flush()


def _zstandard() -> bytes:
    import imagecodecs

    return b"".join([imagecodecs.zstd_encode(bytes(2**26), level=1)] * (UNPACKED // 2**26))


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_a_strip_that_unpacks_to_gigabytes_takes_no_more_than_is_allowed(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    path.write_bytes(bomb(compression))
    _, took = read(path)
    assert took < 640 * 2**20


def test_a_profile_that_unpacks_to_gigabytes_takes_no_more_than_is_allowed(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "PNG")
    content = file.getvalue()
    profile = png_chunk(b"iCCP", b"a\0\0" + _deflated())
    path = tmp_path / "bomb.png"
    path.write_bytes(content[:33] + profile + content[33:])
    _, took = read(path)
    assert took < 640 * 2**20


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.tif", "a.exr"])
def test_a_large_picture_has_all_the_memory_that_it_needs(name: str, tmp_path: Path) -> None:
    pixels = np.full((2048, 3072, 4), 0.5, np.float32)
    path = tmp_path / name
    if name == "a.exr":
        import OpenEXR

        channels = {letter: pixels[:, :, index] for index, letter in enumerate("RGBA")}
        OpenEXR.File({"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))
    elif name == "a.tif":
        tifffile.imwrite(path, pixels, photometric="rgb", compression="lzma", metadata=None)
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
