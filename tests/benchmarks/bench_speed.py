"""Speed, always as a ratio against a baseline that runs beside it: `make bench`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import assetforge_upscale
import cv2
import numpy as np
import pytest
import torch
from assetforge_upscale import _upscale as upscaling

from assetforge.ops.tile import Tiling, map_tiles

ASSETS = 2000
FOLDER = Path(assetforge_upscale.__file__).parent / "weights"


def cpu_seconds(*command: str, cwd: Path | None = None) -> float:
    """CPU time of a process, the best of five."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(5))


def wall_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Wall time of a function, the best of some."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def report(title: str, ours: float, baseline: float) -> None:
    print(f"\n{title}: {ours:.3f} s, baseline {baseline:.3f} s, ratio {ours / baseline:.2f}")  # noqa: T201


def test_help_against_bare_python() -> None:
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "--help")
    report("assetforge --help, CPU time, against `python -c pass`", ours, cpu_seconds(sys.executable, "-c", "pass"))


def test_a_run_with_nothing_to_do_against_reading_the_files(tmp_path: Path) -> None:
    (tmp_path / "textures").mkdir()
    content = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    for index in range(ASSETS):
        (tmp_path / "textures" / f"t{index}_d.png").write_bytes(content + index.to_bytes(4, "big"))
    (tmp_path / "p.yaml").write_text("version: 1\nsources: textures\ninputs: {base_color: '{name}_d.png'}\n")
    subprocess.run([sys.executable, "-m", "assetforge", "run", "p.yaml"], cwd=tmp_path, check=True, capture_output=True)
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "run", "p.yaml", cwd=tmp_path)
    hashing = (
        "import hashlib, pathlib\n"
        "for p in [*pathlib.Path('textures').iterdir(), *pathlib.Path('build').iterdir()]:\n"
        "    hashlib.sha256(p.read_bytes())"
    )
    title = f"a no-op run over {ASSETS} assets, CPU time, against hashing sources and outputs"
    report(title, ours, cpu_seconds(sys.executable, "-c", hashing, cwd=tmp_path))


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_against_one_forward_pass(scale: int) -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    network = upscaling.load_network(FOLDER / f"color_x{scale}.safetensors", 3, scale, "cpu")
    pixels = torch.rand(3, 1024, 1024)
    out = torch.empty(3, 1024 * scale, 1024 * scale)
    tiling = Tiling(upscaling.TILE["cpu"], network.radius, scale, repeat=False)

    def run(piece: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            result: torch.Tensor = network(piece[None].contiguous(memory_format=torch.channels_last))[0]
        return result

    ours = wall_seconds(lambda: map_tiles(pixels, run, tiling, out), 3)
    report(
        f"color x{scale}, 1024² in tiles, against one pass over the whole", ours, wall_seconds(lambda: run(pixels), 3)
    )
    print(f"    {1024**2 / ours / 1e6:.2f} source megapixels a second on {torch.get_num_threads()} threads")  # noqa: T201
