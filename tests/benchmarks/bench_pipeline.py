"""Upscaling from file to file against a plain script, and the step against the bare network.

Each round runs both, one after the other, and the median of the rounds' ratios counts. Other work on the machine spoils
seconds on the clock, so CPU seconds are beside them.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import assetforge_upscale
import cv2
import numpy as np
from benchmarks import plain_script
from benchmarks.figures import Figures

from assetforge.execute.worker_process import settings
from assetforge.samples import SAMPLES, write_sample

FILES, SIDES, ROUNDS = 50, (256, 320, 384), 3
END_TO_END, STEP = 1 / 1.3, 1 / 0.9
"""Parts of the time of a plain script, and of the bare network: at least 1.3 and 0.9 times as fast."""
SCRIPT = "a plain script, as that of Real-ESRGAN"
WEIGHTS = Path(assetforge_upscale.__file__).parent / "weights" / "fast_color_x4.safetensors"
GAME = Path(__file__).parents[2].parent / "shared" / "data" / "train"
PIPELINE = """\
version: 1
sources: textures
inputs: {base_color: '{name}_d.png'}
steps: [{use: upscale, with: {scale: 4}}]
"""


def timed(*command: str, cwd: Path, env: Mapping[str, str] = os.environ) -> tuple[float, float]:
    """Run a program; return seconds of wall and of CPU time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=cwd, env=dict(env), check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_textures(folder: Path) -> None:
    """Write crops of textures of games, or of our own samples where there are none."""
    files = sorted(GAME.glob("*/*_d.webp"))
    if not files:
        samples = folder.parent / "samples"
        files = [path for name in SAMPLES for path in write_sample(name, samples, 512) if "base_color" in path.stem]
    rng = np.random.default_rng(0)
    folder.mkdir()
    for index in range(FILES):
        picture = cv2.imread(str(files[2 * index % len(files)]))
        side = int(rng.choice(SIDES))
        y, x = (int(rng.integers(0, length - side + 1)) for length in picture.shape[:2])
        cv2.imwrite(str(folder / f"t{index:02}_d.png"), picture[y : y + side, x : x + side])


def differences(ours: Path, theirs: Path) -> int:
    """Return how many codes files are apart at most, but for their edges: the script pads with black, and we do not."""
    edge = plain_script.PADDING * plain_script.SCALE
    most = 0
    for index in range(FILES):
        one = cv2.imread(str(ours / f"t{index:02}_base_color.png")).astype(int)
        other = cv2.imread(str(theirs / f"t{index:02}_d.png"))
        most = max(most, int(abs(one - other)[edge:-edge, edge:-edge].max()))
    return most


def test_fifty_files_against_a_plain_script(tmp_path: Path, figures: Figures) -> None:
    write_textures(tmp_path / "textures")
    (tmp_path / "p.yaml").write_text(PIPELINE)
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}  # torch's own choice
    script = (sys.executable, plain_script.__file__, str(WEIGHTS), "textures", "theirs")
    forge = (sys.executable, "-m", "assetforge", "run", "p.yaml")
    ours, theirs = list[tuple[float, float]](), list[tuple[float, float]]()
    for _ in range(ROUNDS):
        for made in (".assetforge", "build", "theirs"):
            shutil.rmtree(tmp_path / made, ignore_errors=True)
        theirs.append(timed(*script, cwd=tmp_path, env=env))
        ours.append(timed(*forge, cwd=tmp_path, env=env))
    assert differences(tmp_path / "build", tmp_path / "theirs") <= 1
    what = f"{FILES} textures of {SIDES[0]} to {SIDES[-1]}, x4, from file to file"
    (wall, cpu), (their_wall, their_cpu) = zip(*ours, strict=True), zip(*theirs, strict=True)
    figures.compared(what, wall, SCRIPT, their_wall, most=END_TO_END)
    figures.compared(f"{what}, CPU time", cpu, SCRIPT, their_cpu)


STEP_PROGRAM = """\
import json, sys, time
from pathlib import Path
import torch
import assetforge as af
from benchmarks import plain_script
from benchmarks.figures import Figures
from assetforge.material.map_spec import MAPS
from assetforge.samples import make_sample
from assetforge_upscale import Params
from assetforge_upscale._upscale import upscale_material

weights, side = Path(sys.argv[1]), int(sys.argv[2])
network, count = plain_script.load(weights), -(-side // 512)
small = make_sample("stone", 512)["base_color"].data.repeat(1, count, count)[:, :side, :side]
texture = af.Texture(small, af.ColorSpace.LIN_REC709, "clamp")
context = af.Context(0, "cpu", lambda _: None, {one.stem: one for one in weights.parent.glob("*.safetensors")}, MAPS)
works = {
    "plain": lambda: network(small[None]),
    "channels last": lambda: network(small[None].contiguous(memory_format=torch.channels_last)),
    "step": lambda: upscale_material(af.Material("m", {"base_color": texture}), Params(scale=4), context),
}
for _ in range(int(sys.argv[3])):
    times = {}
    for name, work in works.items():
        began, cpu = time.perf_counter(), time.process_time()
        with torch.no_grad():
            work()
        times[name] = (time.perf_counter() - began, time.process_time() - cpu)
    print(json.dumps(times), flush=True)
"""


def test_the_step_against_the_bare_network(figures: Figures, side: int = 2048) -> None:
    """Both in a process that is set up as our workers are; of the network's two layouts in memory, the faster one."""
    cores = len(os.sched_getaffinity(0))
    env = {**os.environ, **settings(cores), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-c", STEP_PROGRAM, str(WEIGHTS), str(side), str(ROUNDS))
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    bare = [min(times["plain"], times["channels last"]) for times in rounds]
    for number, (what, most) in enumerate((("", STEP), (", CPU time", math.inf))):
        ours, theirs = [times["step"][number] for times in rounds], [times[number] for times in bare]
        figures.compared(f"the step `upscale` on {side}², x4{what}", ours, "its bare network", theirs, most=most)
