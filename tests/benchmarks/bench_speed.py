"""What little there is to do takes little time, beside other tools, and much to do keeps the processor busy."""

from __future__ import annotations

import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import assetforge_upscale
import cv2
import numpy as np
import pytest
import torch
from assetforge_upscale import _upscale as upscaling
from assetforge_upscale._architectures.load import load
from benchmarks.figures import Figures

from assetforge.codecs.decode import decode
from assetforge.codecs.encode import encode
from assetforge.codecs.formats import parse
from assetforge.execute.worker_process import settings
from assetforge.material.map_spec import MAPS
from assetforge.ops.resample import resample_map
from assetforge.ops.tile import Tiling, map_tiles
from assetforge.samples import SAMPLES, write_sample

ASSETS = 10_000
NO_OP_RUN = f"a run with nothing to do over {ASSETS} assets"
CPU = "s CPU"
HELP, CHECK, NO_OP, ONE_CHANGED = 0.08, 0.2, 0.15, 0.35
"""Seconds of CPU time that `--help`, `check`, a run with nothing to do, and a plan of one change may take."""
OF_DOIT, OF_SCAN = 0.25, 1.5
"""What a run with nothing to do may take of the time of others: of doit, where it notices as much; of a bare listing
and stat of the same files. ninja, which is no Python program and lists no folder, is beside it without a bar."""
LONG = 1.0
"""Seconds of CPU time from which a process is measured less often."""
GRAIN = 2.1
"""Seconds after which a file's time can be trusted."""
TILES = 0.9
"""Part of the speed of one pass over the whole that tiles must reach."""
BUILD = 1.25
"""How much longer a build may take than its parts."""
FOLDER = Path(assetforge_upscale.__file__).parent / "weights"


def cpu_seconds(*command: str, cwd: Path | None = None) -> float:
    """CPU time of a process, the best of five, or of three where it takes long."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=cwd, env=_compiled(), check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    times = [once() for _ in range(3)]
    return min(times) if min(times) > LONG else min(*times, once(), once())


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


def test_help_against_bare_python(figures: Figures) -> None:
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "--help")
    figures.compared("`assetforge --help`", ours, "`python -c pass`", cpu_seconds(sys.executable, "-c", "pass"), CPU)
    figures.measured("`assetforge --help`", ours, CPU, most=HELP)


def test_check(tmp_path: Path, figures: Figures) -> None:
    write_copies(tmp_path, 1)
    with (tmp_path / "p.yaml").open("a") as file:
        file.write("steps: [{use: multiply}, {use: upscale}]\n")
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "check", "p.yaml", cwd=tmp_path)
    figures.measured("`assetforge check`", ours, CPU, most=CHECK)


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


def test_a_run_with_nothing_to_do_against_a_bare_scan(copies: Path, figures: Figures) -> None:
    ours = no_op_seconds(copies)
    scan = cpu_seconds(sys.executable, "-c", SCAN, "textures", "build", cwd=copies)
    figures.measured(NO_OP_RUN, ours, CPU, most=NO_OP)
    figures.compared(NO_OP_RUN, ours, "a bare listing and stat", scan, CPU, most=OF_SCAN)


def test_a_check_of_what_a_run_left_up_to_date(copies: Path, figures: Figures) -> None:
    no_op_seconds(copies)
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "check", "p.yaml", cwd=copies)
    figures.measured("`assetforge check` after a run that left 10 000 assets up to date", ours, CPU, most=CHECK)


def test_a_run_with_nothing_to_do_against_ninja(copies: Path, figures: Figures) -> None:
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
    told = subprocess.run(("ninja", "--version"), check=True, capture_output=True, text=True).stdout.strip()
    figures.compared(NO_OP_RUN, ours, f"ninja {told}", ninja, CPU)


def test_a_run_with_nothing_to_do_against_doit(copies: Path, figures: Figures) -> None:
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
        theirs, most = cpu_seconds(*doit, cwd=copies), OF_DOIT if thorough else math.inf
        figures.compared(NO_OP_RUN, ours, f"doit {version('doit')} {kind}", theirs, CPU, most=most)
    script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); "
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    forge = (sys.executable, "-m", "assetforge", "run", "p.yaml")
    peak = subprocess.run(
        (sys.executable, "-c", script, *forge), cwd=copies, check=True, capture_output=True, text=True
    )
    figures.measured(f"{NO_OP_RUN}, peak of memory", float(peak.stdout), "MiB")


def test_one_changed_source_is_planned_at_once(copies: Path, figures: Figures) -> None:
    no_op_seconds(copies)
    source = copies / "textures" / "t7_d.png"
    source.write_bytes(source.read_bytes()[:-4] + b"anew")
    ours = cpu_seconds(sys.executable, "-m", "assetforge", "plan", "p.yaml", cwd=copies)
    figures.measured(f"a plan of one changed source among {ASSETS}", ours, CPU, most=ONE_CHANGED)


TEXTURES = 200
FORWARD = """\
import sys, time, torch
from assetforge_upscale._architectures.load import load
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


def test_a_build_against_the_ideal_use_of_the_device(tmp_path: Path, figures: Figures) -> None:
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
        what = f"{TEXTURES} textures of 512², x2, {cores} cores"
        figures.compared(what, ours, f"the ideal, with forward passes {name}", ideal, most=BUILD)
    parts = {"forward pass, plain": plain, "forward pass, set up": tuned, "decoding": reading, "encoding": writing}
    for name, part in parts.items():
        figures.measured(f"of that, a texture's {name}", 1000 * part, "ms")


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
def test_tiles_against_one_forward_pass(scale: int, figures: Figures) -> None:
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
    what = f"color x{scale}, 1024² in tiles, {torch.get_num_threads()} threads"
    figures.compared(what, ours, "one pass over the whole", whole, most=1 / TILES)
    figures.measured(f"{what}, source megapixels a second", 1024**2 / ours / 1e6, "")
