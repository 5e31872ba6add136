"""What the jobs of a pipeline printed, and what they drew and were made of where they failed, beside its state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assetforge.codecs.atomic import file_name, write_atomically
from assetforge.errors import OutputError
from assetforge.pipeline.pipeline import Pipeline

FOLDER = "logs"


@dataclass(frozen=True)
class Logs:
    """The logs of a pipeline: one for each asset that printed something when it was last built.

    Where the asset has failed, the picture that its last step drew, if it did, and what it was made of, are beside it.
    """

    folder: Path

    @staticmethod
    def of(pipeline: Pipeline) -> Logs:
        """Return the logs of a pipeline."""
        return Logs(pipeline.state / FOLDER / file_name(pipeline.id))

    def path(self, asset: str) -> Path:
        """Return where the log of an asset is, if it has one."""
        return self.folder / f"{file_name(asset)}.log"

    def keep(self, asset: str, text: str) -> str:
        """Keep what an asset's job printed in place of what it printed before; return where, or nothing."""
        return _keep(self.path(asset), text.encode(errors="backslashreplace") if text.strip() else b"")

    def keep_picture(self, asset: str, png: bytes) -> str:
        """Keep the picture of an asset's failure in place of that of an earlier one; return where, or nothing."""
        return _keep(self.picture(asset), png)

    def keep_failure(self, asset: str, made_of: Mapping[str, Any] | None) -> None:
        """Keep what an asset was made of that has failed, for `Reader.failure`; None where it has not."""
        _keep(self.failure(asset), b"" if made_of is None else json.dumps(made_of).encode())

    def prune(self, assets: Iterable[str]) -> None:
        """Remove what is kept of all other assets than these."""
        if not self.folder.is_dir():
            return
        there = [path for path in self.folder.iterdir() if path.suffix in (".log", ".png", ".json")]
        kept = set(map(file_name, assets)) if there else set()
        for path in there:
            if path.stem not in kept:
                with suppress(OSError):
                    path.unlink()

    def picture(self, asset: str) -> Path:
        """Return where the picture of an asset's failure is, if there is one."""
        return self.folder / f"{file_name(asset)}.png"

    def failure(self, asset: str) -> Path:
        """Return where it is kept what an asset was made of, if it has failed."""
        return self.folder / f"{file_name(asset)}.json"


def _keep(path: Path, content: bytes) -> str:
    """Let a file hold this, or let there be none; return where it is, or nothing."""
    try:
        if content:
            write_atomically(path, content)
            return str(path)
        path.unlink(missing_ok=True)
    except (OSError, OutputError):  # how the job ended is what matters
        pass
    return ""
