"""What steps noted of their results: kept in the store beside them, so that it does not matter who computed them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assetforge.store.results import Store

NOTES = ".notes"
"""Ending of a task's notes in the store."""


@dataclass(frozen=True)
class Notes:
    """What one step noted of a result, or all steps of a job did of theirs."""

    values: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    """Why the result, though whole, is doubtful."""


def keep(store: Store, key: str, notes: Notes, *, replace: bool) -> None:
    """Keep the notes of a task with this key; those that are there already stay, unless they are to be replaced."""
    if notes.values or notes.flags:
        text = json.dumps({"notes": dict(notes.values), "flags": notes.flags}, allow_nan=False)
        store.put(key, NOTES, lambda path: _write(path, text), lambda _: None, replace=replace)
    elif replace and (entry := store.find(key, NOTES)):
        store.drop(entry)


def gather(store: Store, tasks: Mapping[str, str]) -> Notes:
    """Return the notes of a job's tasks, given as the key of each by its name; flags have the names before them."""
    found = {name: _find(store, key) for name, key in tasks.items()}
    return Notes(
        {name: notes.values for name, notes in found.items() if notes.values},
        tuple(f"{name}: {flag}" for name, notes in found.items() for flag in notes.flags),
    )


def _find(store: Store, key: str) -> Notes:
    """Look up the notes of a task; those that are damaged are as though there were none."""
    entry = store.find(key, NOTES)
    if entry is None:
        return Notes()
    try:
        data = json.loads(entry.path.read_bytes()) if entry.is_whole() else {}
        return Notes(data["notes"], tuple(data["flags"]))
    except (OSError, ValueError, KeyError, TypeError):
        store.drop(entry)
        return Notes()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
