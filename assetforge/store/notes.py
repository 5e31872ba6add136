"""What steps noted of their results: kept in the store beside them, so that it does not matter who computed them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, JsonValue, TypeAdapter, field_validator

from assetforge.codecs.regular import read_regular
from assetforge.flags import Flag
from assetforge.store.json_text import parse
from assetforge.store.results import Store

NOTES = ".notes"
"""Ending of notes in the store."""
_CUT = "cut"
_LEAST_SHOWN = 0.0005
_LARGEST = 2**24
"""Bytes of the notes of one result."""


@dataclass(frozen=True)
class Notes:
    """What one step noted of a result, or all steps of a job did of theirs."""

    values: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    """Why the result, though whole, is doubtful."""


class _Kept(BaseModel):
    """Notes as they lie in the store."""

    model_config = ConfigDict(allow_inf_nan=False)

    notes: dict[str, JsonValue]
    flags: list[Flag]

    @field_validator("notes")
    @classmethod
    def _shares_are_numbers(cls, notes: dict[str, JsonValue]) -> dict[str, JsonValue]:
        TypeAdapter(dict[str, FiniteFloat]).validate_python(notes.get(_CUT, {}))
        json.dumps(notes, allow_nan=False)
        return notes


def keep(store: Store, key: str, notes: Notes, *, replace: bool) -> None:
    """Keep the notes of a task with this key; those that are there already stay, unless they are to be replaced."""
    if any(notes.values.values()) or notes.flags:
        text = json.dumps(
            {"notes": dict(notes.values), "flags": [flag.data() for flag in notes.flags]}, allow_nan=False
        )
        store.put(key, NOTES, lambda path: _write(path, text), lambda _: None, replace=replace)
    elif replace and (entry := store.find(key, NOTES)):
        store.drop(entry)


def keep_cut(store: Store, key: str, shares: Mapping[str, float], *, replace: bool) -> None:
    """Keep which share of each map an output with this key cannot hold, as its values are out of range."""
    keep(store, key, Notes({_CUT: {name: share for name, share in shares.items() if share > 0}}), replace=replace)


def gather(store: Store, noted: Mapping[str, str], outputs: Iterable[str]) -> Notes:
    """Return the notes of a job's sources and tasks, given as the key of each by its name, and of its outputs' keys.

    Flags say which it was. What outputs cannot hold is one flag.
    """
    found = {name: _find(store, key) for name, key in noted.items()}
    values = {name: notes.values for name, notes in found.items() if notes.values}
    flags = [dataclasses.replace(flag, by=name) for name, notes in found.items() for flag in notes.flags]
    cut = {name: share for key in outputs for name, share in _find(store, key).values.get(_CUT, {}).items()}
    if cut:
        values["outputs"] = {_CUT: cut}
        listed = ", ".join(f"{_percent(share)} of {name}" for name, share in cut.items())
        text = f"{listed} is outside the range of its format and was cut; write exr32 or tiff32"
        flags.append(Flag(text, by="outputs"))
    return Notes(values, tuple(flags))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= _LEAST_SHOWN else "a trace"


def _find(store: Store, key: str) -> Notes:
    """Look up the notes of a task; those that are damaged are as though there were none."""
    entry = store.find(key, NOTES)
    if entry is None:
        return Notes()
    try:
        kept = parse(_Kept, read_regular(entry.path, _LARGEST) if entry.is_whole() else b"")
    except (OSError, ValueError):
        store.drop(entry)
        return Notes()
    return Notes(kept.notes, tuple(kept.flags))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
