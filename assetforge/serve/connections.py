"""Connections that do not stay for ever: who asks for nothing, or does not read the answer, is hung up on.

All connections are counted together, so that strangers who keep some open would keep others out.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 30.0
"""Seconds for the head of a request to come, from the connection or the last answer; and for a client to read."""

SPARE = 100
"""Connections beyond those that are answered, which are told so; each is an open file, of which there are some 1024."""


class Connection(H11Protocol):
    """HTTP/1.1 as uvicorn has it, which waits without end for a first request, for the rest of one, and for readers."""

    patience = PATIENCE

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._silence: asyncio.TimerHandle | None = None
        self._standstill: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request; hang up at once where there are so many that the system would have no more."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + SPARE:
            transport.abort()
        else:
            self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        """Wait no more if that was the rest of a request's head."""
        super().data_received(data)
        if self._is_answering:
            _cancel(self._silence)

    def on_response_complete(self) -> None:
        """Wait for the next request, even while the body of the last one still comes."""
        super().on_response_complete()
        self._wait_for_request()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._standstill = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        """Wait no more: it has read."""
        super().resume_writing()
        _cancel(self._standstill)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        _cancel(self._silence)
        _cancel(self._standstill)

    @property
    def _is_answering(self) -> bool:
        cycle = cast("Any", self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _wait_for_request(self) -> None:
        _cancel(self._silence)
        if not self._is_answering:
            self._silence = self.loop.call_later(self.patience, self._hang_up)

    def _hang_up(self) -> None:
        self.transport.close()  # which sends what is left of an answer, if the client takes it
        self._silence = self.loop.call_later(self.patience, self.transport.abort)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
