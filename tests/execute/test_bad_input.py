"""Whatever lies among the sources, the good ones are built and each bad one is named with its reason."""

from __future__ import annotations

import os
import random
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from conftest import write_texture
from execute.conftest import Run, outputs

PIPELINE = """\
version: 1
sources: textures
inputs: {base_color: "{name}_d.*"}
steps: [{use: upscale, with: {method: lanczos}}]
"""
RNG = random.Random(3)


def encoded(ending: str, size: int = 48) -> bytes:
    pixels = np.random.default_rng(RNG.randrange(10**6)).integers(0, 255, (size, size, 3), dtype=np.uint8)
    return cv2.imencode(ending, pixels)[1].tobytes()


def truncated(path: Path) -> None:
    ending = RNG.choice([".png", ".jpg", ".tiff", ".webp"])
    content = encoded(ending)
    path.with_suffix(ending).write_bytes(content[: RNG.randrange(1, len(content) - 40)])


def flipped(path: Path) -> None:
    content = bytearray(encoded(".png"))
    content[RNG.randrange(8, len(content) - 12)] ^= 1 << RNG.randrange(8)
    path.with_suffix(".png").write_bytes(content)


def wrong_magic(path: Path) -> None:
    path.with_suffix(RNG.choice([".png", ".jpg", ".exr"])).write_bytes(RNG.randbytes(2000))


def huge(path: Path) -> None:
    """A PNG of a few bytes that claims to be a hundred thousand pixels wide and high."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000 + RNG.randrange(1000), 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(RNG.randbytes(100))), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    path.with_suffix(".png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def empty(path: Path) -> None:
    path.with_suffix(".png").touch()


def circle(path: Path) -> None:
    path.with_suffix(".png").symlink_to(path.with_suffix(".png"))


def dangling(path: Path) -> None:
    path.with_suffix(".png").symlink_to("nowhere.png")


def pipe(path: Path) -> None:
    os.mkfifo(path.with_suffix(".png"))


def locked(path: Path) -> None:
    """A file that may not be read; to root, which may read everything, one that is a text."""
    path.with_suffix(".png").write_text("this is no picture")
    path.with_suffix(".png").chmod(0)


BAD: tuple[Callable[[Path], None], ...] = (truncated, flipped, wrong_magic, huge, empty, circle, dangling, pipe, locked)


def test_300_corrupt_files_do_not_keep_30_good_ones_from_being_built(tmp_path: Path, run: Run) -> None:
    for index in range(30):
        write_texture(tmp_path / "textures" / f"good{index}_d.png", index)
    for index in range(300):
        BAD[index % len(BAD)](tmp_path / "textures" / f"bad{index}_d")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    ran = run(tmp_path)
    assert ran.code == 1
    assert ran.states == {"done": 30, "failed": 300}
    assert len(outputs(tmp_path)) == 30
    for job in ran.report["jobs"]:
        if job["asset"].startswith("bad"):
            where, _, what = job["error"].partition(": ")
            assert Path(where).stem == f"{job['asset']}_d", job["error"]
            assert what
            assert "Error" not in what, f"{job['asset']} is not explained: {what}"
    again = run(tmp_path)
    assert again.states["done"] == 0
    assert again.states["up to date"] == 30


def test_memory_is_bounded_whatever_a_file_declares(tmp_path: Path, run: Run) -> None:
    (tmp_path / "textures").mkdir()
    for index in range(20):
        huge(tmp_path / "textures" / f"bad{index}_d")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    assert run(tmp_path).states == {"failed": 20}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert peak < 1.5 * 2**30
