"""Tests that run in a process of their own, which is allowed so much time and memory: `@pytest.mark.limited`.

The process is a copy of the one that runs the tests, as made by fork. Processes that it starts are limited alike.
"""

from __future__ import annotations

import os
import pickle
import resource
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

SECONDS = 20.0
"""That a test may take; most take a hundredth of that, but other tests run beside it."""
MEMORY = 256 * 2**20
"""Bytes that it may take beyond what the process holds that runs the tests."""


def run_limited(test: Callable[[], object], seconds: float = SECONDS, memory: int = MEMORY) -> None:
    """Call a function in a process of its own; fail as it does, or where it goes beyond the limits."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which are those of libraries, and wait
        process = os.fork()
    if process == 0:
        os.close(ours)
        _call(test, theirs, memory)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        content = _content(answer.fileno(), time.monotonic() + seconds)
    if content is None:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if content is None:
        pytest.fail(f"took more than {seconds:g} s", pytrace=False)
    if not content:
        pytest.fail(f"ended with {os.waitstatus_to_exitcode(status)}", pytrace=False)
    outcome, text = pickle.loads(content)
    if outcome == "skipped":
        pytest.skip(text)
    if outcome == "failed":
        pytest.fail(text, pytrace=False)


def _call(test: Callable[[], object], pipe: int, memory: int) -> None:
    """Call the function within limits, tell of it, and end the process."""
    outcome, text = "passed", ""
    try:
        most = _held() + memory
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        test()
    except pytest.skip.Exception as skipped:
        outcome, text = "skipped", str(skipped)
    except BaseException:  # noqa: BLE001  the process ends here, and whatever it is is told
        outcome, text = "failed", traceback.format_exc()
    finally:
        with os.fdopen(pipe, "wb") as answer:
            answer.write(pickle.dumps((outcome, text)))
        os._exit(0)


def _held() -> int:
    """Return the bytes of private memory that this process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _content(pipe: int, until: float) -> bytes | None:
    """Return all that comes through a pipe; None where its end does not come in time."""
    content = b""
    while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        if not (part := os.read(pipe, 2**16)):
            return content
        content += part
    return None
