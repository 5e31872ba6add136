"""What host and workers say to each other, through pipes: pickled values, each with its length before it.

Both ends are ours. Steps and codecs travel by name, as each process loads the plugins itself.
"""

from __future__ import annotations

import io
import pickle
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from assetforge.codecs.allowance import Limits
from assetforge.codecs.codec import Codec
from assetforge.codecs.reading import Green
from assetforge.errors import AssetForgeError, Problem, StepError
from assetforge.events import Event
from assetforge.material.map_spec import MapSpec
from assetforge.plugins import Registry
from assetforge.steps import Precision, Step
from assetforge.store.results import Entry, Store
from assetforge.store.state import Published

STAGE_END = b"\0end of stage\0"
"""Written to the log when a stage ends, so that the host knows that it has all of it."""
STACK_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""Makes a worker log where each of its threads is; where the system has no such signal, nothing is sent."""
_LENGTH = 8


@dataclass(frozen=True)
class Setup:
    """What a worker must know before its first stage."""

    name: str
    run: Path
    pipeline: str
    outputs: Path
    project: Path | None
    """The folder whose plugins may be used, if any."""
    store: Store
    specs: Mapping[str, MapSpec]
    green: Green
    precision: Precision
    limits: Limits
    device: str | None
    """The device to compute on, or None for a worker that only reads and writes files."""
    plugins: Mapping[str, str]
    """The digest of each plugin's code, as planned with."""
    host_code: str
    """The digest of AssetForge's own code that makes pixels."""


@dataclass(frozen=True)
class Ready:
    """A worker has started."""

    device: str
    devices: tuple[str, ...]
    """All devices of its kind that the run may use."""


@dataclass(frozen=True)
class EventReported:
    """A worker reports an event."""

    event: Event


@dataclass(frozen=True)
class Done:
    """A stage is done."""

    scratch_bytes: int = 0
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A stage failed."""

    problem: Problem
    retry: bool = False
    quarantine: bool = False
    exit_code: int = AssetForgeError.exit_code
    stale: bool = False
    picture: bytes = b""
    """A PNG that shows what is wrong, where the step drew one."""


def failure(error: AssetForgeError) -> Failed:
    """Return the reply that carries an error."""
    return Failed(error.problem, error.retry, error.quarantine, error.exit_code, error.stale, _drawn(error))


def _drawn(error: AssetForgeError) -> bytes:
    if not isinstance(error, StepError) or error.picture is None:
        return b""
    from assetforge.execute.pictures import as_png  # needs torch, which a step that has drawn something has loaded

    return as_png(error.picture)


@dataclass(frozen=True)
class Damaged:
    """A result in the store is not what was put there: it must be made again."""

    entry: Entry


@dataclass(frozen=True)
class WorkerExited:
    """A worker's process has ended."""


@dataclass(frozen=True)
class Wake:
    """Ends the wait for replies at once. It comes from another thread of the host, not from a worker."""


Reply = Ready | EventReported | Done | Failed | Damaged | WorkerExited


def send(pipe: IO[bytes], message: object) -> None:
    """Send a message; raise StepError where a step's parameters cannot be sent."""
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        what = f"its parameters cannot be handed to a worker ({error})"
        raise StepError("steps", what, "define them at the top of the plugin's file") from error
    content = buffer.getvalue()
    pipe.write(len(content).to_bytes(_LENGTH, "little") + content)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Return the next message, still packed; None where the other end has gone."""
    length = pipe.read(_LENGTH)
    if len(length) < _LENGTH:
        return None
    size = int.from_bytes(length, "little")
    content = pipe.read(size)
    return content if len(content) == size else None


def unpack(content: bytes, registry: Registry | None = None) -> Any:
    """Unpack a message; steps and codecs in it are those of the registry."""
    return _Unpickler(io.BytesIO(content), registry).load()


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> tuple[str, str] | None:
        if isinstance(obj, Step):
            return "step", obj.name
        return ("codec", obj.word) if isinstance(obj, Codec) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], registry: Registry | None) -> None:
        super().__init__(file)
        self._registry = registry

    def persistent_load(self, pid: Any) -> Step[Any] | Codec:
        kind, name = pid
        found: Step[Any] | Codec | None = None
        if self._registry is not None:
            found = self._registry.steps.get(name) if kind == "step" else self._registry.codecs.get(name)
        if found is None:
            raise StepError(f"{kind} {name!r}", "has gone from its plugin since it was planned with", "run again")
        return found
