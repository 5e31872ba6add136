"""Adds weights to the user's folder: in one form, with a card that says where they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from assetforge import weights
from assetforge.codecs.atomic import write_atomically
from assetforge.errors import UsageError
from assetforge.weights import foreign, vgg19

UNCONFIRMED = "To be confirmed by the user."


def add(name: str, file: Path, told: vgg19.Input | None = None, terms: str = "") -> Path:
    """Write a file of weights to the user's folder under a name, with its card; return where it went.

    `vgg19` is brought to its canonical form; other weights must be a safetensors file, and keep their tensors.
    Raises UsageError where the file is not what it should be, and OutputError where the folder cannot be written.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UsageError("weights add", f"{name!r} is not a name", "write letters, digits and '_', such as vgg19")
    tensors = foreign.read(file)
    original = weights.sha256(file)
    if name == "vgg19":
        tensors = vgg19.canonical(tensors, str(file), told, original)
    elif file.suffix.lower() != weights.SUFFIX:
        raise UsageError(str(file), f"{name!r} is no network that can be converted", "name vgg19, or give .safetensors")
    content = save({key: tensors[key].contiguous() for key in sorted(tensors)})
    path = weights.user_folder() / f"{name}{weights.SUFFIX}"
    write_atomically(weights.card(path), _card(name, file.name, original, tensors, terms).encode())
    write_atomically(path, content)
    return path


def _card(name: str, file: str, original: str, tensors: Mapping[str, Tensor], terms: str) -> str:
    layers = weights.layers_of(tensors)
    kept = "In the canonical form of AssetForge." if name == "vgg19" else "Kept as they were."
    return f"""\
# {name}

## Origin

`{file}`, sha256 {original}.
{kept} {len(layers)} layers{f", {layers[0]} to {layers[-1]}" if layers else ""}.

## License

{terms or UNCONFIRMED}
"""
