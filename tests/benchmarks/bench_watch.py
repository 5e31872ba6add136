"""How soon the watch daemon begins, and that it loses and leaks nothing under load.

What takes minutes has the mark `slow`: `make soak` runs it.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.figures import Figures
from execute.conftest import outputs, write_project
from watch.conftest import Watcher, picture

BURST, QUEUE = 30_000, 1024
BATCHES, BATCH = 20, 250
FILES = 60
LONG = 1800.0

INOTIFY_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", assets=0)


@pytest.fixture
def small_queue() -> Iterator[None]:
    before = INOTIFY_QUEUE.read_text()
    try:
        INOTIFY_QUEUE.write_text(str(QUEUE))
    except OSError:
        pytest.skip("the size of the system's queue cannot be set here")
    yield
    INOTIFY_QUEUE.write_text(before)


@pytest.mark.parametrize(("polling", "first", "bar"), [("auto", 0.5, 0.35), ("always", math.inf, 4.0)])
def test_latency_from_close_to_job_start(
    polling: str, first: float, bar: float, project: Path, figures: Figures
) -> None:
    with (project / "pipeline.yaml").open("a") as file:
        file.write(f"watch: {{polling: {polling}}}\n")
    watcher = Watcher(project)
    watcher.wait_until_watching()
    (project / "textures" / "first_d.png").write_bytes(picture(0))
    rng, closed = random.Random(1), {"first": time.time()}
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    for n in range(FILES):
        time.sleep(rng.uniform(0.05, 0.4))
        (project / "textures" / f"a{n:03}_d.png").write_bytes(picture(n))
        closed[f"a{n:03}"] = time.time()
    watcher.wait_for(lambda: watcher.states()["done"] == FILES + 1)
    started = {event["asset"]: event["time"] for event in watcher.events("JobStarted")}
    watcher.stop()
    after = {asset: started[asset] - at for asset, at in closed.items()}
    soonest, taken = after.pop("first"), sorted(after.values())
    median, p95 = statistics.median(taken), taken[int(0.95 * len(taken))]
    what = f"from the close of a file to the start of its job, polling {polling}"
    figures.measured(f"{what}, the first one after the start", soonest, most=first, on_clock=True)
    figures.measured(f"{what}, median", median)
    figures.measured(f"{what}, 95th percentile", p95, most=bar, on_clock=True)


@pytest.mark.slow
def test_a_burst_with_a_small_queue_loses_nothing(project: Path, small_queue: None, figures: Figures) -> None:
    watcher = Watcher(project)
    watcher.wait_until_watching()
    contents = [picture(n, 8) for n in range(BURST)]
    began = time.monotonic()
    for n, content in enumerate(contents):
        (project / "textures" / f"a{n:05}_d.png").write_bytes(content)
    written = time.monotonic() - began
    watcher.wait_for(lambda: watcher.done_count() == BURST, LONG, 1.0)
    taken = time.monotonic() - began
    lost = sum("lost track" in event["what"] for event in watcher.events("Trouble"))
    assert max(watcher.started().values()) == 1
    assert lost
    watcher.stop()
    assert len(outputs(project)) == BURST
    figures.measured(f"{BURST} files are written, with events lost {lost} times, after", written)
    figures.measured("all of them are built after", taken)


@pytest.mark.slow
@pytest.mark.parametrize("names", ["same", "new"])
def test_soak(names: str, project: Path, figures: Figures) -> None:
    """Batches with corrupt files and steps that crash: what the host holds must not grow.

    Where every batch has new names, it knows more and more assets: then a daemon that has just begun is the measure.
    """
    plugin = project / "plugins" / "work.py"
    crash = "    if base.data[0, 0, 0] < 0.1:\n        os.kill(os.getpid(), signal.SIGKILL)\n    good ="
    plugin.write_text(plugin.read_text().replace("    good =", crash))
    watcher = Watcher(project)
    watcher.wait_until_watching()
    bad = 0
    for batch in range(BATCHES):
        for n in range(BATCH):
            name = f"b{batch if names == 'new' else 0:02}n{n:03}_d.png"
            content = bytearray(picture(batch * BATCH + n))
            if n % 50 == 7:
                content = content[:200] + content[-12:]  # a corrupt file
                bad += 1
            (project / "textures" / name).write_bytes(content)
        if batch % 5 == 2:
            (project / "textures" / f"b{batch:02}crash_d.png").write_bytes(picture(1000 * batch, crash=True))
            bad += 1
        total = (batch + 1) * BATCH + (batch + 3) // 5
        watcher.wait_for(lambda total=total: sum(watcher.states().values()) >= total, LONG, 1.0)  # type: ignore[misc]
        time.sleep(2)
        tell_of(figures, f"batch {batch}, {names} names", watcher)
    assert watcher.states()["failed"] == bad
    assert watcher.stop() == 0
    watcher = Watcher(project)
    watcher.wait_until_watching()
    time.sleep(10)
    tell_of(figures, f"a daemon that has just begun, {names} names", watcher)
    watcher.stop()


def tell_of(figures: Figures, what: str, watcher: Watcher) -> None:
    """Record what a daemon holds."""
    figures.add({"what": what, **{name: str(value) for name, value in watcher.holds().items()}})
