"""What the jobs of a pipeline printed, a file each, beside its state."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from assetforge.codecs.atomic import file_name, write_atomically
from assetforge.errors import OutputError
from assetforge.pipeline.pipeline import Pipeline

FOLDER = "logs"


@dataclass(frozen=True)
class Logs:
    """The logs of a pipeline: one for each asset that printed something when it was last built."""

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
        path = self.path(asset)
        try:
            if text.strip():
                write_atomically(path, text.encode(errors="backslashreplace"))
                return str(path)
            path.unlink(missing_ok=True)
        except (OSError, OutputError):  # how the job ended is what matters
            pass
        return ""

    def prune(self, assets: Iterable[str]) -> None:
        """Remove the logs of all other assets than these."""
        kept = {self.path(asset) for asset in assets} if self.folder.is_dir() else set()
        for path in self.folder.glob("*.log"):
            if path not in kept:
                with suppress(OSError):
                    path.unlink()
