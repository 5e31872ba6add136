"""A worker process: `python -m assetforge.execute.worker_main`. It runs one stage at a time, as the host tells it.

Commands come through standard input. Standard output carries the replies, and is taken away from everybody else:
whatever plugins print goes to standard error, which the host keeps as the log. What needs no pixels is done without
torch, which takes seconds to load: publishing. The host itself runs stages in the same way where it has no workers.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, NoReturn

from assetforge.codecs.allowance import allowing
from assetforge.codecs.codec import Codec, using
from assetforge.errors import AssetForgeError, PluginError, Problem
from assetforge.events import Event, StepProgress
from assetforge.execute import environment
from assetforge.execute.devices import CPU, resolve_device, same_kind
from assetforge.execute.memory import limit_memory, memory
from assetforge.execute.messages import (
    STACK_SIGNAL,
    STAGE_END,
    Damaged,
    Done,
    EventReported,
    Failed,
    Ready,
    Reply,
    Setup,
    failure,
    receive,
    send,
    unpack,
)
from assetforge.execute.publish import publish_outputs
from assetforge.execute.stages import Compute, Publish, Read, Stage, StageContext
from assetforge.plan import keys
from assetforge.plugins import Registry
from assetforge.plugins import load as load_plugins
from assetforge.store.results import DamagedError
from assetforge.store.runs import Run

_leave = os._exit
_STANDARD_INPUT, _STANDARD_OUTPUT, _STANDARD_ERROR = 0, 1, 2
_PR_SET_PDEATHSIG = 1
_PROGRESS_STEP = 0.01


def main() -> None:
    """Serve until the host lets go of standard input."""
    commands, replies = _own_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the host's to handle
    _log_how_it_ends()
    packed = receive(commands)
    if packed is None:
        return
    setup: Setup = unpack(packed)
    _compute_with(setup.threads)
    with Run(setup.run).lock(setup.name):
        _serve(setup, commands, replies)


def _compute_with(threads: int) -> None:
    """Compute with so many threads, also in libraries that were loaded for fewer, and in programs that are started."""
    os.environ.update(environment.of_threads(threads))
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def _log_how_it_ends() -> None:
    """Log the stack where a step crashes the interpreter, hangs, or leaves by `os._exit`."""
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(STACK_SIGNAL)
    process = os.getpid()

    def leave(status: int) -> NoReturn:
        if os.getpid() == process:  # and not a child that ends as it should
            sys.stdout.flush()
            sys.stderr.write(f"os._exit({status}) was called:\n")
            traceback.print_stack(sys._getframe(1))
            sys.stderr.flush()
        _leave(status)

    os._exit = leave


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Take standard input and output away from everybody else: a step may read the one, and `exit()` closes it."""
    commands, replies = os.fdopen(os.dup(_STANDARD_INPUT), "rb"), os.fdopen(os.dup(_STANDARD_OUTPUT), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STANDARD_INPUT)
    os.close(nothing)
    os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
    return commands, replies


def _serve(setup: Setup, commands: IO[bytes], replies: IO[bytes]) -> None:
    exit_guard = threading.Lock()
    try:
        registry = load_plugins(setup.project, words=setup.steps)
        _refuse_changed(registry, setup)
        context = _context(setup, registry, replies, exit_guard)
    except AssetForgeError as error:
        send(replies, failure(error))
        return
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(commands, inbox, exit_guard), daemon=True).start()
    while True:
        packed = inbox.get()
        reply = guarded(lambda packed=packed: run_stage(unpack(packed, registry, setup.roots), context))  # type: ignore[misc]
        _end_of_log()
        send(replies, reply, setup.roots)


def _listen(commands: IO[bytes], inbox: queue.SimpleQueue[bytes], exit_guard: threading.Lock) -> None:
    """Take in commands; when the host has gone, end this process, whatever it is doing."""
    while (packed := receive(commands)) is not None:
        inbox.put(packed)
    with exit_guard:
        _leave(0)


def _refuse_changed(registry: Registry, setup: Setup) -> None:
    if keys.host_code_digest() != setup.host_code:
        raise PluginError("AssetForge", "was upgraded since this command began", "start it again")
    for name, code in setup.plugins.items():
        if name not in registry.plugins and registry.broken:
            raise PluginError(f"plugin {name!r}", f"is broken in a worker: {registry.broken[0]}")
        if name not in registry.plugins or registry.plugins[name].code != code:
            raise PluginError(f"plugin {name!r}", "was changed since the plan was made", "run again")


def _context(setup: Setup, registry: Registry, replies: IO[bytes], exit_guard: threading.Lock) -> StageContext:
    device: str = CPU
    devices: tuple[str, ...] = (CPU,)
    if setup.device is None:
        limit_memory(setup.limits.memory or memory() * 4 // 5)
    else:
        _die_with_the_host()
        device = resolve_device(setup.device)
        devices = tuple(same_kind(setup.device, device))
    _end_of_log()
    send(replies, Ready(device, devices))
    emit = without_excess_progress(lambda event: send(replies, EventReported(event)))
    return StageContext(setup, device, registry.hooks, emit, exit_guard)


def _die_with_the_host() -> None:
    """End at once where a step keeps the interpreter from noticing that the host has gone. Only Linux can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def without_excess_progress(emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """Leave out progress that nobody would see: a step may report it for every pixel."""
    shown = 0.0

    def emit_some(event: Event) -> None:
        nonlocal shown
        if isinstance(event, StepProgress):
            if 0 <= event.fraction - shown < _PROGRESS_STEP:
                return
            shown = event.fraction
        emit(event)

    return emit_some


def _end_of_log() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(_STANDARD_ERROR, STAGE_END)


def run_stage(stage: Stage, context: StageContext) -> Done:
    """Run one stage.

    Raises SourceError where a source cannot be read, StepError where a step fails or breaks its contract, OutputError
    where an output cannot be written, and DamagedError where the store's content is not what was put there.
    """
    if isinstance(stage, Publish):
        return publish_outputs(stage, context)

    from assetforge.execute import compute, map_io  # they load torch

    codecs: list[Codec] = []
    context.hooks.register_codecs(register=codecs.append)
    with allowing(context.setup.limits), using(codecs):
        if isinstance(stage, Read):
            return map_io.read_sources(stage, context)
        if isinstance(stage, Compute):
            return compute.compute(stage, context)
        return map_io.encode_outputs(stage, context)


def guarded(work: Callable[[], Reply]) -> Reply:
    """Do some work, and turn whatever it raises into a reply."""
    try:
        return work()
    except DamagedError as error:
        return Damaged(error.entry)
    except AssetForgeError as error:
        if error.__cause__ is not None and error.retry:
            traceback.print_exception(error.__cause__)
        return failure(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a library that stumbles over one file must not stop the others
        traceback.print_exc()
        # What nobody expected is tried again, in case it was chance.
        return Failed(Problem("", f"{type(error).__name__}: {error}"), retry=True, quarantine=True)


if __name__ == "__main__":
    main()
