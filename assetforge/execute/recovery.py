"""Crash recovery and removal: what runs had begun that died, and outputs that are not made any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from assetforge.errors import OutputError
from assetforge.execute.publish import RefusedError, journals, recover
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Gone
from assetforge.store import runs
from assetforge.store.state import State

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

    What lies neither in the outputs' folder nor in the project stays, too: the state may be forged.
    """
    path = pipeline.folder / name
    folders = (pipeline.folder.resolve(), pipeline.outputs.root.resolve())
    if not any(path.parent.resolve().is_relative_to(folder) for folder in folders):
        return
    if state.output(name) == "as written" and not state.is_of_another(name):
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
