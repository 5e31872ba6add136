"""Runs commands in processes that are forked off one in which all is imported already: real ones, and fast.

As a program, it is that process: for each who connects to it, it forks one that reads requests as lines of JSON, and
answers each with a number. Beside it there is one that has loaded torch. Off that one are forked the fork servers of
the commands' workers, and the processes off which commands are forked that compute themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NoReturn

SECONDS = int(os.environ.get("ASSETFORGE_COMMAND_SECONDS", "300"))
"""That a command may take; a daemon that is tried for longer needs more."""
ADDRESS = "ASSETFORGE_COMMAND_SERVER"
"""The variable that says where the server of all who run tests side by side listens."""
WITH_WORKERS = ("run", "watch")
"""Commands that are given a fork server; the others have to start one if they need it."""
COMPUTING = ("doctor", "eval", "samples", "train", "validate", "weights")
"""Commands that load torch, sooner or later."""
_OURS = (str(Path(__file__).parents[1] / "assetforge"), contextlib.__file__)
"""Where lines are counted; much of what an interrupt can meet happens between the two ends of a `with`."""
_ALL = b"all"
"""Asks the process that has loaded torch for one that forks commands."""
_LONGEST = 2**17
"""Bytes of a request between processes."""
_PIPELINE = """\
version: 1
inputs: {base_color: "{name}.png"}
steps: [{use: upscale, with: {method: lanczos}}]
outputs: {dir: build}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str


class Started:
    """A command that runs, with what of `subprocess.Popen` tests need."""

    def __init__(self, asked: Connection, pid: int, out: Path, err: Path, *, computes: bool) -> None:
        self._asked, self.pid, self._out, self._err, self._computes = asked, pid, out, err, computes
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._asked.ask({"poll": self.pid, "computes": self._computes})
        return self.returncode

    def wait(self, timeout: float = SECONDS) -> int:
        """Return its exit code; raise TimeoutExpired where it has not ended in time."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("assetforge", timeout)
            time.sleep(0.01)
        return code

    def communicate(self, timeout: float = SECONDS) -> tuple[str, str]:
        """Wait for its end; return what it printed."""
        self.wait(timeout)
        return self._out.read_text(errors="replace"), self._err.read_text(errors="replace")

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill_group(self) -> None:
        """End it and what it has started, but its workers, which have a group of their own."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)


class Commands:
    """Runs `assetforge` in a folder, again and again."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._count = 0
        self._server: Server | None = None
        self._connection: Connection | None = None

    def start(
        self,
        folder: Path,
        *arguments: str,
        out: Path | None = None,
        environment: Mapping[str, str] | None = None,
        memory: int = 0,
        interrupted_at: int = 0,
    ) -> Started:
        """Start a command in a group of its own; it prints to files, or adds all that it says to one.

        environment: variables that it gets beside those of the tests; of those that Python reads as it starts,
            PYTHONPATH alone.
        memory: bytes that each of its processes may take, on Linux; 0 for any number.
        interrupted_at: the line, counted as they are executed, before which it is interrupted; 0 for none.
        """
        self._count += 1
        files = [self._scratch / f"{self._count}.{name}" for name in ("out", "err")] if out is None else [out, out]
        request = {
            "folder": os.fsdecode(folder),
            "arguments": arguments,
            "computes": computes(arguments),
            "files": [str(file) for file in files],
            "environment": {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            "memory": memory,
            "interrupted_at": interrupted_at,
        }
        self._connection = self._connection or self._connect()
        pid = self._connection.ask(request)
        assert pid is not None
        return Started(self._connection, pid, *files, computes=computes(arguments))

    def run(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        memory: int = 0,
        interrupted_at: int = 0,
    ) -> Done:
        """Run a command to its end."""
        started = self.start(folder, *arguments, environment=environment, memory=memory, interrupted_at=interrupted_at)
        out, err = started.communicate()
        return Done(arguments, started.wait(), out, err)

    def _connect(self) -> Connection:
        """Connect to the server that is shared, or to one's own."""
        if ADDRESS in os.environ:
            return Connection(os.environ[ADDRESS])
        self._server = Server(self._scratch)
        return Connection(self._server.address)

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        if self._server:
            self._server.close()


def computes(arguments: Sequence[str]) -> bool:
    """Tell whether a command computes in its own process."""
    return arguments[0] in COMPUTING or ("--workers", "0") in pairwise(arguments)


class Server:
    """A process off which commands are forked, for all who connect to it; it imports nothing before the first does."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "server")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.address)
            listening.listen()
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(listening.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
            )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Connection:
    """Asks a server, from one process."""

    def __init__(self, address: str) -> None:
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        self._lines = self._socket.makefile("rw", encoding="utf-8")

    def ask(self, request: Mapping[str, Any]) -> int | None:
        """Send a request, and return the answer."""
        with self._lock:
            self._lines.write(json.dumps(request) + "\n")
            self._lines.flush()
            answer: int | None = json.loads(self._lines.readline())
            return answer

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@cache
def shared() -> Commands:
    """Return what runs the commands of all tests."""
    scratch = TemporaryDirectory(prefix="commands-")
    commands = Commands(Path(scratch.name))
    atexit.register(scratch.cleanup)
    atexit.register(commands.close)
    return commands


def _serve(listening: socket.socket) -> None:
    """Fork a process for each who connects, until whoever has started this one closes its input, or is gone."""
    if sys.stdin in select.select([sys.stdin, listening], [], [])[0]:
        return
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        near.close()
        listening.close()
        _be_with_torch(far)
    far.close()
    _import_commands()
    _freeze()
    while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
        connection, _ = listening.accept()
        with connection:
            if os.fork() == 0:
                listening.close()
                _serve_one(connection, near)
        _forget_ended()


def _serve_one(connection: socket.socket, near: socket.socket) -> NoReturn:
    for number in (0, 1):
        os.dup2(connection.fileno(), number)
    connection.close()
    computing: socket.socket | None = None
    for line in sys.stdin:
        if json.loads(line)["computes"]:
            if computing is None:
                computing, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    socket.send_fds(near, [_ALL], [theirs.fileno()])
            computing.send(line.encode())
            answer = computing.recv(_LONGEST).decode()
        else:
            answer = _answer(json.loads(line), near)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    os._exit(0)


def _forget_ended() -> None:
    """Let go of the processes that have ended, of those that this one has forked."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(request: Mapping[str, Any], with_torch: socket.socket) -> str:
    return json.dumps(_poll(request["poll"]) if "poll" in request else _start(request, with_torch))


def _import_commands() -> None:
    """Import what commands do, once, and not again in each: without torch, as it is found out who else loads it."""
    from assetforge.commands import COMMANDS
    from assetforge.plugins import load

    load()
    for name in ("execute.session", *(f"cli.{name}" for name in COMMANDS)):
        import_module(f"assetforge.{name}")
    _plan_once()


def _plan_once() -> None:
    """Plan a picture, for what is made where it is first used: the models of pydantic, and the digest of the code."""
    from assetforge.cli.group import run

    with TemporaryDirectory(prefix="commands-") as name, contextlib.chdir(name):
        Path("a.png").touch()
        Path("pipeline.yaml").write_text(_PIPELINE)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(sys.stdout):
            for command in ("check", "plan"):
                run([command, "pipeline.yaml"])


def _import_workers() -> None:
    """Import what workers do, torch and the shipped steps included."""
    from assetforge.plugins import load

    steps = [f"assetforge_{name}._{name}" for name in load().plugins]
    trainers = ("torch._dynamo",)  # which the first optimizer loads, and takes a second
    hosts = ("assetforge.execute.compute", "assetforge.execute.map_io", "assetforge.execute.worker_main")
    for name in (*hosts, *steps, *trainers):
        with suppress(ModuleNotFoundError):
            import_module(name)


def _freeze() -> None:
    gc.collect()
    gc.freeze()  # what is never written to is never copied
    del sys.path[0]  # where this file is, which no command would find


def _be_with_torch(channel: socket.socket) -> NoReturn:
    """Fork what is asked for: it serves a socket; a fork server, only once the command at the other end wants it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    _import_workers()
    _freeze()
    waiting: dict[socket.socket, int] = {}  # with the memory that each may take
    while True:
        for ready in select.select([channel, *waiting], [], [])[0]:
            if ready is not channel:
                _fork_server(ready, waiting.pop(ready), [channel, *waiting])
                continue
            message, files, _, _ = socket.recv_fds(channel, 64, 1)
            if not message:
                os._exit(0)
            theirs = socket.socket(fileno=files[0])
            if message != _ALL:
                waiting[theirs] = int(message)
                continue
            with theirs:
                if os.fork() == 0:
                    _let_go([channel, *waiting])
                    _serve_computing(theirs)


def _fork_server(channel: socket.socket, memory: int, others: Sequence[socket.socket]) -> None:
    """Fork a fork server where the command at the other end wants one, and tell it the process ID."""
    _forget_ended()
    with channel:
        if (environment := channel.recv(_LONGEST)) and os.fork() == 0:
            _let_go(others)
            with suppress(OSError):  # the command has just ended
                channel.send(str(os.getpid()).encode())
            _be_fork_server(channel, json.loads(environment), memory)


def _let_go(others: Sequence[socket.socket]) -> None:
    for other in others:
        other.close()


def _serve_computing(channel: socket.socket) -> NoReturn:
    """Fork the commands that compute."""
    _import_commands()
    gc.freeze()
    while request := channel.recv(_LONGEST):
        channel.send(_answer(json.loads(request), channel).encode())
    os._exit(0)


def _poll(command: int) -> int | None:
    """Return the exit code of a command, once."""
    ended, status = os.waitpid(command, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _start(request: Mapping[str, Any], with_torch: socket.socket) -> int:
    """Start a command, with a socket that gets it the fork server of its workers; return its process ID."""
    from assetforge.cli import main
    from assetforge.execute import fork_server

    given: socket.socket | None = None
    if request["arguments"][0] in WITH_WORKERS and not request["computes"]:
        given, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(with_torch, [str(request["memory"]).encode()], [theirs.fileno()])
    command = os.fork()
    if command == 0:
        with_torch.close()
        _become(request)
        if given:
            fork_server.ForkServer = _given(given, fork_server.ForkServer)  # type: ignore[misc]
        if request["interrupted_at"]:
            interrupt_at(request["interrupted_at"])
        _leave_by(lambda: main(request["arguments"]))
    if given:
        given.close()
    with suppress(OSError):
        os.setpgid(command, command)  # both do it, as either may be first
    return command


def _leave_by(command: Callable[[], object]) -> NoReturn:
    """End the process as a command does, but without taking apart all that was imported."""
    code = 1
    try:
        command()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  the end of a process
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _be_fork_server(channel: socket.socket, environment: Mapping[str, str], memory: int) -> NoReturn:
    """Fork workers for the command at the other end, in the environment that it has given."""
    from assetforge.execute import fork_server

    os.setsid()
    _limit(memory)
    os.environ.clear()
    os.environ.update(environment)
    _search_first(environment)
    fork_server.serve(channel)


def _given(channel: socket.socket, usual: type) -> type:
    """Return a class of fork servers whose first is forked off a process that has loaded torch already."""
    is_left = True

    class Given(usual):  # type: ignore[misc]
        def start(self, log: int) -> object:
            nonlocal is_left
            if not is_left:
                return super().start(log)
            is_left = False
            self._channel.close()
            self._far_end.close()
            self._channel = channel
            channel.send(json.dumps(self._environment).encode())
            return _Process(int(channel.recv(64)))

    return Given


@dataclass(frozen=True)
class _Process:
    """Another's child."""

    number: int

    def wait(self) -> int:
        return 0

    def kill(self) -> None:
        os.kill(self.number, signal.SIGKILL)


def _become(request: Mapping[str, Any]) -> None:
    """Take the place of a command that was started in the request's folder, and may take so much time and memory."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(SECONDS)
    _limit(request["memory"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    _search_first(request["environment"])
    for number, name in enumerate(request["files"], 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)


def _search_first(environment: Mapping[str, str]) -> None:
    """Search for modules in the folders of PYTHONPATH, as Python does from its start."""
    named = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:0] = [folder for folder in named if folder not in sys.path]


def interrupt_at(line: int) -> None:
    """Interrupt this thread before so many more lines of AssetForge are executed, wherever that is."""
    left = line

    def count(frame: FrameType, event: str, _: object) -> object:
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return count

    def enter(frame: FrameType, _: str, __: object) -> object:
        return count if frame.f_code.co_filename.startswith(_OURS) else None

    sys.settrace(enter)


def _limit(memory: int) -> None:
    if memory and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
