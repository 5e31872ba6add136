"""Memory that `upscale` takes: the picture, its result, and what a tile needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from assetforge.execute.worker_process import settings

GIB = 2**30
PROGRAM = """\
import sys
from pathlib import Path

import torch
from upscale.test_upscale import upscale

import assetforge as af

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

small = torch.rand(3, int(sys.argv[1]), int(sys.argv[1]), generator=torch.Generator().manual_seed(0))
material = af.Material("m", {"base_color": af.Texture(small, af.ColorSpace.LIN_REC709)})
before = peak()
made = upscale(material, scale=2)["base_color"].data
print(peak() - before - made.nbytes)
"""


def beyond_the_picture(side: int) -> int:
    """Bytes that the step takes at most beyond a picture of this side and its result, as a worker is set up."""
    command = (sys.executable, "-c", PROGRAM, str(side))
    env = {**os.environ, **settings(1), "PYTHONPATH": os.pathsep.join(sys.path)}
    return int(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of memory so")
def test_memory_is_that_of_a_tile_however_large_the_picture() -> None:
    small, large = (beyond_the_picture(side) for side in (640, 1280))
    assert large < small + 4 * 3 * 2560**2  # not even one copy of the result


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of memory so")
def test_8192_squared_takes_less_than_2_gib_beyond_itself() -> None:
    assert beyond_the_picture(8192) < 2 * GIB
