"""The batches of coming steps, made by a thread while the network learns from the present one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self


class Ahead:
    """A function of the step, of which so many coming steps are computed before they are asked for.

    Use it as a context: its thread ends with it. What is made does not depend on how far ahead it is made.
    """

    def __init__(self, batch: Callable[[int], Any], steps: int, ahead: int) -> None:
        self._batch, self._steps, self._ahead = batch, steps, ahead
        self._coming: dict[int, Future[Any]] = {}
        self._pool = ThreadPoolExecutor(1, "batches") if ahead else None

    def __call__(self, step: int) -> Any:
        """Return the batch of a step, and have those after it made."""
        if self._pool is None:
            return self._batch(step)
        for later in range(step, min(step + self._ahead + 1, self._steps)):
            if later not in self._coming:
                self._coming[later] = self._pool.submit(self._batch, later)
        return self._coming.pop(step).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
