"""Put all outputs of a job in place together, so that no reader meets half a material, not even after a crash.

Every file is written beside its place first; then all are renamed, one right after the other. A journal says which,
so that recovery completes the renames where they had begun, and removes the copies where they had not. Its names start
from the root of the outputs, and it is believed only where it names what we might have written: a project may have been
copied, or handed over by somebody else. Outputs that are not made any more are removed.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from pydantic import BaseModel, ConfigDict, StrictBool

from assetforge.codecs.atomic import (
    check_writable,
    file_name,
    is_temporary_path,
    synchronize,
    synchronize_folder,
    temporary_path,
    write_atomically,
    write_errors_of,
)
from assetforge.errors import OutputError, StepError
from assetforge.execute.messages import Done
from assetforge.execute.stages import Publish, StageContext
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Gone
from assetforge.store import runs
from assetforge.store.json_text import parse
from assetforge.store.results import DamagedError, Entry
from assetforge.store.state import Published, State, stat_of

MARGIN = 2**20
"""Bytes that must stay free on the disk, for the system's own needs."""
_PIECE = 2**20


@dataclass(frozen=True)
class Move:
    """A result and the place where it is to be published."""

    entry: Entry
    place: Path


class RefusedError(Exception):
    """A journal names what we would not have written."""


class _Journal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    renaming: StrictBool
    pairs: list[tuple[str, str]]
    """Of each file, its temporary and its place, from the root of the outputs."""


def publish_outputs(stage: Publish, context: StageContext) -> Done:
    """Publish all outputs of a job together; they are in the store, encoded here or elsewhere.

    Raises StepError where they are not, OutputError where one cannot be written, and DamagedError where the store's
    content is not what it was; then nothing has been published.
    """
    moves = []
    for output in stage.outputs:
        entry = context.setup.store.find(output.key, output.suffix)
        if entry is None:
            raise StepError(stage.asset, "its results have gone from the store", "run again")
        moves.append(Move(entry, output.path))
    with context.exit_guard:
        journal = journal_in(context.setup.run, context.setup.pipeline, context.setup.name)
        publish(moves, journal, context.setup.outputs)
    return Done(
        published=tuple(
            Published(output.name, output.key, move.entry.sha256, stat_of(str(output.path)))
            for output, move in zip(stage.outputs, moves, strict=True)
        )
    )


def publish(moves: Sequence[Move], journal: Path, root: Path) -> None:
    """Publish files below a root together. What is in place already is left alone: nobody reloads it for nothing.

    Raises OutputError where one cannot be written, and DamagedError where the store's content is not what it was; then
    nothing has been published.
    """
    changed = [move for move in moves if not _in_place(move)]
    for move in changed:
        with write_errors_of(move.place):
            check_writable(move.place)
    _check_space(changed)
    pairs = [(temporary_path(move.place), move.place) for move in changed]
    try:
        _note(journal, pairs, root, renaming=False)
        for move, (temporary, _) in zip(changed, pairs, strict=True):
            with write_errors_of(move.place):
                _copy(move.entry, temporary)
        _note(journal, pairs, root, renaming=True)
    except BaseException:
        _clear(pairs, journal)
        raise
    _rename(pairs)
    journal.unlink()


def recover(journal: Path, root: Path) -> None:
    """Finish or undo what a process had begun when it died.

    Raises RefusedError, with nothing touched, where the journal cannot be ours; OutputError where files are locked.
    """
    try:
        note = parse(_Journal, journal.read_bytes())
    except (OSError, ValueError) as error:  # ours is written whole or not at all
        raise RefusedError("cannot be read") from error
    pairs = [(_below(root, temporary), _below(root, place)) for temporary, place in note.pairs]
    for temporary, place in pairs:
        if not is_temporary_path(temporary, place):
            raise RefusedError(f"names {temporary}, which is no temporary file of {place}")
    if note.renaming:
        _rename([pair for pair in pairs if pair[0].exists()])
    _clear(pairs, journal)


def _below(root: Path, name: str) -> Path:
    """Return the file of a name that starts from a root; raise RefusedError where it leads anywhere else."""
    parts = PurePath(name).parts
    if not parts or PurePath(name).is_absolute() or PurePath(name).anchor or ".." in parts or "\0" in name:
        raise RefusedError(f"names {name!r}, which is not below the outputs")
    path = root / name
    if not path.parent.resolve().is_relative_to(root.resolve()):  # a link leads out
        raise RefusedError(f"names {name!r}, which a link leads out of the outputs")
    return path


def _note(journal: Path, pairs: Sequence[tuple[Path, Path]], root: Path, *, renaming: bool) -> None:
    names = [(one.relative_to(root).as_posix(), other.relative_to(root).as_posix()) for one, other in pairs]
    write_atomically(journal, json.dumps({"renaming": renaming, "pairs": names}).encode())


def _rename(pairs: Sequence[tuple[Path, Path]]) -> None:
    for temporary, place in pairs:
        with write_errors_of(place):
            temporary.replace(place)
    for folder in {place.parent for _, place in pairs}:
        with suppress(OSError):  # the content is there; some file systems know no more
            synchronize_folder(folder)


def _clear(pairs: Sequence[tuple[Path, Path]], journal: Path) -> None:
    for path in [*(temporary for temporary, _ in pairs), journal]:
        with suppress(OSError):
            path.unlink()


def _in_place(move: Move) -> bool:
    try:
        if move.place.is_symlink() or move.place.stat().st_size != move.entry.size:
            return False
        with move.place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == move.entry.sha256
    except OSError:
        return False


def _copy(entry: Entry, path: Path) -> None:
    """Copy a result, and see on the way that it is what was put in."""
    digest = hashlib.sha256()
    try:
        content = entry.path.open("rb")
    except OSError as error:
        raise DamagedError(entry) from error
    with content, path.open("xb") as copy:
        for piece in iter(lambda: content.read(_PIECE), b""):
            digest.update(piece)
            copy.write(piece)
    if digest.hexdigest() != entry.sha256:
        raise DamagedError(entry)
    synchronize(path)


def _check_space(moves: Sequence[Move]) -> None:
    """Refuse before anything is written where a disk has no room for all of it."""
    needed: Counter[int] = Counter()
    place_on = {}
    for move in moves:
        device = os.stat(move.place.parent).st_dev  # noqa: PTH116
        needed[device] += move.entry.size
        place_on[device] = move.place
    for device, size in needed.items():
        free = shutil.disk_usage(place_on[device].parent).free
        if free < size + MARGIN:
            what = f"cannot be written ({os.strerror(errno.ENOSPC)}: {size} bytes are needed, {free} are free)"
            raise OutputError(str(place_on[device]), what, "free some disk space and run again")


def journal_in(folder: Path, pipeline: str, process: str) -> Path:
    """Name the journal of a process in a run's folder: whose outputs it is about, and so which root."""
    return folder / f"publishing-{file_name(pipeline)}-{process}.json"


def journals(folder: Path, pipeline: str = "*") -> Iterator[Path]:
    """Yield the journals in a run's folder, of a pipeline or of all."""
    name = pipeline if pipeline == "*" else glob.escape(file_name(pipeline))
    yield from folder.glob(f"publishing-{name}-*.json")


_ASIDE = "set aside"


def recover_dead(state: State, pipeline: Pipeline) -> list[str]:
    """Finish what runs of a pipeline had begun that died; return warnings about journals that were refused.

    What a run of another pipeline had begun is left to the next run of that.
    """
    said = []
    with runs.dead(pipeline.state) as dead:
        for run in dead:
            for journal in journals(run.folder, pipeline.id):
                try:
                    with suppress(OutputError):  # what is locked now stays out of date, and is published again
                        recover(journal, pipeline.outputs.root)
                except RefusedError as error:
                    aside = pipeline.state / _ASIDE / f"{run.id}-{journal.name}"
                    aside.parent.mkdir(exist_ok=True)
                    journal.replace(aside)
                    said.append(f"{journal}: {error}; nothing was done by it, and it is now {aside}")
                journal.unlink(missing_ok=True)
            state.journal.unclaim_all(run.id)
            if not any(journals(run.folder)):
                run.remove()
    return said


def remove_gone(gone: Gone, pipeline: Pipeline, state: State) -> Iterator[Path]:
    """Remove and yield the outputs of an asset that is not planned any more."""
    for name in gone.files:
        yield from _remove(name, pipeline, state)
    state.forget(gone.asset)


def remove_stale(needed: Collection[str], pipeline: Pipeline, state: State) -> Iterator[Path]:
    """Remove and yield outputs that jobs made once and nothing makes any more; `needed`: names that stay."""
    for name in sorted(state.stale()):
        if name not in needed:
            yield from _remove(name, pipeline, state)
    state.forget_stale()


def _remove(name: str, pipeline: Pipeline, state: State) -> Iterator[Path]:
    """Remove and yield an output, unless somebody has changed it since it was written, or makes it too.

    So it is where a source was renamed in case only, on a disk that does not tell such names apart.

    What lies neither in the outputs' folder nor in the project stays, too: the state may be forged.
    """
    path = pipeline.folder / name
    folders = (pipeline.folder.resolve(), pipeline.outputs.root.resolve())
    if not any(path.parent.resolve().is_relative_to(folder) for folder in folders):
        return
    if state.output(name) == "as written" and not (state.is_of_another(name) or state.is_of_another_spelling(name)):
        with suppress(OSError):
            path.unlink()
            yield path
            _remove_empty(path.parent, pipeline)


def _remove_empty(folder: Path, pipeline: Pipeline) -> None:
    """Remove folders that have become empty, up to the output root, or to the project's own folder."""
    while any(folder != top and folder.is_relative_to(top) for top in (pipeline.outputs.root, pipeline.folder)):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
