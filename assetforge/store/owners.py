"""Who has uploaded which asset, so that a service can show each user what is theirs alone.

It is known as long as the state is. What was put into the folder of sources otherwise is nobody's.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from assetforge.store.schema import transaction, writing

_JOB = re.compile(r"([^\[]+)\[.*=.*\]", re.DOTALL)


def base_of(job: str) -> str:
    """Return the asset of a job: `moss` of `moss[scale=2]`. No name of an upload has a bracket."""
    found = _JOB.fullmatch(job)
    return found[1] if found else job


class Owners:
    """The owners of one pipeline's assets."""

    def __init__(self, database: sqlite3.Connection, path: Path, pipeline: str) -> None:
        self._database, self._path, self._pipeline = database, path, pipeline

    def of(self, asset: str) -> str:
        """Return who has uploaded an asset, nothing where nobody has."""
        query = "select who from uploads where pipeline = ? and asset = ?"
        with writing(self._path):
            row = self._database.execute(query, (self._pipeline, asset)).fetchone()
        return str(row[0]) if row else ""

    def set(self, asset: str, who: str) -> None:
        """Note whose an asset is."""
        with writing(self._path), transaction(self._database):
            self._database.execute("insert or replace into uploads values (?, ?, ?)", (self._pipeline, asset, who))
