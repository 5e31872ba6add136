"""Every step at up to four sizes: seconds, the peak of memory, and how both grow with the pixels.

Seconds are taken on the clock, with all cores; growth is that of CPU time, which other work on the machine changes
little. Growth is the exponent of the pixels: 1 is linear. Each run has a process of its own, and its memory is what
that holds at most beyond what it holds when all is imported. Of steps that take long, larger sizes are left out, unless
the variable ASSETFORGE_BENCH_ALL_SIZES is set.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from benchmarks import one_step
from benchmarks.figures import Figures, bar, shortfall, with_unit
from benchmarks.step_inputs import INPUTS, Inputs, sample

from assetforge.execute.worker_process import settings
from assetforge.material.material import Material
from assetforge.plugins import load

SIZES = (512, 1024, 2048, 4096)
ALWAYS = 1024
"""Sizes up to this are measured of every step, as growth is told by two."""
PATIENCE = math.inf if "ASSETFORGE_BENCH_ALL_SIZES" in os.environ else 3.0
"""Seconds that a larger size may be expected to take."""
MEMORY = 0.6
"""Part of the machine's memory that a size may be expected to take."""
TIME_GROWTH, MEMORY_GROWTH = 1.15, 1.05
BRIEF = 0.02
"""Seconds below which a size tells nothing of growth: its maps fit the cache of the processor."""


@dataclass(frozen=True)
class Run:
    """What a step took at one size."""

    side: int
    seconds: float
    cpu: float
    memory: int

    @property
    def text(self) -> str:
        return f"{with_unit(self.seconds, 's')}, {with_unit(self.memory / 2**20, 'MiB')}"


class Samples:
    """The sample at all sizes, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, side: int, inputs: Inputs) -> Path:
        """Return a folder that holds what a step is given at this size."""
        kept, own = self._folder / str(side), self._folder / "own"
        if not kept.exists():
            write(sample(side), kept)
        if inputs.material is None:
            return kept
        shutil.rmtree(own, ignore_errors=True)
        maps = {file.stem: torch.load(file, weights_only=False) for file in kept.iterdir()}
        write(inputs.material(Material("sample", maps)), own)
        return own


def write(material: Material, folder: Path) -> None:
    folder.mkdir()
    for name, texture in material.items():
        torch.save(texture, folder / f"{name}.pt")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return Samples(tmp_path_factory.mktemp("samples"))


def run_once(step: str, side: int, folder: Path, params: Mapping[str, object]) -> Run:
    """Run a step in a process that is set up as our workers are."""
    env = {**os.environ, **settings(len(os.sched_getaffinity(0))), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, one_step.__file__, step, str(folder), json.dumps(params))
    done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE)
    return Run(side, **json.loads(done.stdout))


def left_out(side: int, runs: list[Run]) -> str:
    """Say why a size is not measured, by what the largest one before took; nothing where it is."""
    if not runs:
        return ""
    pixels = (side / runs[-1].side) ** 2
    if side > ALWAYS and runs[-1].seconds * pixels > PATIENCE:
        return "left out: time"
    most = MEMORY * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return "left out: memory" if runs[-1].memory * pixels > most else ""


def growth(values: Mapping[int, float]) -> float | None:
    """Return the exponent by which values grow with the pixels of squares, by side; None where fewer than two tell."""
    if len(values) < 2:
        return None
    pixels = [2 * math.log(side) for side in values]
    return statistics.linear_regression(pixels, [math.log(value) for value in values.values()]).slope


@pytest.mark.parametrize("step", sorted(load().steps))
def test_growth(step: str, samples: Samples, tmp_path: Path, figures: Figures) -> None:
    inputs = INPUTS.get(step, Inputs())
    params, runs = inputs.params(tmp_path), list[Run]()
    sizes = {}
    for side in SIZES:
        why = left_out(side, runs)
        if not why:
            runs.append(run_once(step, side, samples.folder(side, inputs), params))
        sizes[f"{side}²"] = why or runs[-1].text
    grown = {
        "time grows by": (growth({run.side: run.cpu for run in runs if run.cpu >= BRIEF}), TIME_GROWTH),
        "memory grows by": (growth({run.side: run.memory for run in runs}), MEMORY_GROWTH),
    }
    told = {
        name: "too brief" if found is None else f"{found:.2f} ({bar(most)})" for name, (found, most) in grown.items()
    }
    bytes_each = {"bytes a pixel": f"{runs[-1].memory / runs[-1].side ** 2:.0f}"}
    figures.add(
        {"step": f"`{step}`{inputs.told and f' ({inputs.told})'}", **sizes, **told, **bytes_each},
        [
            shortfall(found, most, name.removesuffix(" grows by"))
            for name, (found, most) in grown.items()
            if found is not None
        ],
    )
