"""Previews of map files: made once, in processes of their own, and kept by what they show."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assetforge.viewer.pictures import Picture

FOLDER = "previews"
"""Where they are, in the folder of the state."""
VERSION = 1
"""Part of their names: raise it when previews look different."""
SECONDS = 60.0
"""That one preview may take."""
KEPT_DAYS = 30
"""How long a preview is kept that nobody asks for."""
_DAY = 24 * 3600
_MOST_BEGUN = 32
"""Previews that wait to be made: who scrolls through thousands would wait for those that nobody looks at any more."""
_MOST_TOLD = 1000
"""Problems that are kept for who has asked for a preview, and may not come back."""


@dataclass(frozen=True)
class Preview:
    """A preview that was made, or why it could not be."""

    picture: Picture
    side: int
    path: Path
    size: tuple[int, int] = (0, 0)
    """Width and height of the file, not of the preview."""
    depth: str = ""
    encoding: str = "plain"
    """`plain`, or `height16`: the high byte in red, the low one in green."""
    problem: str = ""

    @property
    def name(self) -> str:
        """The name of its file, which no other preview has."""
        return self.path.name


Wanted = tuple[Picture, int]
"""A picture, and the pixels of the longer side, at most."""


class Previews:
    """The previews in a folder. Use it as a context manager, so that its processes end."""

    def __init__(self, folder: Path, processes: int = 1, seconds: float = SECONDS) -> None:
        self.folder, self._seconds = folder, seconds
        self._pool = ThreadPoolExecutor(processes, "previews")
        self._own = threading.local()
        self._workers: list[_Worker] = []
        self._begun: dict[Wanted, Future[Preview]] = {}
        """What is being made, and what could not be and nobody was told yet."""
        self._beginning = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop()  # or what it makes would be waited for
        self._pool.shutdown()

    def path(self, picture: Picture, side: int) -> Path:
        """Return where a preview is, or would be."""
        return self.folder / f"{preview_name(picture, side)}.webp"

    def find(self, picture: Picture, side: int) -> Preview | None:
        """Return a preview that was made already."""
        path = self.path(picture, side)
        try:
            facts = json.loads(path.with_suffix(".json").read_text())
            os.utime(path)
            return _preview(picture, side, path, facts)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def make(self, wanted: Iterable[Wanted]) -> Iterator[Preview]:
        """Yield a preview for each that is wanted, in this order; only those that are not there are made.

        What cannot be shown has a `problem`: it stops no other.
        """
        by_file = [list(group) for _, group in groupby(wanted, key=lambda one: one[0].path)]
        for made in self._pool.map(self._of_file, by_file):
            yield from made

    def begin(self, picture: Picture, side: int) -> Future[Preview] | None:
        """Begin to make a preview, if it is not there and not under way; None where too many are. Any thread may call.

        One that could not be made is not tried again before `told` is called: who comes back is to hear why.
        """
        if found := self.find(picture, side):
            made: Future[Preview] = Future()
            made.set_result(found)
            return made
        wanted = picture, side
        with self._beginning:
            if wanted in self._begun:
                return self._begun[wanted]
            if len(self._begun) > _MOST_TOLD:
                self._begun = {one: future for one, future in self._begun.items() if not future.done()}
            if sum(not future.done() for future in self._begun.values()) >= _MOST_BEGUN:
                return None
            future = self._begun[wanted] = self._pool.submit(lambda: self._of_file([wanted])[0])
        future.add_done_callback(lambda ended: self._ended(wanted, ended))
        return future

    def _ended(self, wanted: Wanted, ended: Future[Preview]) -> None:
        if ended.cancelled() or ended.exception() is not None or not ended.result().problem:
            self.told(*wanted)

    def told(self, picture: Picture, side: int) -> None:
        """Forget why a preview could not be made, so that it is tried again for who asks again."""
        with self._beginning:
            self._begun.pop((picture, side), None)

    def prune(self) -> None:
        """Remove the previews that nobody has asked for in a long time."""
        oldest = time.time() - KEPT_DAYS * _DAY
        for path in self.folder.glob("*.webp"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    path.with_suffix(".json").unlink()

    def _of_file(self, wanted: Sequence[Wanted]) -> list[Preview]:
        return [self.find(*one) or self._make(*one) for one in wanted]

    def _make(self, picture: Picture, side: int) -> Preview:
        path = self.path(picture, side)
        answer = self._worker().ask(_request(picture, side, path), self._seconds)
        if "problem" in answer:
            return Preview(picture, side, path, problem=f"{picture.file}: {_what(answer['problem'], picture.path)}")
        return _preview(picture, side, path, answer)

    def _worker(self) -> _Worker:
        """Return the worker of this thread."""
        if not hasattr(self._own, "worker"):
            self._own.worker = _Worker()
            self._workers.append(self._own.worker)
        worker: _Worker = self._own.worker
        return worker


def preview_name(picture: Picture, side: int) -> str:
    """Return a name that tells all that a preview depends on."""
    spec, reading = picture.spec, picture.reading
    shown = spec.name == "height", spec.kind, spec.channels, spec.valid
    how = reading.channel, reading.layer, reading.profile, reading.invert
    text = repr((VERSION, picture.sha256, shown, how, side))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _request(picture: Picture, side: int, target: Path) -> dict[str, Any]:
    return {
        "path": str(picture.path),
        "sha256": picture.sha256,
        "spec": asdict(picture.spec),
        "reading": asdict(picture.reading),
        "side": side,
        "target": str(target),
    }


def _preview(picture: Picture, side: int, path: Path, facts: dict[str, Any]) -> Preview:
    width, height = facts["size"]
    return Preview(picture, side, path, (width, height), facts["depth"], facts["encoding"])


def _what(problem: str, path: Path) -> str:
    """Return what is wrong, without the name that is said anyway."""
    return problem.removeprefix(f"{path.name}: ")


class _Worker:
    """A process that makes previews, one at a time. It is started anew where it ends or takes too long.

    Another thread may stop it while it is asked.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Lock()

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request and return the answer, or `{"problem": …}`."""
        process = self._started()
        late = threading.Timer(seconds, process.kill)
        late.start()
        try:
            line = _exchange(process, json.dumps(request))
        finally:
            late.cancel()
        if not line:
            self.stop()
            return {"problem": "cannot be shown: it takes too much memory or time"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process."""
        with self._stopping:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "assetforge.viewer.preview_worker"],  # -P: a project may hold a random.py
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        return self._process


def _exchange(process: subprocess.Popen[str], line: str) -> str:
    """Write a line and return the one that answers it; an empty one where the process has ended."""
    if process.stdin is None or process.stdout is None:
        return ""
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except (OSError, ValueError):  # it has ended, or another thread has closed its files
        return ""
