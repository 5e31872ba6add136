"""One worker process, as the host sees it: started, given stages, listened to, stopped; and what it prints."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import assetforge
from assetforge.errors import OutputError
from assetforge.execute import environment
from assetforge.execute.fork_server import ForkedProcess, fork_worker, is_available
from assetforge.execute.messages import STACK_SIGNAL, STAGE_END, Reply, Setup, Wake, WorkerExited, receive, send, unpack
from assetforge.execute.publish import RefusedError, journal_in, recover
from assetforge.execute.stages import Pool, Stage, StageContext
from assetforge.execute.worker_main import guarded, run_stage

Inbox = queue.SimpleQueue[tuple["Worker", Reply] | Wake]
"""Replies of workers, and what ends the wait for them."""
GRACE = 5.0
"""Seconds that a worker may take to finish a publication when the run is over."""
_FREE_MEMORY = 2**30
"""Bytes: a process keeps so much free memory, and larger pieces it gives back."""
_STACK_TIME = 0.5
"""Seconds for a worker to log where it was before it is ended."""
_LOG_HALF = 2**16
"""Bytes that are kept of the beginning, and as many of the end."""
_PIECE = 2**16


class Worker(Protocol):
    """One process that runs one stage at a time, as the host sees it."""

    name: str
    pool: Pool
    ready: bool
    limit: float
    """Seconds that it may take for what it does."""
    deadline: float

    def submit(self, stage: Stage) -> None:
        """Let it run a stage; the reply comes through the inbox."""

    def log(self) -> str:
        """Return what was printed during the last stage."""

    def exit_reason(self) -> str:
        """Tell how its process ended."""

    def stop(self) -> None:
        """End it because it takes too long, and let it log where it was."""

    def kill(self) -> None:
        """End it at once, with all that it has started."""

    def close(self) -> None:
        """Tell it that no more will come."""

    def wait(self) -> None:
        """Wait until it has ended."""


class ProcessWorker:
    """A worker in a process of its own, and in a session of its own: signals to the host's group do not reach it."""

    def __init__(self, setup: Setup, pool: Pool, inbox: Inbox) -> None:
        self.name, self.pool, self.ready = setup.name, pool, False
        self.limit = self.deadline = float("inf")
        # All workers begin alike, so that they may be copies of one process. Each takes its threads then.
        self._process = _start({**environment.needed(), **settings(threads=1), "PYTHONPATH": _with_our_own()})
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise RuntimeError("pipes were asked for")
        self._commands, self._replies, self._setup = stdin, stdout, setup
        self._log = WorkerLog(os.dup(stderr.fileno()))
        stderr.close()
        with suppress(BrokenPipeError):
            send(self._commands, setup)
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def _listen(self, inbox: Inbox) -> None:
        with suppress(OSError):
            while (packed := receive(self._replies)) is not None:
                inbox.put((self, unpack(packed, roots=self._setup.roots)))
        self._replies.close()
        inbox.put((self, WorkerExited()))

    def submit(self, stage: Stage) -> None:
        """Let it run a stage; the reply comes through the inbox."""
        with suppress(BrokenPipeError):  # then `WorkerExited` is on its way
            send(self._commands, stage, self._setup.roots)

    def log(self) -> str:
        """Return what was printed during the last stage."""
        return self._log.take()

    def exit_reason(self) -> str:
        """Tell how its process ended."""
        self._kill_group()
        code = self._process.wait()
        self._finish_publication()
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = _signal_name(-code)
        memory = "; the system does that when memory runs out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{memory}"

    def stop(self) -> None:
        """End it because it takes too long, and let it log where it was."""
        if os.name == "posix":
            with suppress(ProcessLookupError):
                self._process.send_signal(STACK_SIGNAL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STACK_TIME)
        self._kill_group()

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if isinstance(self._process, ForkedProcess):
                self._process.kill_group()
            elif os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def close(self) -> None:
        """Tell it that no more will come."""
        with suppress(OSError):
            self._commands.close()

    def wait(self) -> None:
        """Wait until it has ended, but not for ever."""
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._kill_group()
            self._process.wait()
        self._finish_publication()

    def _finish_publication(self) -> None:
        """Finish or undo what it was publishing when it was killed: the next attempt may never come."""
        journal = journal_in(self._setup.run, self._setup.pipeline, self.name)
        if journal.exists():
            with suppress(OutputError, RefusedError):  # then the next run publishes it again
                recover(journal, self._setup.outputs)


def _start(env: Mapping[str, str]) -> subprocess.Popen[bytes] | ForkedProcess:
    if is_available():
        return fork_worker(env)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "assetforge.execute.worker_main"],  # -P: a project may hold a random.py
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    )


class InlineWorker:
    """No process at all: a stage runs where it is submitted. A debugger reaches them, and a crash ends the run."""

    def __init__(self, context: StageContext, pool: Pool, inbox: Inbox) -> None:
        self.name, self.pool, self.ready = context.setup.name, pool, True
        self.limit = self.deadline = float("inf")
        self._context, self._inbox = context, inbox

    def submit(self, stage: Stage) -> None:
        """Run a stage; the reply comes through the inbox."""
        self._inbox.put((self, guarded(lambda: run_stage(stage, self._context))))

    def log(self) -> str:
        """Return nothing: what is printed goes straight to the terminal."""
        return ""

    def exit_reason(self) -> str:
        """Tell that it cannot end."""
        return ""

    def stop(self) -> None:
        """Do nothing."""

    def kill(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def wait(self) -> None:
        """Do nothing."""


class WorkerLog:
    """What a worker prints: the beginning and the end of it, however much it is.

    A thread drains the pipe, so that a worker never waits for the reader of its log.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._head, self._tail, self._left_out = b"", b"", 0
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while piece := os.read(self._pipe, _PIECE):
            with self._changed:
                self._add(piece)
                self._changed.notify_all()
        os.close(self._pipe)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, piece: bytes) -> None:
        room = _LOG_HALF - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        if len(self._tail) > 2 * _LOG_HALF:
            self._left_out += len(self._tail) - _LOG_HALF
            self._tail = self._tail[-_LOG_HALF:]

    def _is_complete(self) -> bool:
        return self._closed or (self._head[-len(STAGE_END) :] + self._tail).endswith(STAGE_END)

    def take(self, patience: float = 2.0) -> str:
        """Return what was printed since the last time, up to the end of the stage; begin anew."""
        with self._changed:
            self._changed.wait_for(self._is_complete, patience)
            left_out = f"\n… {self._left_out} bytes are left out …\n".encode() if self._left_out else b""
            text = (self._head + left_out + self._tail).removesuffix(STAGE_END)
            self._head, self._tail, self._left_out = b"", b"", 0
        return text.decode(errors="replace")


def settings(threads: int) -> Mapping[str, str]:
    """Return the environment that keeps a process to its share of the cores.

    Threads that wait must not spin on cores that others could use. And glibc would give the memory of every large
    tensor back to the system, only to ask for it again, page by page, which takes a third of the time of a network.
    """
    memory = {"MALLOC_MMAP_THRESHOLD_": str(_FREE_MEMORY), "MALLOC_TRIM_THRESHOLD_": str(_FREE_MEMORY)}
    return {**environment.of_threads(threads), "OMP_WAIT_POLICY": "PASSIVE", **memory}


def _with_our_own() -> str:
    """Return the search path of modules that finds this very AssetForge, installed or not."""
    root = str(Path(assetforge.__file__).parents[1])
    return os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])


def _signal_name(number: int) -> str:
    """Name a signal; those for real time have no names of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
