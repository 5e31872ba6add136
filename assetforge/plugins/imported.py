"""Import a plugin: code of strangers, which must neither slow down nor end the process, and whose mistakes are told."""

from __future__ import annotations

import ast
import importlib.abc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from pydantic import PydanticUserError

import assetforge
from assetforge.errors import PluginError
from assetforge.plugins import local
from assetforge.plugins.found import Found

HEAVY = ("torch",)
"""Packages that a plugin may only import inside a step: they would slow down every command."""


@contextmanager
def contained() -> Iterator[None]:
    """Run a stranger's code that only declares something.

    Heavy packages are refused, unless something else has imported them already; what it prints goes to standard error,
    as a command's output may be JSON; and it cannot end the process.
    """
    finder, leave, process = _Refuse(), os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise EndedError(f"calls os._exit({status})")

    sys.meta_path.insert(0, finder)
    os._exit = refuse
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os._exit = leave
        sys.meta_path.remove(finder)


def imported(found: Found) -> ModuleType:
    """Import a plugin; raise PluginError where that is not possible."""
    try:
        return found.module()
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises must not stop the others
        line = _line_of(error, found)
        if isinstance(error, PydanticUserError) and error.code == "model-field-missing-annotation":
            raise PluginError(found.where + line, *_without_type(error)) from error
        text = local.without_package(str(error))
        what = f"cannot be loaded: {type(error).__name__}: {text}"
        raise PluginError(found.where + line, what, _advice(error)) from error


def _without_type(error: PydanticUserError) -> tuple[str, str]:
    """Say which parameter has no type, and how to give it one; pydantic's own text is for those who know it."""
    found = re.search(r"['`](\w+)(?: = (.*?)`|')", str(error), re.DOTALL)
    name, value = found.groups("") if found else ("…", "")
    try:
        annotated = f"{name}: {type(ast.literal_eval(value)).__name__} = {value}"
    except (ValueError, SyntaxError):  # a call makes it, such as `Field(…)`
        annotated = f"{name}: float = …"
    return f"the parameter `{name}` of this class has no type", f"annotate it: `{annotated}`"


def _line_of(error: BaseException, found: Found) -> str:
    """Tell the line of a project's own file at which loading it failed."""
    trace, line = error.__traceback__, ""
    if isinstance(error, SyntaxError) and error.filename and found.file:
        file = Path(error.filename)
        return f"{'' if file == found.file else f' {file.name}'} line {error.lineno}"
    while trace is not None and found.file is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file == found.file:
            line = f" line {trace.tb_lineno}"
        elif line and file.parent == found.file.parent:
            line = f" {file.name} line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _advice(error: BaseException) -> str:
    if isinstance(error, EndedError | SystemExit):
        return "a plugin must not end the program; leave that out"
    if not isinstance(error, HeavyImportError):
        return ""
    trace = error.__traceback__
    while trace is not None:
        if (trace.tb_frame.f_code.co_filename, trace.tb_frame.f_code.co_name) == (assetforge.__file__, "__getattr__"):
            name = trace.tb_frame.f_locals["name"]
            return f"it needs af.{name} while it is loaded; begin the file with `from __future__ import annotations`"
        trace = trace.tb_next
    return "import it inside the step's function"


class HeavyImportError(ImportError):
    """A plugin imports a heavy package while it is being loaded."""


class EndedError(RuntimeError):
    """A plugin wants to end the process while it is being loaded."""


class _Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname.split(".")[0] in HEAVY:
            raise HeavyImportError(f"imports {fullname} when it is loaded, which every command would wait for")
        return None
