"""What a worker prints: the beginning and the end of it, however much it is."""

from __future__ import annotations

import os
import threading

from assetforge.execute.protocol import STAGE_END

MOST = 2**16
"""Bytes that are kept of the beginning, and as many of the end."""
_PIECE = 2**16


class Log:
    """Drains a pipe in a thread of its own, so that a worker never waits for whoever reads its log."""

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
        room = MOST - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        if len(self._tail) > 2 * MOST:
            self._left_out += len(self._tail) - MOST
            self._tail = self._tail[-MOST:]

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
