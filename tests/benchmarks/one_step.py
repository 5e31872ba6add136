"""Run one step on a material, and print what it took: a program, as the peak of memory is that of a process.

python one_step.py STEP FOLDER PARAMS    # the folder holds a file NAME.pt for each map, PARAMS is JSON
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

import assetforge as af
from assetforge import weights
from assetforge.material.material import Material
from assetforge.plugins import load

ENOUGH, REPEATS, LONG = 0.5, 5, 4.0
"""A step that takes less than so many seconds runs again, so many times at most, and the fastest counts. One that is
not long runs twice: the first time, it may load what it uses."""


def peak() -> int:
    """Return the bytes that this program has held at most.

    Not `ru_maxrss`, which on Linux begins with what the process held that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def main(name: str, folder: Path, text: str) -> None:
    """Run the step until the time can be trusted."""
    registry = load()
    step = registry.steps[name]
    params = step.params.model_validate(json.loads(text))
    specs = {file.stem: registry.maps[file.stem] for file in sorted(folder.glob("*.pt"))}
    files = {one: weights.find(one, registry.plugin_of(name).folder) for one in step.weights_of(params)}
    context = af.Context(0, "cpu", lambda _: None, files, registry.maps)
    imported, times = peak(), []
    reads = step.reads_with(params, specs)
    material = Material("bench", {one: torch.load(folder / f"{one}.pt", weights_only=False) for one in sorted(reads)})
    while len(times) < REPEATS and sum(wall for wall, _ in times) < (ENOUGH if len(times) > 1 else LONG):
        began, computed = time.perf_counter(), time.process_time()
        with torch.no_grad():
            step.run(material, params, context)
        times.append((time.perf_counter() - began, time.process_time() - computed))
    wall, cpu = (min(each) for each in zip(*times, strict=True))
    sys.stdout.write(json.dumps({"seconds": wall, "cpu": cpu, "memory": peak() - imported}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
