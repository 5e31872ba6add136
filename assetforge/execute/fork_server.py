"""Starts workers as copies of a process that has loaded torch: a copy takes milliseconds, and to load torch seconds.

The host starts a fork server for each environment that its workers need, and keeps it for as long as it lives. The
server loads no plugin, opens no device and runs one thread when it forks (those of OpenBLAS end before): a copy is as
good as a process started from nothing. It reaps the workers, and tells the host how each ended. When the host has gone,
so has it.

Only Linux can do that; elsewhere each worker is started from nothing.
"""

from __future__ import annotations

import atexit
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import NoReturn, Protocol

_MESSAGE_SIZE = 64
_LOADED = b"loaded"
FORK, _END = -1, 0
"""Instead of a signal's number: start a worker; end it at once, with all that it has started."""
_STANDARD_FILES = 3
_leave = os._exit  # a worker replaces it
_running: dict[frozenset[tuple[str, str]], ForkServer] = {}
_starting = threading.Lock()


def is_available() -> bool:
    """Tell whether workers may be copies here."""
    return sys.platform == "linux"


def fork_worker(environment: Mapping[str, str]) -> ForkedProcess:
    """Start a worker in an environment and in the current folder; raise OSError where the system has no more room."""
    with _starting:
        key = frozenset(environment.items())
        server = _running.get(key)
        if server is None or not server.is_running():
            for other, idle in list(_running.items()):
                if idle.is_idle():
                    _running.pop(other).close()
            server = _running[key] = ForkServer(environment)
        try:
            return server.fork()
        except OSError:  # no more files may be opened
            _running.pop(key).close()
            raise


class ForkedProcess:
    """A worker, as its host sees it: what of `subprocess.Popen` a host needs."""

    def __init__(self, server: ForkServer, number: int) -> None:
        self._server, self._number = server, number
        self._ended = threading.Event()
        self._code = 0
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_error, theirs_error) = _three_pipes()
        self.pipes = (theirs_in, theirs_out, theirs_error)
        """The ends of the pipes that become the worker's standard files."""
        self.stdin = os.fdopen(ours_in, "wb")
        self.stdout, self.stderr = os.fdopen(ours_out, "rb"), os.fdopen(ours_error, "rb")

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, negative for a signal; raise TimeoutExpired where it has not ended in time."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return self._code

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._server.send(self._number, number)

    def kill_group(self) -> None:
        """End it at once, with all that it has started."""
        self._server.kill_group(self._number)

    def ended(self, code: int) -> None:
        """Take note of how it ended."""
        self._code = code
        self._ended.set()


def _three_pipes() -> list[tuple[int, int]]:
    """Return the ends of three pipes; leave none open where not all can be."""
    with ExitStack() as made:
        pipes = []
        for _ in range(_STANDARD_FILES):
            pipes.append(os.pipe())
            for end in pipes[-1]:
                made.callback(os.close, end)
        made.pop_all()
    return pipes


class Server(Protocol):
    """What of `subprocess.Popen` the end of a fork server needs."""

    def wait(self) -> int:
        """Return the exit code."""

    def kill(self) -> None:
        """End it at once."""


class ForkServer:
    """The process that has loaded torch, as the host sees it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._host = os.getpid()
        self._workers: dict[int, ForkedProcess] = {}
        self._count = 0
        self._loaded = self._ended = False
        self._environment = environment
        self._process: Server | None = None
        self._listener: threading.Thread | None = None
        self._channel, self._far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def is_running(self) -> bool:
        """Tell whether it can fork workers of this process, and not of the one that this was copied from."""
        return not self._ended and self._host == os.getpid()

    def is_idle(self) -> bool:
        """Tell whether no worker of it runs."""
        return not self._workers

    def fork(self) -> ForkedProcess:
        """Start a worker; raise OSError where no more files may be opened, and then close it."""
        self._count += 1
        worker = self._workers[self._count] = ForkedProcess(self, self._count)
        with ExitStack() as ours, ExitStack() as theirs:
            for pipe in (worker.stdin, worker.stdout, worker.stderr):
                ours.enter_context(pipe)
            for file in worker.pipes:
                theirs.callback(os.close, file)
            if self._process is None:
                self._process = self.start(worker.pipes[-1])
                self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
                self._listener.start()
                atexit.register(self.close)
            folder = os.open(".", os.O_RDONLY)
            theirs.callback(os.close, folder)
            try:
                socket.send_fds(self._channel, [f"{self._count} {FORK}".encode()], [*worker.pipes, folder])
            except OSError:  # the server has just ended
                self._workers.pop(self._count, None)
                worker.ended(1)
            ours.pop_all()
        return worker

    def start(self, log: int) -> Server:
        """Start the process; what it says while it loads is in the log of its first worker."""
        with self._far_end as far_end:
            return subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-P", "-m", __name__, str(far_end.fileno())],  # -P: a project may hold a random.py
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                pass_fds=[far_end.fileno()],
                start_new_session=True,
            )

    def _listen(self, process: Server) -> None:
        with suppress(OSError):
            while message := self._channel.recv(_MESSAGE_SIZE):
                if message == _LOADED:
                    self._loaded = True
                else:
                    number, code = map(int, message.split())
                    self._workers.pop(number).ended(code)
        self._ended = True
        code = process.wait()
        while self._workers:
            self._workers.popitem()[1].ended(code)

    def send(self, number: int, sent: int) -> None:
        """Let the process send a signal to a worker."""
        with suppress(OSError):
            self._channel.send(f"{number} {sent}".encode())

    def kill_group(self, number: int) -> None:
        """End a worker; while torch is loaded there is none yet, and nobody who listens."""
        if self._loaded or self._process is None:
            self.send(number, _END)
        else:
            self._process.kill()

    def close(self) -> None:
        """End it, and with it the workers that compute."""
        if self.is_running():  # and not the one that this was copied from
            with suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)
        if self._listener is not None and self._host == os.getpid():
            self._listener.join()
            atexit.unregister(self.close)
        self._channel.close()
        self._far_end.close()


def main() -> None:
    """Serve the host at the other end of a socket, whose number is the argument."""
    serve(socket.socket(fileno=int(sys.argv[1])))


def serve(channel: socket.socket) -> NoReturn:
    """Fork workers for the host at the other end, until it lets go."""
    from assetforge.execute import compute, map_io, worker_main  # noqa: F401  what workers need and takes long

    gc.freeze()  # what the copies do not write to, they share
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with suppress(OSError):  # the host has gone
        channel.send(_LOADED)
        _serve(channel, reader, writer)
    _leave(0)


def _serve(channel: socket.socket, reader: int, writer: int) -> None:
    workers: dict[int, int] = {}  # process IDs by number
    while True:
        ready = select.select([channel.fileno(), reader], [], [])[0]
        if reader in ready:
            os.read(reader, 2**12)
            _reap(workers, channel)
        if channel.fileno() in ready:
            message, files, _, _ = socket.recv_fds(channel, _MESSAGE_SIZE, _STANDARD_FILES + 1)
            if not message:
                return
            number, sent = map(int, message.split())
            if sent != FORK:
                _signal(workers.get(number), sent)
            elif process := _fork(files, [channel.fileno(), reader, writer]):
                workers[number] = process
            else:
                channel.send(f"{number} 1".encode())


def _signal(worker: int | None, number: int) -> None:
    if worker is not None:  # it has not ended meanwhile
        if number == _END:
            _kill_group(worker)
        os.kill(worker, number or signal.SIGKILL)  # a plugin may have moved it to another group


def _reap(workers: dict[int, int], channel: socket.socket) -> None:
    """Take note of the workers that have ended; end what they have started."""
    numbers = {process: number for number, process in workers.items()}
    while numbers and (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
        _kill_group(ended.si_pid)  # before it is reaped, so that the number is nobody else's
        code = os.waitstatus_to_exitcode(os.waitpid(ended.si_pid, 0)[1])
        number = numbers.pop(ended.si_pid)
        del workers[number]
        channel.send(f"{number} {code}".encode())


def _kill_group(process: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _fork(files: Sequence[int], ours: Sequence[int]) -> int | None:
    """Start a worker with these standard files in this folder; return its process ID, or None where none may start."""
    process = None
    with suppress(OSError):
        try:
            process = os.fork()
        except OSError as error:
            os.write(files[2], f"no process can be started ({error.strerror})\n".encode())
    if process == 0:
        _be_worker(files, ours)
    for file in files:
        os.close(file)
    with suppress(OSError):
        if process is not None:
            os.setpgid(process, process)  # both do it, as either may be first
    return process


def _be_worker(files: Sequence[int], ours: Sequence[int]) -> NoReturn:
    """Go on as a worker, in a group of its own, as a process that was started from nothing would."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.fchdir(files[-1])
        for number, file in enumerate(files[:_STANDARD_FILES]):
            os.dup2(file, number)
        for file in (*files, *ours):
            os.close(file)
        from assetforge.execute import worker_main

        worker_main.main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  the end of a process, which must not go on as the server
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        _leave(code)


if __name__ == "__main__":
    main()
