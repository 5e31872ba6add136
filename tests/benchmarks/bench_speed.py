"""Speed, always as a ratio against a baseline that runs beside it: `make bench`."""

from __future__ import annotations

import math
import os
import resource
import shutil
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
from assetforge_multiply import COORDINATES
from assetforge_multiply import Params as MultiplyParams
from assetforge_multiply._multiply import multiply_material
from assetforge_upscale import _upscale as upscaling
from assetforge_upscale._architectures import load

from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import parse
from assetforge.execute.worker_process import settings
from assetforge.material.map_spec import MAPS
from assetforge.ops.resample import resample_map
from assetforge.ops.tile import Tiling, map_tiles
from assetforge.samples import SAMPLES, make_sample, write_sample
from assetforge.steps import Context

ASSETS = 10_000
HELP, CHECK, NO_OP, ONE_CHANGED = 0.08, 0.2, 0.15, 0.35
"""Seconds of CPU time that `--help`, `check`, a run with nothing to do, and a plan of one change may take."""
OF_DOIT, OF_SCAN = 0.25, 1.5
"""What a run with nothing to do may take of the time of others: of doit, where it notices as much; of a bare listing
and stat of the same files. ninja, which is no Python program and lists no folder, is beside it without a bar."""
GRAIN = 2.1
"""Seconds after which a file's time can be trusted."""
TILES = 0.9
"""Part of the speed of one pass over the whole that tiles must reach."""
BUILD, GROWTH = 1.25, 1.5
"""How much longer a build may take than its parts, and `multiply` than its pixels."""
FOLDER = Path(assetforge_upscale.__file__).parent / "weights"


def cpu_seconds(*command: str, cwd: Path | None = None) -> float:
    """CPU time of a process, the best of five."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=cwd, env=_compiled(), check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(5))


def _compiled() -> dict[str, str]:
    """Return an environment in which modules are kept compiled, as they are where they were installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def wall_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Wall time of a function, the best of some."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def report(title: str, ours: float, baseline: float, most: float = math.inf) -> None:
    """Print how many times as long ours takes; fail where that is more than its bar."""
    print(f"\n{title}: {ours:.3f} s, baseline {baseline:.3f} s, ratio {ours / baseline:.2f} (bar {most})")  # noqa: T201
    assert ours <= most * baseline, f"{title}: missed by {100 * (ours / (most * baseline) - 1):.0f} %"


def within(title: str, ours: float, most: float) -> None:
    """Print seconds of CPU time; fail where they are more than their bar."""
    print(f"\n{title}: {ours:.3f} s CPU (bar {most})")  # noqa: T201
    assert ours <= most, f"{title}: missed by {100 * (ours / most - 1):.0f} %"


def test_help_against_bare_python() -> None:
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "--help")
    report("assetforge --help, CPU time, against `python -c pass`", ours, cpu_seconds(sys.executable, "-c", "pass"))
    within("assetforge --help", ours, HELP)


def test_check(tmp_path: Path) -> None:
    write_copies(tmp_path, 1)
    within("assetforge check", cpu_seconds(sys.executable, "-m", "assetforge", "check", "p.yaml", cwd=tmp_path), CHECK)


DODO = """\
import shutil
from pathlib import Path
from doit.tools import check_timestamp_unchanged, config_changed
DOIT_CONFIG = {"backend": "sqlite3", "verbosity": 0}

def task_copy():
    for source in sorted(Path("textures").iterdir()):
        target = f"out/{source.name}"
        yield {
            "name": source.name,
            "actions": [(shutil.copyfile, [str(source), target])],
            "file_dep": [str(source)],
            "targets": [target],
            "uptodate": [config_changed({"scale": 2}), check_timestamp_unchanged(target)] if THOROUGH else [],
        }
"""


SCAN = """\
import os, sys
for folder in sys.argv[1:]:
    with os.scandir(folder) as entries:
        for entry in entries:
            entry.stat()
"""


def write_copies(folder: Path, assets: int) -> None:
    """Write a project that has as little to do for each asset as can be."""
    (folder / "textures").mkdir()
    content = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    for index in range(assets):
        (folder / "textures" / f"t{index}_d.png").write_bytes(content + index.to_bytes(4, "big"))
    (folder / "p.yaml").write_text("version: 1\nsources: textures\ninputs: {base_color: '{name}_d.png'}\n")


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many assets, all of them built."""
    folder = tmp_path_factory.mktemp("copies")
    write_copies(folder, ASSETS)
    time.sleep(GRAIN)
    subprocess.run((sys.executable, "-m", "assetforge", "run", "p.yaml"), cwd=folder, check=True, capture_output=True)
    return folder


def no_op_seconds(folder: Path) -> float:
    command = (sys.executable, "-m", "assetforge", "run", "p.yaml")
    subprocess.run(command, cwd=folder, env=_compiled(), check=True, capture_output=True)  # compiles modules, once
    return cpu_seconds(*command, cwd=folder)


def test_a_run_with_nothing_to_do_against_a_bare_scan(copies: Path) -> None:
    ours = no_op_seconds(copies)
    scan = cpu_seconds(sys.executable, "-c", SCAN, "textures", "build", cwd=copies)
    within(f"a no-op run over {ASSETS} assets", ours, NO_OP)
    report(f"a no-op run over {ASSETS} assets, CPU time, against a bare listing and stat", ours, scan, OF_SCAN)


def test_a_run_with_nothing_to_do_against_ninja(copies: Path) -> None:
    if shutil.which("ninja") is None:
        pytest.skip("ninja is not installed")
    rules = "rule copy\n  command = cp $in $out\n"
    names = [f"t{index}_d.png" for index in range(ASSETS)]
    (copies / "build.ninja").write_text(rules + "".join(f"build out/{one}: copy textures/{one}\n" for one in names))
    (copies / "out").mkdir()
    for name in names:
        shutil.copyfile(copies / "textures" / name, copies / "out" / name)
    subprocess.run(("ninja",), cwd=copies, check=True, capture_output=True)
    ours, ninja = no_op_seconds(copies), cpu_seconds("ninja", cwd=copies)
    report(f"a no-op run over {ASSETS} assets, CPU time, against ninja", ours, ninja)


def test_a_run_with_nothing_to_do_against_doit(copies: Path) -> None:
    """doit, told to notice what AssetForge notices (sources, parameters, outputs), and doit at its least."""
    (copies / "out").mkdir(exist_ok=True)
    ours = no_op_seconds(copies)
    for thorough in (True, False):
        (copies / "dodo.py").write_text(f"THOROUGH = {thorough}\n{DODO}")
        for left in copies.glob(".doit.db*"):
            left.unlink()
        doit = (sys.executable, "-m", "doit")
        subprocess.run(doit, cwd=copies, check=True, capture_output=True)
        subprocess.run(doit, cwd=copies, check=True, capture_output=True)
        kind = "noticing as much" if thorough else "noticing changed sources and missing outputs only"
        report(
            f"a no-op run over {ASSETS} assets, CPU time, against doit {kind}",
            ours,
            cpu_seconds(*doit, cwd=copies),
            OF_DOIT if thorough else math.inf,
        )
    script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); "
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    forge = (sys.executable, "-m", "assetforge", "run", "p.yaml")
    peak = subprocess.run(
        (sys.executable, "-c", script, *forge), cwd=copies, check=True, capture_output=True, text=True
    )
    print(f"    its peak memory: {peak.stdout.strip()} MiB")  # noqa: T201


def test_one_changed_source_is_planned_at_once(copies: Path) -> None:
    no_op_seconds(copies)
    source = copies / "textures" / "t7_d.png"
    source.write_bytes(source.read_bytes()[:-4] + b"anew")
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "plan", "p.yaml", cwd=copies)
    within(f"a plan of one changed source among {ASSETS}", ours, ONE_CHANGED)


TEXTURES = 200
FORWARD = """\
import sys, time, torch
from assetforge_upscale._architectures import load
from pathlib import Path
network = load(Path(sys.argv[1])).module
pieces = [torch.rand(1, 3, 512, 512).contiguous(memory_format=torch.channels_last) for _ in range(8)]
times = []
with torch.no_grad():
    for _ in range(4):
        began = time.perf_counter()
        for piece in pieces:
            network(piece)
        times.append((time.perf_counter() - began) / len(pieces))
print(min(times))
"""


def forward_seconds(environment: dict[str, str]) -> float:
    """Seconds of one forward pass over 512² on all cores, in a process that does nothing else."""
    command = (sys.executable, "-c", FORWARD, str(FOLDER / "fast_color_x2.safetensors"))
    env = {**os.environ, **environment}
    return float(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


def test_a_build_against_the_ideal_use_of_the_device(tmp_path: Path) -> None:
    """The ideal: nothing but forward passes on all cores, with decoding and encoding spread over the cores, too.

    Forward passes in a plain process, and in one that is set up as our workers are, which makes them much faster.
    """
    cores = len(os.sched_getaffinity(0))
    sources = _crops(tmp_path / "textures")
    text = "version: 1\nsources: textures\ninputs: {base_color: '{name}_d.png'}\nsteps: [{use: upscale}]\n"
    (tmp_path / "p.yaml").write_text(text)
    torch.set_num_threads(1)
    spec = MAPS["base_color"]
    reading = wall_seconds(lambda: [decode(path, spec) for path in sources[:8]], 3) / 8
    results = [resample_map(decode(path, spec).texture, spec, (1024, 1024)) for path in sources[:8]]
    writing = wall_seconds(lambda: [encode({"base_color": (one, spec)}, parse("png8")) for one in results], 3) / 8
    plain, tuned = forward_seconds({}), forward_seconds(dict(settings(cores)))
    began = time.perf_counter()
    subprocess.run((sys.executable, "-m", "assetforge", "run", "p.yaml"), cwd=tmp_path, check=True, capture_output=True)
    ours = time.perf_counter() - began
    ways = {"in a plain process": plain, "in one set up as our workers are": tuned}
    for name, forward in ways.items():
        ideal = TEXTURES * (forward + (reading + writing) / cores)
        title = f"{TEXTURES} textures of 512², x2, {cores} cores, against the ideal with forward passes {name}"
        report(title, ours, ideal, BUILD)
    parts = {"forward, plain": plain, "forward, set up": tuned, "decode": reading, "encode": writing}
    print("    ms a texture: " + ", ".join(f"{name} {1000 * part:.0f}" for name, part in parts.items()))  # noqa: T201


def _crops(folder: Path) -> list[Path]:
    """Write crops of our samples, each somewhere else."""
    rng = np.random.default_rng(0)
    samples = [
        cv2.imread(str(path))
        for name in SAMPLES
        for path in write_sample(name, folder.parent / "samples", 1024)
        if path.stem.endswith("base_color")
    ]
    folder.mkdir()
    paths = []
    for index in range(TEXTURES):
        y, x = rng.integers(0, 512, 2)
        paths.append(folder / f"t{index:03}_d.png")
        cv2.imwrite(str(paths[-1]), samples[index % len(samples)][y : y + 512, x : x + 512])
    return paths


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_against_one_forward_pass(scale: int) -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    network = load(FOLDER / f"fast_color_x{scale}.safetensors")
    pixels = torch.rand(3, 1024, 1024)
    out = torch.empty(3, 1024 * scale, 1024 * scale)
    tiling = Tiling(upscaling.TILE["cpu"], network.overlap, scale, repeat=False)

    def run(piece: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            result: torch.Tensor = network.module(piece[None].contiguous(memory_format=torch.channels_last))[0]
        return result

    ours = wall_seconds(lambda: map_tiles(pixels, run, tiling, out), 3)
    whole = wall_seconds(lambda: run(pixels), 3)
    report(f"color x{scale}, 1024² in tiles, against one pass over the whole", ours, whole, 1 / TILES)
    print(f"    {1024**2 / ours / 1e6:.2f} source megapixels a second on {torch.get_num_threads()} threads")  # noqa: T201


@pytest.mark.parametrize("side", [512, 1024])
def test_multiply_against_the_time_that_its_pixels_would_take_at_256(side: int) -> None:
    """Growth: a ratio of 1 is linear in pixels."""
    times = {size: wall_seconds(lambda size=size: _multiplied(size), repeats=1) for size in (256, side)}  # type: ignore[misc]
    title = f"multiply, {side}² with all maps, against pixels at 256²"
    report(title, times[side], times[256] * (side / 256) ** 2, GROWTH)


def _multiplied(side: int) -> None:
    sample = make_sample("stone", side)
    context = Context(0, "cpu", lambda _: None, {}, {**MAPS, "coordinates": COORDINATES})
    with torch.no_grad():
        multiply_material(sample, MultiplyParams(retries=0), context)
