"""Workers are copies of a process that has loaded torch: each in a group of its own, and told of when it ends."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from conftest import ROOT

from assetforge.execute import environment, fork_server
from assetforge.execute.fork_server import ForkedProcess, ForkServer
from assetforge.execute.worker_process import settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks workers")


Fork = Callable[[ForkServer], ForkedProcess]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with closing(ForkServer({**environment.needed(), **settings(1)})) as found:
        yield found


@pytest.fixture
def fork() -> Iterator[Fork]:
    """Fork workers, and let go of them in the end."""
    with ExitStack() as pipes:

        def fork(server: ForkServer) -> ForkedProcess:
            worker = server.fork()
            for pipe in (worker.stdin, worker.stdout, worker.stderr):
                pipes.enter_context(pipe)
            return worker

        yield fork


def log_of(worker: ForkedProcess) -> str:
    return worker.stderr.read().decode()


def test_a_worker_whose_host_lets_go_ends_well(server: ForkServer, fork: Fork) -> None:
    worker = fork(server)
    worker.stdin.close()
    assert worker.wait(60) == 0
    assert worker.stdout.read() == b""
    assert server.is_idle()


def test_what_stands_instead_of_a_message_ends_one_worker_and_no_other(server: ForkServer, fork: Fork) -> None:
    bad, good = fork(server), fork(server)
    bad.stdin.write((3).to_bytes(8, "little") + b"???")
    bad.stdin.close()
    assert bad.wait(60) == 1
    assert "UnpicklingError" in log_of(bad)
    good.stdin.close()
    assert good.wait(60) == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGSEGV])
def test_it_is_told_which_signal_ended_a_worker(sent: int, server: ForkServer, fork: Fork) -> None:
    worker = fork(server)
    worker.send_signal(sent)
    assert worker.wait(60) == -sent


def test_a_worker_is_killed_with_all_of_its_group(server: ForkServer, fork: Fork) -> None:
    worker = fork(server)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0.05)
    worker.kill_group()
    assert worker.wait(60) == -signal.SIGKILL


def test_a_worker_that_is_killed_while_torch_is_loaded_never_begins(fork: Fork) -> None:
    with closing(ForkServer({**environment.needed(), **settings(1)})) as server:
        worker = fork(server)
        worker.kill_group()
        assert worker.wait(60) == -signal.SIGKILL
        assert fork(server).wait(60) != 0  # and no other waits for ever


def test_why_it_cannot_start_is_in_the_log_of_its_first_worker(tmp_path: Path, fork: Fork) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('torn')")
    with closing(ForkServer({**environment.needed(), "PYTHONPATH": f"{tmp_path}:{ROOT}"})) as server:
        worker = fork(server)
        assert worker.wait(60) == 1
        assert "ImportError: torn" in log_of(worker)


class Leaving:
    """A message that lets a worker leave its group, and tell so, and wait."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("import os, time; os.setpgid(0, os.getppid()); os.write(2, b'left'); time.sleep(60)",)


def test_a_worker_that_has_left_its_group_is_killed_alone(server: ForkServer, fork: Fork) -> None:
    leaver, other = fork(server), fork(server)
    packed = pickle.dumps(Leaving())
    leaver.stdin.write(len(packed).to_bytes(8, "little") + packed)
    leaver.stdin.flush()
    assert leaver.stderr.read(len("left")) == b"left"
    leaver.kill_group()
    assert leaver.wait(60) == -signal.SIGKILL
    other.stdin.close()
    assert other.wait(60) == 0


def test_where_no_process_can_be_started_those_that_run_go_on() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = os.fork()
    if server == 0:
        near.close()
        serve_without_processes(far)
    far.close()
    with near:
        near.settimeout(60)
        assert near.recv(64) == b"loaded"
        for number in (1, 2):  # it is there still
            log, theirs = os.pipe()
            socket.send_fds(near, [f"{number} {fork_server.FORK}".encode()], [theirs] * 4)
            os.close(theirs)
            assert near.recv(64) == f"{number} 1".encode()
            with os.fdopen(log) as text:
                assert text.read() == "no process can be started (Resource temporarily unavailable)\n"
    assert os.waitpid(server, 0)[1] == 0


def serve_without_processes(channel: socket.socket) -> NoReturn:
    """Be a fork server whose user may have no more processes."""
    try:
        import resource

        from assetforge.execute import compute, map_io, worker_main  # noqa: F401

        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        if os.getuid() == 0:  # who may have as many as there can be
            os.setuid(65534)
        fork_server.serve(channel)
    finally:
        os._exit(1)


def test_where_no_more_files_can_be_opened_none_stays_open_and_the_next_worker_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_server, "_running", {})
    env, before = {**environment.needed(), **settings(1)}, open_files()
    worker, refused = None, 0
    for room in range(min(before), max(before) + 20):
        try:
            with at_most(room):
                worker = fork_server.fork_worker(env)
            break
        except OSError as error:
            refused += 1
            assert error.errno == errno.EMFILE
            assert open_files() == before
    assert refused > 8  # at each of the files that it takes
    assert worker is not None
    with worker.stdin, worker.stdout, worker.stderr:
        worker.stdin.close()
        assert worker.wait(60) == 0
    for server in fork_server._running.values():
        server.close()


def open_files() -> set[int]:
    return {int(file.name) for file in Path("/proc/self/fd").iterdir()}


@contextmanager
def at_most(files: int) -> Iterator[None]:
    """Let this process have no file open from a number on."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_workers_share_a_server_only_where_their_environment_is_the_same(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[ForkServer] = []

    class Begun(ForkServer):
        def start(self, log: int) -> fork_server.Server:
            begun.append(self)
            return super().start(log)

    one, other = ({**environment.needed(), **settings(threads)} for threads in (1, 2))
    monkeypatch.setattr(fork_server, "ForkServer", Begun)
    monkeypatch.setattr(fork_server, "_running", {frozenset(one.items()): server})
    workers = [fork_server.fork_worker(found) for found in (one, other, one, other)]
    assert [found._environment for found in begun] == [other]
    for worker in workers:
        with worker.stdin, worker.stdout, worker.stderr:
            worker.stdin.close()
            assert worker.wait(60) == 0
    begun[0].close()
