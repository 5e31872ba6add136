"""One key, one result, whatever the machine: steps on few cores and many, with and without wide instructions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from bytes_of_steps import compared
from test_pipelines import PIPELINES, forge, redirected

TESTS = Path(__file__).parent
NARROW = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX",
}
EXACT = ("patches", "lattice", "in place", "blend", "apply_map", "mips", "files for GPUs")
"""Steps that are the same to the bit on every processor, as is "edges"; the others are so with any number of cores."""
OF_SAMPLES = [file for file in PIPELINES if "sources: ../samples" in file.read_text(encoding="utf-8")]
TOLERANCE = {"upscale": 1e-5}
"""How far a network's convolutions may be apart on processors of other instructions."""


@lru_cache
def told(
    folder: Path, threads: int, cores: int, narrow: bool, names: tuple[str, ...] = ()
) -> dict[str, tuple[str, float]]:
    """Run steps, all by default, on so many cores and threads; return digests, and distances to the first run."""
    waiting = {"OMP_WAIT_POLICY": "passive", "MKL_DYNAMIC": "FALSE"}  # there are more threads than cores
    settings = {"OMP_NUM_THREADS": str(threads), **waiting, **(NARROW if narrow else {})}
    command = [sys.executable, str(TESTS / "bytes_of_steps.py"), str(folder / "first.pt"), *names]
    inherited = {name: value for name, value in os.environ.items() if name not in NARROW}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:cores]))
    try:
        done = subprocess.run(command, env={**inherited, **settings}, capture_output=True, text=True, check=False)
    finally:
        os.sched_setaffinity(0, before)
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first run of all steps is kept: one thread, one core."""
    made = tmp_path_factory.mktemp("bytes")
    told(made, 1, 1, narrow=False)
    return made


pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores"
)


@pytest.mark.parametrize("exact", [EXACT, pytest.param(("edges",), marks=pytest.mark.slow)], ids=str)
def test_steps_are_alike_on_every_processor_and_on_any_number_of_cores(exact: tuple[str, ...], tmp_path: Path) -> None:
    names = (*exact, *TOLERANCE)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first = compared(tmp_path / "first.pt", names)  # here, as to begin a process takes long
    finally:
        torch.set_num_threads(threads)
    here = told(tmp_path, 4, 2, narrow=True, names=names)
    for name in exact:
        assert here[name][0] == first[name][0], name
    for name, most in TOLERANCE.items():
        assert here[name][1] <= most, name


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 4, 16])
def test_no_step_depends_on_the_number_of_cores(folder: Path, threads: int) -> None:
    first, here = told(folder, 1, 1, narrow=False), told(folder, threads, 2, narrow=False)
    assert {name: digest for name, (digest, _) in here.items()} == {name: digest for name, (digest, _) in first.items()}


@pytest.mark.slow
@pytest.mark.parametrize("file", OF_SAMPLES, ids=lambda file: file.stem)
def test_shipped_pipelines_make_the_same_files_on_one_core_and_on_two(file: Path, tmp_path: Path) -> None:
    forge("samples", str(tmp_path / "samples"), "--size", "96")
    below = "{preset}/{name}" if "{preset}" in file.read_text(encoding="utf-8") else "{name}"
    made = []
    before = os.sched_getaffinity(0)
    for cores in (1, 2):
        folder = tmp_path / "made"  # the same, as Unity's files tell which ones they belong to by paths
        os.sched_setaffinity(0, set(sorted(before)[:cores]))
        try:
            forge("run", str(file), *redirected(folder, tmp_path / "samples", below))
        finally:
            os.sched_setaffinity(0, before)
        build = folder / "build"
        made.append({path.relative_to(build): path.read_bytes() for path in build.rglob("*") if path.is_file()})
        folder.rename(tmp_path / str(cores))
    assert made[0]
    assert made[0] == made[1]
