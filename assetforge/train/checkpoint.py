"""What training needs to go on after it was cut off. A checkpoint is replaced as a whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import UsageError

State = dict[str, Any]
"""Tensors, numbers and words; nothing that loading would have to run."""


Identity = Mapping[str, Any]
"""What training is known by: plain values by name. Only training of the same values goes on from a checkpoint."""
_NAMED = 4
"""Values that differ, of which so many are named."""


def save(path: Path, state: State, identity: Identity) -> None:
    """Keep a state, and what it belongs to."""
    file = io.BytesIO()
    torch.save({"identity": dict(identity), "state": state}, file)
    write_atomically(path, file.getvalue())


def load(path: Path, identity: Identity) -> State | None:
    """Return the state that is kept, None where there is none; raise UsageError where it belongs to other training."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(str(path), f"cannot be read ({error.strerror})", "check that it is yours") from error
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        known, state = dict(found["identity"]), dict(found["state"])
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise UsageError(str(path), "is no checkpoint that can be read", "remove it to begin anew") from error
    if other := _differences(known, identity):
        what = f"is a checkpoint of other training: {', '.join(other[:_NAMED])}"
        raise UsageError(str(path), what, "choose another folder, or remove it to begin anew")
    return state


def _differences(known: Identity, identity: Identity) -> list[str]:
    """Say which values were others: `--steps was 40 and is 80`."""
    names = dict.fromkeys([*known, *identity])
    return [
        f"{name} was {known.get(name)} and is {identity.get(name)}"
        for name in names
        if known.get(name) != identity.get(name)
    ]
