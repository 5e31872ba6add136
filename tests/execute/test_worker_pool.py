"""How many processes a machine gets, and for which device."""

from __future__ import annotations

from pathlib import Path

from assetforge.codecs.allowance import Limits
from assetforge.execute.messages import Ready, Setup
from assetforge.execute.worker_pool import ProcessWorkerFactory
from assetforge.store.results import Store

NOWHERE = Path("scratch")


def factory(device: str, processes: int) -> ProcessWorkerFactory:
    setup = Setup("", NOWHERE, "", NOWHERE, NOWHERE, Store(NOWHERE), {}, {}, "up", Limits(), None, {}, "")
    return ProcessWorkerFactory(setup, device, processes)


def test_every_device_gets_its_own_processes() -> None:
    workers = factory("auto", 2)
    assert workers._device("device") == "auto"
    workers.started("device", Ready("cuda:0", ("cuda:0", "cuda:1", "cuda:2")))
    assert workers.max_workers["device"] == 6
    devices = ["cuda:0", *(workers._device("device") for _ in range(5))]
    assert sorted(filter(None, devices)) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1", "cuda:2", "cuda:2"]
    assert workers._device("cpu") == "cpu"
    assert workers._device("io") is None


def test_one_device_gets_as_many_processes_as_were_asked_for() -> None:
    workers = factory("cpu", 3)
    workers.started("device", Ready("cpu", ("cpu",)))
    assert workers.max_workers["device"] == 3
