"""Where in a plugin an exception was raised, and whether it would be raised again."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType

from assetforge.errors import StepError
from assetforge.plugins import Plugin
from assetforge.plugins.local import without_package

_SAME_EACH_TIME = (AttributeError, ImportError, KeyError, NameError, SyntaxError, TypeError)
"""What is wrong with the program itself, so that trying again is of no use."""


def step_failure(step: str, plugin: Plugin, error: BaseException) -> StepError:
    """Return what to raise for an exception of a step, which names the plugin's line; log it without our own frames."""
    files = {str(file) for file in plugin.files}
    traces = list(_traces(error.__traceback__))
    own = [index for index, trace in enumerate(traces) if trace.tb_frame.f_code.co_filename in files]
    shown = error.with_traceback(traces[own[0]]) if own else error
    traceback.print_exception(shown, file=sys.stderr)
    place = f" ({_place(traces[own[-1]], plugin)})" if own else ""
    what = f"{type(error).__name__}: {without_package(str(error))}{place}"
    return StepError(f"step {step!r}", what, retry=not isinstance(error, _SAME_EACH_TIME))


def _traces(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _place(trace: TracebackType, plugin: Plugin) -> str:
    """Spell a line as the plugin's author knows it: `plugins/wet.py line 19`."""
    file = Path(trace.tb_frame.f_code.co_filename)
    root = plugin.folder.parents[max(len(PurePosixPath(plugin.origin).parts) - 2, 0)]
    return f"{file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name} line {trace.tb_lineno}"
