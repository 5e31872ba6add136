"""Tell others of results: run a command, or post to a webhook, with the result as JSON."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from assetforge.execute import environment
from assetforge.pipeline.document import OnDoneSection

_TIME_LIMIT = 60.0
_MOST_READ = 2**16
"""Bytes of a reply, which says nothing that matters."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds to wait after a receiver failed, the first time and when it goes on failing."""
_PATIENCE = 10.0
"""Seconds to wait at the end for what has not been told yet."""
MAX_PENDING = 10_000
"""Results that wait to be told; where the receiver is so slow, later ones are dropped, and that is reported."""


class Notifier:
    """Tells of results one after the other, in a thread of its own: a slow receiver holds nobody up."""

    def __init__(self, section: OnDoneSection, folder: Path) -> None:
        self._section, self._folder = section, folder
        self._troubles: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._results: queue.Queue[Mapping[str, Any] | None] = queue.Queue(MAX_PENDING)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def notify(self, result: Mapping[str, Any]) -> None:
        """Tell of a result, soon."""
        try:
            self._results.put_nowait(result)
        except queue.Full:
            self._troubles.put(f"on_done: {MAX_PENDING} results wait already; one was dropped")

    def troubles(self) -> Iterator[str]:
        """Yield what went wrong since the last time."""
        while not self._troubles.empty():
            yield self._troubles.get()

    def close(self) -> None:
        """Tell what there is left to tell, but do not wait for ever."""
        self._closing.set()
        try:
            self._results.put(None, timeout=_PATIENCE)
        except queue.Full:
            return
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        while (result := self._results.get()) is not None:
            try:
                self._tell(json.dumps(result, ensure_ascii=False).encode(errors="backslashreplace"))
            except Exception as error:  # noqa: BLE001  whatever a receiver does, the next result is told, too
                self._troubles.put(f"on_done: {_reason(error)}")
                self._closing.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE

    def _tell(self, content: bytes) -> None:
        if self._section.run:
            self._run(self._section.run, content)
        if self._section.post:
            _post(self._section.post, content)

    def _run(self, command: tuple[str, ...], content: bytes) -> None:
        subprocess.run(  # noqa: S603  the pipeline's author says what to run
            command,
            input=content,
            cwd=self._folder,
            env=environment.needed(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_TIME_LIMIT,
            check=True,
        )


def _post(url: str, content: bytes) -> None:
    request = Request(url, content, {"Content-Type": "application/json"})  # noqa: S310  a pattern allows only http
    with urlopen(request, timeout=_TIME_LIMIT) as response:  # noqa: S310
        response.read(_MOST_READ)


def _reason(error: Exception) -> str:
    said = error.stderr.decode(errors="replace").strip() if isinstance(error, subprocess.CalledProcessError) else ""
    return f"{error}: {said[-500:]}" if said else str(error)
