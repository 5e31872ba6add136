"""Runs commands in processes that are forked off one in which all is imported already: real ones, and fast.

As a program, it is that process: it reads requests as lines of JSON, and answers each with an exit code.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SECONDS = 120
"""That a command may take."""
MEMORY = 2**31
"""Bytes that each process of a command may take, on Linux: one that computes takes half of that for PyTorch alone."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str


class Commands:
    """Runs `assetforge` in a folder, again and again."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        )

    def run(self, folder: Path, *arguments: str) -> Done:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        out, err = self._scratch / "out", self._scratch / "err"
        request = {"folder": os.fsdecode(folder), "arguments": arguments, "out": str(out), "err": str(err)}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return Done(arguments, code, out.read_text(errors="replace"), err.read_text(errors="replace"))

    def close(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def _serve() -> None:
    from importlib import import_module

    from assetforge.cli import main
    from assetforge.commands import COMMANDS

    for name in COMMANDS:
        import_module(f"assetforge.cli.{name}")
    import assetforge.execute.session  # noqa: F401
    from assetforge.plugins import load

    load()

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
            main(request["arguments"])
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(request: dict[str, str]) -> None:
    """Take the place of a command that was started in the request's folder, and may take so much time and memory."""
    signal.alarm(SECONDS)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.chdir(request["folder"])
    for number, name in ((1, "out"), (2, "err")):
        opened = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)


if __name__ == "__main__":
    _serve()
