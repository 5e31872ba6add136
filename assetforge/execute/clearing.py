"""Clear up: what runs had begun that died, and what was built of sources that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from assetforge.errors import OutputError
from assetforge.execute.publish import journals, recover
from assetforge.pipeline.pipeline import Pipeline
from assetforge.plan.jobs import Gone
from assetforge.store import runs
from assetforge.store.state import State


def recover_dead(state: State, folder: Path) -> None:
    """Finish what runs had begun that died."""
    with runs.dead(folder) as dead:
        for run in dead:
            for journal in journals(run.folder):
                with suppress(OutputError):  # what is locked now stays out of date, and is published again
                    recover(journal)
            state.journal.unclaim_all(run.id)
            run.remove()


def remove_outputs(gone: Gone, pipeline: Pipeline, state: State) -> Iterator[Path]:
    """Remove and yield outputs whose sources are gone, unless somebody has changed them since."""
    for name in gone.files:
        path = pipeline.folder / name
        if state.output(name) == "as written":
            with suppress(OSError):
                path.unlink()
                yield path
                _remove_empty(path.parent, pipeline.outputs.root)
    state.forget(gone.asset)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove folders that have become empty, up to the output root."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
