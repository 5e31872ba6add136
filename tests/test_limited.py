"""A test that is limited fails as it would, and where it goes beyond its limits."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from limited import run_limited

HERE = os.getpid()
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process so")


def fails(test: object, expected: str, **limits: float) -> None:
    with pytest.raises(pytest.fail.Exception, match=expected):
        run_limited(test, **limits)  # type: ignore[arg-type]


def test_what_fails_takes_too_long_too_much_or_dies_is_told() -> None:
    fails(lambda: 1 / 0, "ZeroDivisionError")
    fails(lambda: time.sleep(60), "took more than 0.2 s", seconds=0.2)
    fails(lambda: bytearray(2**28), "MemoryError", memory=2**26)
    fails(lambda: os._exit(7), "ended with 7")
    fails(lambda: os.kill(os.getpid(), signal.SIGKILL), "ended with -9")


def test_what_is_right_passes_within_its_limits() -> None:
    run_limited(lambda: bytearray(2**25), seconds=10, memory=2**26)


@pytest.mark.limited
def test_a_limited_test_runs_in_a_process_of_its_own() -> None:
    assert os.getpid() != HERE
