"""Whether there may be plugins of others, told by the metadata of what is installed, without loading any plugin."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

_OURS = "assetforge-"
"""How the name of our own metadata begins; ours add no command."""
_GROUP = b"[assetforge]"
_METADATA = (".dist-info", ".egg-info")


def may_have_others() -> bool:
    """Tell whether another distribution than AssetForge offers plugins; True, too, where that is hard to see."""
    return any(_offers(Path(folder)) for folder in sys.path)


def _offers(folder: Path) -> bool:
    try:
        names = os.listdir(folder)  # noqa: PTH208  names are all that it takes
    except FileNotFoundError:
        return False
    except OSError:  # an archive of modules, for instance
        return True
    return any(name.endswith(".egg") for name in names) or any(_GROUP in text for text in _entry_points(folder, names))


def _entry_points(folder: Path, names: list[str]) -> Iterator[bytes]:
    for name in names:
        if name.endswith(_METADATA) and not name.startswith(_OURS):
            try:
                yield (folder / name / "entry_points.txt").read_bytes()
            except OSError:  # it offers nothing to anybody
                continue
