"""Tells before anything heavy is imported that a run has nothing to do, by the snapshot of an earlier one.

Where that is not proven, for whatever reason, the plan decides. This module imports next to nothing, click included.
"""

from __future__ import annotations

import os
import sys

from assetforge import snapshot
from assetforge.snapshot import Earlier, Occasion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WITH_VALUE = ("--profile", "-D", "--device", "--workers", "--report", "--junit", "--only", "--confine", "--allow")
_STATE = ".assetforge"
_LARGEST = 2**22
"""Bytes of a pipeline."""
_MATTERS = ("ASSETFORGE", "PYTHON", "XDG_", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
"""How the variables begin by which Python, AssetForge and its folders are found."""


def occasion(arguments: Sequence[str], grain: int = snapshot.GRAIN) -> Occasion:
    """Return who asks for what and where, as far as that is known before options are parsed."""
    try:
        return Occasion(_identity(arguments), grain)
    except FileNotFoundError:  # the current folder was removed
        return Occasion((), grain)


def nothing_to_do(asked: Occasion, arguments: Sequence[str]) -> bool:
    """Do all that a command does which finds nothing to do, if it is proven that this is one; tell whether it is.

    Where it is known what changed, the occasion knows it then.
    """
    asked.earlier = compared(asked, arguments)
    if asked.earlier is None or asked.earlier.changed:
        return False
    ending, command = asked.earlier.snapshot.ending, arguments[0]
    says = {
        "run": ending.says,
        "plan": f"0 to build, {ending.jobs} up to date, 0 cannot be built\n",
        "check": ending.checked,
    }
    if not says[command]:
        return False
    try:
        sys.stdout.write(says[command])
        sys.stdout.flush()
    except (OSError, AttributeError):  # nobody reads, or it was closed before: the plan knows what to do then
        return False
    if command == "run":
        snapshot.mark_used(asked.earlier.path)
    return True


def compared(asked: Occasion, arguments: Sequence[str]) -> Earlier | None:
    """Return the snapshot of the last such run that left everything up to date, with what changed since then."""
    try:
        return next(_compared(asked, arguments), None) if asked.identity else None
    except (OSError, ValueError, ArithmeticError):  # a snapshot that is forged or damaged, a folder that has gone
        return None


def _compared(asked: Occasion, arguments: Sequence[str]) -> Iterator[Earlier]:
    for state in dict.fromkeys(_states(arguments)):
        path = os.path.join(state, snapshot.FOLDER, snapshot.name_of(asked.identity))  # noqa: PTH118
        found = snapshot.read(path)
        if found is None or found.identity != asked.identity or snapshot.runs_at_work(state):
            continue
        database = snapshot.stat_of(os.path.join(state, snapshot.DATABASE))  # noqa: PTH118
        if database[-1] == found.ending.database and _is_shown(found.ending.says + found.ending.checked):
            changed = found.changed()
            if changed is not None:
                yield Earlier(path, found, changed)


def _is_shown(text: str) -> bool:
    return text.replace("\n", "").isprintable()


def _states(arguments: Sequence[str]) -> Iterator[str]:
    """Yield where the state may lie: where a definition says, where the pipeline says, and where it always does.

    This is a guess, as the file is not parsed. A snapshot says itself whose it is.
    """
    file = _pipeline(arguments)
    if file is None:
        return
    if not os.path.isfile(file) or os.path.getsize(file) > _LARGEST:  # noqa: PTH113, PTH202  a pipe would wait
        return
    folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120
    with open(file, encoding="utf-8") as lines:  # noqa: PTH123
        said = [line.partition(":")[2] for line in lines if line.startswith("state:")]
    said += [one.partition("state=")[2] for one in arguments if one.startswith(("state=", "-Dstate="))]
    for one in [*reversed(said), _STATE]:
        yield os.path.join(folder, one.partition(" #")[0].strip().strip("'\""))  # noqa: PTH118


def _pipeline(arguments: Sequence[str]) -> str | None:
    """Return the one argument that is no option, nor the value of one."""
    found, rest = [], iter(arguments[1:])
    for one in rest:
        if one in _WITH_VALUE:
            next(rest, None)
        elif not one.startswith("-"):
            found.append(one)
    return found[0] if len(found) == 1 else None


def _identity(arguments: Sequence[str]) -> Iterator[str]:
    """Yield all by which two runs differ, apart from files; nothing for what neither runs, plans nor checks.

    Nor for a confined run: none keeps a snapshot, so that one would be forged, and tell where to look.
    """
    if arguments[:1] not in (["run"], ["plan"], ["check"]) or any(one.startswith("--confine") for one in arguments):
        return
    yield from (sys.version, sys.executable, os.getcwd(), str(os.getuid() if hasattr(os, "getuid") else ""))  # noqa: PTH109
    yield from (str(len(sys.path)), *sys.path, *arguments[1:])
    yield from (f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith(_MATTERS))
