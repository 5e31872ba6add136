"""Named network weights: where their files lie, and loading that is verified."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from assetforge.errors import PluginError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "weights"
SUFFIX = ".safetensors"


def names(plugin_folder: Path) -> tuple[str, ...]:
    """Name the weights that lie in a plugin's `weights` folder."""
    return tuple(sorted(path.stem for path in (plugin_folder / FOLDER).glob(f"*{SUFFIX}")))


def find(name: str, plugin_folder: Path) -> Path:
    """Return the file of a plugin's weights; raise PluginError where there is none."""
    path = plugin_folder / FOLDER / f"{name}{SUFFIX}"
    if not path.is_file():
        raise PluginError(str(path), "the weights are missing", did_you_mean(name, names(plugin_folder)))
    return path


def card(path: Path) -> Path:
    """Return the place of the card (data, licence, recipe, figures) of a weights file."""
    return path.with_suffix(".md")


def sha256(path: Path) -> str:
    """Digest a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file into host memory; raise PluginError where it is damaged. No pickle is ever read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise PluginError(str(path), f"the weights cannot be read ({error})", "restore the file") from error
