"""Reads tensors from the files in which networks are passed around. Nothing that a file holds is ever run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assetforge import weights
from assetforge.errors import PluginError, UsageError


def read(path: Path) -> dict[str, Tensor]:
    """Read all tensors of an .npz, .pth, .pt or .safetensors file by name; raise UsageError where that cannot be."""
    if path.suffix.lower() not in _READERS:
        raise UsageError(
            str(path), f"{path.suffix or 'a file without an ending'} is not read", f"give {', '.join(_READERS)}"
        )
    if not path.is_file():
        raise UsageError(str(path), "there is no such file", "name the file of the weights")
    return _READERS[path.suffix.lower()](path)


_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict")
"""Under one of these names, files of training runs keep the tensors beside other things; the first counts."""


def _read_npz(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in arrays.files}
    except (OSError, ValueError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return weights.load(path)
    except PluginError as error:
        raise _unreadable(path, error.__cause__ or error) from error


def _read_pickled(path: Path) -> dict[str, Tensor]:
    """Read a state dict with the unpickler that knows tensors only."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = "refused: it is damaged, or holds more than tensors, and reading that could run anything"
        raise UsageError(str(path), what, "save its state_dict() alone, or convert it to .safetensors") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise _unreadable(path, error) from error
    return _state_dict(path, found)


def _state_dict(path: Path, found: Any) -> dict[str, Tensor]:
    for name in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
            break
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UsageError(str(path), "does not hold tensors by name", "save the network's state_dict() alone")
    return {str(name): tensor.detach() for name, tensor in found.items()}


def _unreadable(path: Path, error: BaseException) -> UsageError:
    said = (str(error).split("\n")[0] or type(error).__name__)[:160]
    return UsageError(str(path), f"cannot be read ({said})", "download or copy it anew")


_READERS: Mapping[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npz": _read_npz,
    ".pth": _read_pickled,
    ".pt": _read_pickled,
    ".safetensors": _read_safetensors,
}
