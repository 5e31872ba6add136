"""What host and workers say to each other, through pipes: pickled values, each with its length before it.

Both ends are ours. Steps, plugins and codecs travel by name, as each process loads the plugins itself. Paths travel as
the name of a root and the rest, as the receiver may have its folders elsewhere.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from assetforge.codecs.allowance import Limits
from assetforge.codecs.codec import Codec
from assetforge.codecs.reading import Green
from assetforge.errors import AssetForgeError, Problem, StepError
from assetforge.events import Event
from assetforge.material.map_spec import MapSpec
from assetforge.plugins import Plugin, Registry
from assetforge.steps import Step
from assetforge.store.results import Entry, Store
from assetforge.store.state import Published

Roots = Mapping[str, Path]
"""Folders by names that all processes of a run share, wherever each of them has these folders."""
NO_ROOTS: Roots = MappingProxyType({})
STAGE_END = b"\0end of stage\0"
"""Written to the log when a stage ends, so that the host knows that it has all of it."""
STACK_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""Makes a worker log where each of its threads is; where the system has no such signal, nothing is sent."""
_LENGTH = 8


@dataclass(frozen=True)
class Setup:
    """What a worker must know before its first stage."""

    name: str
    """Tells the process from the others of the same run."""
    run: Path
    """The run's folder."""
    pipeline: str
    """What the state knows the pipeline by."""
    outputs: Path
    """The root that all outputs lie below."""
    project: Path | None
    """The folder whose plugins may be used, if any."""
    store: Store
    roots: Roots
    """Where this worker has the folders that paths in stages and replies start from."""
    specs: Mapping[str, MapSpec]
    green: Green
    limits: Limits
    device: str | None
    """The device to compute on, or None for a worker that only reads and writes files."""
    threads: int
    """The threads that it computes with."""
    steps: tuple[str, ...]
    """The steps of the pipeline."""
    plugins: Mapping[str, str]
    """The digest of each plugin's code, as planned with. Weights and other files are in each task, with their digests:
    a worker that runs it reads them anyway, and most workers need few of them."""
    host_code: str
    """The digest of AssetForge's own code that makes pixels."""

    @property
    def io_only(self) -> bool:
        """Whether the worker only reads and writes files: its memory may then be limited to what a file needs."""
        return self.device is None


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


def pack(message: object, roots: Roots = NO_ROOTS) -> bytes:
    """Pack a message, with paths below the roots by their names; others stay as they are, for all to have the same.

    Raises StepError where a step's parameters cannot be sent.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, roots).dump(message)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        what = f"its parameters cannot be handed to a worker ({error})"
        raise StepError("steps", what, "define them at the top of the plugin's file") from error
    return buffer.getvalue()


def send(pipe: IO[bytes], message: object, roots: Roots = NO_ROOTS) -> None:
    """Pack and send a message; raise StepError where a step's parameters cannot be sent."""
    content = pack(message, roots)
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


def unpack(content: bytes, registry: Registry | None = None, roots: Roots = NO_ROOTS) -> Any:
    """Unpack a message; steps and codecs in it are those of the registry, and paths lie below these roots."""
    return _Unpickler(io.BytesIO(content), registry, roots).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: IO[bytes], roots: Roots) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._roots = roots

    def persistent_id(self, obj: object) -> tuple[str, ...] | None:
        if isinstance(obj, Step):
            return ("step", obj.name)
        if isinstance(obj, Plugin):
            return ("plugin", obj.name)
        if isinstance(obj, Codec):
            return ("codec", obj.word)
        return self._below_root(obj) if isinstance(obj, Path) else None

    def _below_root(self, path: Path) -> tuple[str, ...] | None:
        """Spell a path by the innermost root that it lies below; by texts, as those of `Path` take long."""
        text = f"{path}{os.sep}"
        for prefix, name in self._prefixes:
            if text.startswith(prefix):
                return ("root", name, text[len(prefix) : -1].replace(os.sep, "/"))
        return None

    @cached_property
    def _prefixes(self) -> list[tuple[str, str]]:
        """The roots, the innermost first."""
        return sorted(((f"{root}{os.sep}", name) for name, root in self._roots.items()), key=_length, reverse=True)


def _length(root: tuple[str, str]) -> int:
    return len(root[0])


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], registry: Registry | None, roots: Roots) -> None:
        super().__init__(file)
        self._registry, self._roots = registry, roots

    def persistent_load(self, pid: Any) -> Codec | Path | Plugin | Step[Any]:
        match pid:
            case "root", name, rest if name in self._roots:
                return self._roots[name] / str(rest)
            case "plugin", name if self._registry and name in self._registry.plugins:
                return self._registry.plugins[name]
            case "codec", name if self._registry and name in self._registry.codecs:
                return self._registry.codecs[name]
            case "step", name if self._registry and name in self._registry.steps:
                return self._registry.steps[name]
        raise StepError(f"{pid[0]} {pid[1]!r}", "is not known to this worker", "run again")
