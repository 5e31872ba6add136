"""Keeps the daemon of a pipeline running: one that is there already, or a child of this process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from assetforge.store.daemon_status import daemon_runs

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_WELL = 60.0
"""Seconds after which a daemon that ends is started again without a longer pause."""
_GRACE = 10.0
_LOG_LINES = 5


class Supervisor:
    """Starts the daemon of one pipeline where none runs, and again when it ends."""

    def __init__(self, file: Path, state: Path, pipeline: str, arguments: tuple[str, ...] = ()) -> None:
        """Take the pipeline's file, the folder of its state and its id, and further arguments of `assetforge watch`."""
        self._file, self._state, self._pipeline, self._arguments = file, state, pipeline, arguments
        self._log = state / "serve-watch.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._began = self._due = 0.0
        self._pause = 0.0
        self._stopped = False
        self.problem = ""
        """Why there is no daemon, if it ended by itself."""

    def check(self) -> None:
        """Start a daemon if there is none, and the last one did not end just now."""
        now = time.monotonic()
        if self._child is not None:
            if self._child.poll() is None:
                return
            self._ended(self._child.returncode, now)
        if now < self._due or self._stopped or daemon_runs(self._state, self._pipeline):
            return
        try:
            self._start()
        except OSError as error:
            self._later(now)
            self.problem = f"the daemon cannot be started ({error.strerror})"
        self._began = now

    def _start(self) -> None:
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, "-m", "assetforge", "watch", *self._arguments, str(self._file)]
        with self._log.open("wb") as log:
            # In a group of its own: Ctrl-C is for the server, which ends the daemon in good order.
            self._child = subprocess.Popen(  # noqa: S603  our own program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, process_group=0
            )

    def _ended(self, code: int, now: float) -> None:
        self._child = None
        if now - self._began > _WELL:
            self._pause = 0.0
        if code < 0 and not self._pause:  # who is killed once did nothing wrong
            self._pause = _SHORTEST_PAUSE
        else:
            self._later(now)
        lines = [f"the daemon was ended by signal {-code}"] if code < 0 else self._last_lines()
        self.problem = "\n".join(lines)

    def _later(self, now: float) -> None:
        self._pause = min(max(2 * self._pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._due = now + self._pause

    def _last_lines(self) -> deque[str]:
        with suppress(OSError):
            return deque(self._log.read_text(errors="replace").splitlines(), _LOG_LINES)
        return deque()

    def stop(self) -> None:
        """End the daemon that was started here, in good order, and start none any more."""
        self._stopped = True
        if self._child is None or self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
