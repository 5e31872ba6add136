"""Tells before anything heavy is imported that a run has nothing to do, by the snapshot of an earlier one.

Where that is not proven, for whatever reason, the plan decides. This module imports next to nothing, click included.
"""

from __future__ import annotations

import os
import sys

from assetforge import snapshot
from assetforge.snapshot import Occasion

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
    return Occasion(_identity(arguments), grain)


def nothing_to_do(arguments: Sequence[str], identity: Sequence[str]) -> bool:
    """Do all that a run does which finds nothing to do, if it is proven that this is one; tell whether it is."""
    found = proof(arguments, identity)
    if found is None:
        return False
    path, text = found
    sys.stdout.write(text)
    sys.stdout.flush()
    snapshot.mark_used(path)
    return True


def proof(arguments: Sequence[str], identity: Sequence[str]) -> tuple[str, str] | None:
    """Return the file of a snapshot that proves that there is nothing to do, and what such a run says."""
    try:
        return next(_proofs(arguments, identity), None) if identity else None
    except (OSError, ValueError, ArithmeticError):  # a snapshot that is forged or damaged, a folder that has gone
        return None


def _proofs(arguments: Sequence[str], identity: Sequence[str]) -> Iterator[tuple[str, str]]:
    for state in dict.fromkeys(_states(arguments)):
        path = os.path.join(state, snapshot.FOLDER, snapshot.name_of(identity))  # noqa: PTH118
        found = snapshot.read(path)
        if found is None or found.identity != identity or snapshot.runs_at_work(state):
            continue
        database, says = os.path.join(state, snapshot.DATABASE), found.ending.says  # noqa: PTH118
        is_ours = snapshot.stat_of(database)[-1] == found.ending.database
        if is_ours and says.replace("\n", "").isprintable() and found.is_current():
            yield path, says


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
    """Yield all by which two runs differ, apart from files; nothing for what is no run."""
    if arguments[:1] != ["run"]:
        return
    yield from (sys.version, sys.executable, os.getcwd(), str(os.getuid() if hasattr(os, "getuid") else ""))  # noqa: PTH109
    yield from (str(len(sys.path)), *sys.path, str(len(arguments)), *arguments)
    yield from (f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith(_MATTERS))
