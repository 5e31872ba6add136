"""Daemons in real processes, and what they say."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from commands import shared
from execute.conftest import descendants, write_project

PATIENCE = 120.0

Start = Callable[..., "Watcher"]


class Watcher:
    """`assetforge watch` in a process of its own."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.project = project
        self.log = project / "events.jsonl"
        self._from = self.log.stat().st_size if self.log.exists() else 0
        command = ("watch", "pipeline.yaml", "--events", str(self.log), *arguments)
        self.process = shared().start(project, *command, out=project / "output.txt")

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """Return what it has told, this time."""
        if not self.log.exists():
            return []
        lines = self.log.read_bytes()[self._from :].split(b"\n")[:-1]
        told = [json.loads(line) for line in lines]
        return [event for event in told if not kind or event["event"] == kind]

    def states(self) -> Counter[str]:
        """Count how jobs ended."""
        return Counter(event["state"] for event in self.events("JobFinished"))

    def started(self) -> Counter[str]:
        """Count how often each asset's job was begun."""
        return Counter(event["asset"] for event in self.events("JobStarted"))

    def wait_for(self, condition: Callable[[], object], patience: float = PATIENCE, pause: float = 0.05) -> None:
        """Wait until something holds; fail where it never does, or the daemon ends."""
        until = time.monotonic() + patience
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, f"{self.events()[-5:]}\n{self.said()}"
            time.sleep(pause)

    def wait_until_watching(self) -> None:
        self.wait_for(lambda: self.events("Watching"))

    def status(self) -> dict[str, Any]:
        """Return what its status file says; nothing where there is none of this process."""
        for file in (self.project / ".assetforge").glob("daemon-*.json"):
            status: dict[str, Any] = json.loads(file.read_bytes())
            if status["pid"] == self.process.pid:
                return status
        return {}

    def done_count(self) -> int:
        """Return how many jobs it says are done, without reading all that it has told."""
        return int(self.status().get("done_count", 0))

    def wait_until_idle(self, done: int = 0) -> None:
        """Wait until so many jobs are done at least, no file arrives, and nothing is being built or waits for it."""

        def is_idle() -> bool:
            status = self.status()
            busy = ("arriving_count", "waiting_count", "building")
            return bool(status) and status["done_count"] >= done and not any(status[name] for name in busy)

        self.wait_for(is_idle)

    def holds(self) -> dict[str, int]:
        """Return what its process holds: memory in KiB, threads, open files and processes that it has started."""
        folder = Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        files = len(list((folder / "fd").iterdir()))
        return {
            "memory": int(status["VmRSS"].split()[0]),
            "threads": int(status["Threads"]),
            "files": files,
            "processes": len(descendants(self.process.pid)),
        }

    def cpu_seconds(self) -> float:
        """Return the CPU time that its process has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def said(self) -> str:
        return (self.project / "output.txt").read_text()

    def stop(self, sent: int = signal.SIGTERM) -> int:
        """End it in good order; return its exit code."""
        self.process.send_signal(sent)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it as a power failure of its group would."""
        self.process.kill_group()
        self.process.wait(PATIENCE)


@pytest.fixture
def watch() -> Iterator[Start]:
    """Start daemons, and see that none is left."""
    watchers: list[Watcher] = []

    def begin(project: Path, *arguments: str) -> Watcher:
        watchers.append(Watcher(project, *arguments))
        return watchers[-1]

    yield begin
    for watcher in watchers:
        watcher.kill()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one step and no sources yet."""
    return write_project(tmp_path / "project", assets=0)


def picture(seed: int, size: int = 16, *, gray: bool = False, crash: bool = False) -> bytes:
    """Return a noisy PNG that is like no other."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    pixels[0, 0] = 0 if crash else 255  # by which the step knows how it is to behave
    done, content = cv2.imencode(".png", pixels[..., :1] if gray else pixels)
    assert done
    return content.tobytes()
