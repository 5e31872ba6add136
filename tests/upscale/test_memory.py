"""Memory that `upscale` takes: the picture, its result, and what a tile needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from assetforge_upscale._upscale import TILE

from assetforge.execute.worker_process import settings

GIB = 2**30
PROGRAM = """\
import os
import sys
from pathlib import Path

import torch
from upscale.test_upscale import upscale, upscaling

import assetforge as af

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

def measure(side):
    small = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
    material = af.Material("m", {"base_color": af.Texture(small, af.ColorSpace.LIN_REC709)})
    before = peak()
    made = upscale(material, scale=2)["base_color"].data
    print(peak() - before - made.nbytes, flush=True)

upscaling.TILE["cpu"], *sides = map(int, sys.argv[1:])
for side in sides:
    if not os.fork():
        measure(side)
        os._exit(0)
    os.wait()
"""


def beyond_the_picture(*sides: int, tile: int = TILE["cpu"]) -> list[int]:
    """Bytes that the step takes at most beyond a picture of each side and its result, forked off and set up as workers
    are."""
    command = (sys.executable, "-c", PROGRAM, str(tile), *map(str, sides))
    env = {**os.environ, **settings(1), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of memory so")
def test_memory_is_that_of_a_tile_however_large_the_picture() -> None:
    small, large = beyond_the_picture(192, 640, tile=128)
    assert large < small + 4 * 3 * 1280**2 / 2  # not even half a copy of the result


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of memory so")
def test_8192_squared_takes_less_than_2_gib_beyond_itself() -> None:
    [beyond] = beyond_the_picture(8192)
    assert beyond < 2 * GIB
