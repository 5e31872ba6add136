"""How many workers a machine gets, of which kind, and with how many threads."""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from assetforge.events import Event
from assetforge.execute.crew import Bounds, Inbox, InlineWorker, SpawnedWorker, Worker
from assetforge.execute.devices import AUTO, CPU, resolve_device
from assetforge.execute.memory import memory
from assetforge.execute.protocol import Setup
from assetforge.execute.stages import Pool, Ready
from assetforge.execute.workplace import Workplace
from assetforge.hookspecs import Hooks

_GPU_THREADS = 2
_CPU_STEP_THREADS = 2


def cores() -> int:
    """Return how many cores this process may use: OMP_NUM_THREADS counts, as it does everywhere."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def likely_device(wanted: str) -> str:
    """Return `cpu` where `auto` can mean nothing else, as there is no driver; torch is not needed to know that."""
    if wanted != AUTO:
        return wanted
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return CPU
    return AUTO


@dataclass
class Hiring:
    """Hires the workers of a run."""

    template: Setup
    """What all of them are told, but for their names and devices."""
    device: str
    processes: int
    """How many compute on each device."""
    devices: list[str] = field(default_factory=list)
    """Devices in the order in which workers get them; the first is what was asked for until it is known."""
    most: dict[Pool, int] = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _hired: int = 0

    def __post_init__(self) -> None:
        self.devices = [self.device] * self.processes
        self.most = {"codec": cores(), "device": self.processes, "cpu": max(1, cores() // _CPU_STEP_THREADS)}

    def __call__(self, pool: Pool, inbox: Inbox) -> Worker:
        """Start a worker of a pool."""
        number = next(self._numbers)
        setup = Setup(**{**vars(self.template), "name": f"{pool}-{number}", "device": self._device(pool)})
        return SpawnedWorker(setup, pool, self._threads(pool), inbox)

    def _device(self, pool: Pool) -> str | None:
        if pool == "codec":
            return None
        if pool == "cpu":
            return CPU
        self._hired += 1
        return self.devices[(self._hired - 1) % len(self.devices)]

    def _threads(self, pool: Pool) -> int:
        if pool == "codec":
            return 1
        if pool == "cpu":
            return min(cores(), _CPU_STEP_THREADS)
        return max(1, cores() // self.processes) if self.device == CPU else _GPU_THREADS

    def started(self, pool: Pool, ready: Ready) -> None:
        """Take note of the devices that there are."""
        if pool == "device" and len(ready.devices) > 1 and self.most["device"] == self.processes:
            others = [device for device in ready.devices for _ in range(self.processes)]
            self.devices = others
            self.most["device"] = len(others)

    def bounds(self) -> Bounds:
        """Return how much may be under way at once."""
        return Bounds(2 * (self.most["device"] + 1) + self.most["codec"], memory() * 4 // 5, memory() // 4)


@dataclass
class Inline:
    """Does everything in this process."""

    template: Setup
    device: str
    hooks: Hooks
    emit: Callable[[Event], None]

    def __post_init__(self) -> None:
        self.most: dict[Pool, int] = {"codec": 1, "device": 1, "cpu": 1}
        self.device = resolve_device(self.device)

    def __call__(self, pool: Pool, inbox: Inbox) -> Worker:
        """Make a worker that is this very process."""
        setup = self.template
        workplace = Workplace(
            f"inline-{pool}", setup.run, setup.pipeline, setup.outputs, setup.store, setup.specs, setup.green,
            setup.precision, setup.limits, self.device, self.hooks, self.emit,
        )  # fmt: skip
        return InlineWorker(workplace, pool, inbox)

    def started(self, pool: Pool, ready: Ready) -> None:
        """Do nothing: there is one device."""

    def bounds(self) -> Bounds:
        """Return that one job is done after the other."""
        return Bounds(1, memory(), memory())
