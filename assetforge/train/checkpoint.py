"""What training needs to go on after it was cut off. A checkpoint is replaced as a whole or not at all."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from assetforge.codecs.atomic import write_atomically
from assetforge.errors import UsageError

State = dict[str, Any]
"""Tensors, numbers and words; nothing that loading would have to run."""


def save(path: Path, state: State, identity: str) -> None:
    """Keep a state, and what it belongs to."""
    file = io.BytesIO()
    torch.save({"identity": identity, "state": state}, file)
    write_atomically(path, file.getvalue())


def load(path: Path, identity: str) -> State | None:
    """Return the state that is kept, None where there is none; raise UsageError where it belongs to other training."""
    if not path.exists():
        return None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        known, state = found["identity"], found["state"]
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise UsageError(str(path), "is no checkpoint that can be read", "remove it to begin anew") from error
    if known != identity:
        what = f"is a checkpoint of other training ({known}) than this ({identity})"
        raise UsageError(str(path), what, "choose another folder, or remove it to begin anew")
    return dict(state)
