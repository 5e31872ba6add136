"""How many processes a machine gets, and for which device."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetforge.codecs.allowance import Limits
from assetforge.execute.messages import Ready, Setup
from assetforge.execute.worker_pool import ProcessWorkerFactory, choose_processes
from assetforge.store.results import Store

NOWHERE = Path("scratch")


def factory(device: str, processes: int) -> ProcessWorkerFactory:
    setup = Setup("", NOWHERE, "", NOWHERE, NOWHERE, Store(NOWHERE), {}, {}, "up", Limits(), None, 1, (), {}, "")
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


GIB = 2**30


def test_few_jobs_get_one_process_with_all_threads_and_many_get_one_for_each_thread() -> None:
    assert [choose_processes(jobs, 2, 64 * GIB) for jobs in (0, 1, 7, 8, 1000)] == [1, 1, 1, 2, 2]
    assert [choose_processes(jobs, 12, 64 * GIB) for jobs in (1, 20, 29, 1000)] == [1, 4, 6, 12]


def test_processes_fit_into_memory() -> None:
    assert choose_processes(1000, 16, 13 * GIB) == 4
    assert choose_processes(1000, 16, GIB) == 1


def test_a_process_computes_with_its_part_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert [factory("cpu", processes)._threads("device") for processes in (1, 2, 8)] == [8, 4, 1]
