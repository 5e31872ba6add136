"""Fixtures that many tests share: projects with real files, and the shared data where it is at hand."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import hypothesis
import numpy as np
import pytest
from commands import ADDRESS, Server, shared

import assetforge.plugins
from assetforge.plugins import Registry

# A shell that starts the tests in the background has children ignore interrupts, and tests send some.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile(  # machines are busy
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

PIPELINE = """\
version: 1
sources: textures
inputs:
  base_color: "{name}_d.png"
  normal: "{name}_n.png?"
steps:
  - use: upscale
    with: {scale: 2, method: lanczos}
outputs:
  dir: build
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run two tests more at a time than there are cores: those that start daemons and runs wait for them."""
    return len(os.sched_getaffinity(0) if sys.platform == "linux" else range(os.cpu_count() or 1)) + 2


def pytest_configure(config: pytest.Config) -> None:
    """Let processes that run tests side by side share the one off which they fork commands: to begin it takes long."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        folder = TemporaryDirectory(prefix="commands-")
        server = Server(Path(folder.name))
        os.environ[ADDRESS] = server.address
        for cleanup in (folder.cleanup, server.close):
            config.add_cleanup(cleanup)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while thousands of tests are collected, nor in them later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


LONG = (
    "watch/test_daemon.py", "watch/test_changes.py", "execute/test_crashes.py", "execute/test_session.py",
    "execute/test_poison.py", "test_hostile.py", "stylize/test_stylize.py", "multiply/test_multiply.py",
    "test_snapshot.py", "stylize/test_optimize.py", "serve/test_live.py", "watch/test_requests.py",
    "test_same_bytes.py", "upscale/test_bounds.py", "execute/test_publish.py", "viewer/test_browser.py",
    "multiply/test_neural.py", "svbrdf/test_watched.py", "execute/test_two_at_once.py", "multiply/test_patches.py",
    "store/test_history.py", "upscale/test_upscale.py", "test_notes.py", "svbrdf/test_svbrdf.py",
)  # fmt: skip
"""Modules that take longest, whether they compute or wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest, so that in the end no process waits for another."""
    order = {ROOT / "tests" / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test with the mark `limited` in a process of its own, where the system can limit that."""
    mark = pyfuncitem.get_closest_marker("limited")
    if mark is None or sys.platform != "linux":
        return None
    from limited import run_limited

    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    run_limited(lambda: pyfuncitem.obj(**arguments), **mark.kwargs)
    return True


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Let signals do what they did, as a command that has run in this process ignores them, and so would children."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared data folder; tests that need it skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip("the shared data folder is not there")
    return DATA


@pytest.fixture(scope="session")
def registry() -> Registry:
    return assetforge.plugins.load(training=True)


def write_texture(path: Path, seed: int = 0, size: tuple[int, int] = (24, 32), depth: type = np.uint8) -> Path:
    """Write a noisy color PNG."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, np.iinfo(depth).max, (*size, 3), dtype=depth)
    assert cv2.imwrite(str(path), pixels)
    return path


def write_normal(path: Path, size: tuple[int, int] = (24, 32)) -> Path:
    """Write a PNG of normals that lean to the right."""
    pixels = np.empty((*size, 3), np.uint8)
    pixels[:] = (235, 128, 190)  # blue, green, red
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of three assets and a pipeline that upscales them by Lanczos."""
    for seed, name in enumerate(("brick", "moss", "sand")):
        write_texture(tmp_path / "textures" / f"{name}_d.png", seed)
    write_normal(tmp_path / "textures" / "brick_n.png")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return tmp_path


Forge = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    """Run `assetforge` as a process in the test's folder."""

    def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        done = shared().run(tmp_path, *arguments, environment=environment)
        return subprocess.CompletedProcess(arguments, done.code, done.out, done.err)

    return run
