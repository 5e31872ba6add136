"""The daemon among files that lie or never end: it builds the others, does not grow, and ends when it is told to."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from execute.conftest import descendants
from fuzz import corpus, input_of
from watch.conftest import Start, Watcher, picture

FILES = int(os.environ.get("ASSETFORGE_HOSTILE_FILES", "60"))
"""Good files, and as many hostile ones; 500 were, before this was published."""
SECONDS = float(os.environ.get("ASSETFORGE_HOSTILE_SECONDS", "60"))
"""Over which they come; 600 it was, with ASSETFORGE_COMMAND_SECONDS=900."""
PIPELINE = """\
version: 1
sources: textures
inputs: {base_color: "{name}_d.*"}
steps: [{use: upscale, with: {scale: 2, method: lanczos}}]
outputs: {dir: build}
"""
LEAST_GROWTH = 24 * 1024
"""KiB that a process may grow by whatever comes: caches, and what the allocator keeps."""
TO_END = 5.0


def hostile(folder: Path, number: int, seeds: list[object], draw: random.Random) -> None:
    """Put one hostile thing among the sources."""
    path = folder / f"bad{number}_d.png"
    special: list[Callable[[Path], object]] = [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(b""),
        _sparse,
        lambda path: _override(path, "a: &a [*a]\n"),
        lambda path: _override(path, "[" * 20_000),
        lambda path: _override(path, "seed: 0x" + "f" * 8000 + "\n"),
        lambda path: _override(path, "seed: " + "1:" * 100_000 + "1\n"),
        lambda path: path.with_name(f"bad\n::error::{number}\x1b[31m_d.png").write_bytes(b"\x89PNG"),
        lambda path: Path(os.fsdecode(os.fsencode(path) + b"\xff_d.png")).write_bytes(b"\x89PNG"),
    ]
    if draw.random() < 0.3:
        draw.choice(special)(path)
    else:
        seed, content, _ = input_of(draw.randrange(10**6), seeds)  # type: ignore[arg-type]
        path.with_suffix(f".{seed.name.rpartition('.')[2]}" if "." in seed.name else ".png").write_bytes(content)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x76\x2f\x31\x01\x02\0\0\0")
        file.truncate(16 * 2**30)


def _override(path: Path, text: str) -> None:
    path.write_bytes(picture(len(text), 8))
    path.with_name(f"{path.name}.forge.yaml").write_text(text)


def memory(watcher: Watcher) -> dict[str, int]:
    """Return the KiB that the daemon and its workers hold, by what they are."""
    pid = watcher.process.pid
    held = {"daemon": watcher.holds()["memory"]}
    for child in descendants(pid):
        found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{child}/status").read_text())
        held["workers"] = max(held.get("workers", 0), int(found.group(1)) if found else 0)
    return held


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_hostile_files_among_good_ones_cost_nothing_but_themselves(tmp_path: Path, watch: Start) -> None:
    textures = tmp_path / "textures"
    textures.mkdir()
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    watcher, draw, seeds = watch(tmp_path), random.Random(0), list(corpus())
    watcher.wait_until_watching()
    began, early = time.monotonic(), {"daemon": 0}
    for number in range(FILES):
        (textures / f"good{number}_d.png").write_bytes(picture(number))
        hostile(textures, number, seeds, draw)  # type: ignore[arg-type]
        if number == FILES // 3:
            early = memory(watcher)
        assert watcher.process.poll() is None, watcher.said()
        time.sleep(max(0, began + (number + 1) * SECONDS / FILES - time.monotonic()))
    good = {f"good{number}_base_color.png" for number in range(FILES)}
    watcher.wait_for(lambda: good <= {path.name for path in (tmp_path / "build").iterdir()})
    late = memory(watcher)
    print(f"\n{FILES} good and {FILES} hostile files: {early} KiB after a third, {late} KiB at the end")  # noqa: T201
    for process, held in late.items():
        assert held < 1.2 * early.get(process, held) + LEAST_GROWTH, process
    asked = time.monotonic()
    watcher.stop(signal.SIGTERM)
    assert time.monotonic() - asked < TO_END
