"""Where files of weights lie, and what can be told of them without torch."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assetforge.codecs.regular import open_regular
from assetforge.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "weights"
SUFFIX = ".safetensors"
SHIPPED = Path(__file__).parent / "shipped"
"""Where the weights lie that several plugins use."""
VARIABLE = "ASSETFORGE_WEIGHTS"
_LENGTH_BYTES = 8
_LARGEST_HEADER = 2**27


def user_folder() -> Path:
    """Return the folder of the weights that the user has added: `$ASSETFORGE_WEIGHTS`, or one in the user's own."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else Path(click.get_app_dir("assetforge")) / FOLDER


def names_in(folder: Path) -> tuple[str, ...]:
    """Name the weights that lie in a folder."""
    return tuple(sorted(path.stem for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")))


def names(plugin_folder: Path) -> tuple[str, ...]:
    """Name the weights that lie in a plugin's `weights` folder."""
    return names_in(plugin_folder / FOLDER)


def find(name: str, plugin_folder: Path) -> Path:
    """Return the file of the weights that a plugin asks for: its own, else those shipped for all, else the user's.

    Raises PluginError where there is none.
    """
    folders = (plugin_folder / FOLDER, SHIPPED, user_folder())
    own, shipped, added = (folder / f"{name}{SUFFIX}" for folder in folders)
    for path in (own, shipped, added):
        if path.is_file():
            return path
    where = own if own.parent.is_dir() else added
    raise PluginError(str(where), "the weights are missing", f"add them: assetforge weights add {name} FILE")


def card(path: Path) -> Path:
    """Return the place of the card (data, license, recipe, figures) of a weights file."""
    return path.with_suffix(".md")


def license_of(path: Path) -> str:
    """Return the first sentence that a weights file's card says of its license; nothing where it says none."""
    try:
        text = card(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^## Licen[cs]e\s*\n+(.+?)(?:(?<=\.)\s|$)", text, re.MULTILINE)
    return found.group(1).strip() if found else ""


def sha256(path: Path) -> str:
    """Digest a file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the names and shapes in a safetensors file, in the order of the names, and nothing else of it.

    Raises PluginError where it is damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            header = json.loads(file.read(min(length, _LARGEST_HEADER)))
        return {name: tuple(header[name]["shape"]) for name in sorted(header) if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error


def layers(path: Path) -> list[str]:
    """Name the layers in a safetensors file, in order; raise PluginError where it is damaged."""
    return layers_of(shapes(path))


def layers_of(tensors: Iterable[str]) -> list[str]:
    """Name the layers of a file by the names of its tensors, in order: what a `.weight` belongs to."""
    return sorted((name.removesuffix(".weight") for name in tensors if name.endswith(".weight")), key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    """Order `body.2` before `body.10`."""
    return [(int(part or 0) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]


def load(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file into host memory; raise PluginError where it is damaged. No pickle is ever read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> PluginError:
    return PluginError(str(path), f"the weights cannot be read ({error})", "restore the file")
