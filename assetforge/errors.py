"""Every error that a user can cause says where it is, what is wrong, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: `where: what; instead`."""

    where: str
    what: str
    instead: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.instead}" if self.instead else text


class AssetForgeError(Exception):
    """Base of all errors that are shown to a user as text and not as a traceback."""

    exit_code: int = 1
    retry: bool = False
    """Whether the same job may well succeed when it is tried again at once."""
    quarantine: bool = False
    """Whether the job is at fault and not its surroundings, so that it is left alone until something changes."""
    stale: bool = False
    """Whether the job was planned with something that is not so any more."""

    def __init__(self, where: str, what: str, instead: str = "") -> None:
        self.problem = Problem(where, what, instead)
        super().__init__(str(self.problem))


class SourceError(AssetForgeError):
    """A source file does not hold what its map needs. It never will, unless it is changed."""

    quarantine = True


class AccessError(SourceError):
    """A source file cannot be reached just now."""

    quarantine = False


class ChangedError(AccessError):
    """A file was changed since it was planned with."""

    stale = True


class OutputError(AssetForgeError):
    """An output file cannot be written."""


class StepError(AssetForgeError):
    """A step failed on an asset, or returned something that is not a valid material."""

    retry = True
    quarantine = True


class StoreError(AssetForgeError):
    """The state or the store cannot be used."""

    exit_code = 3


class PluginError(AssetForgeError):
    """A plugin cannot be loaded, or breaks the contract."""

    exit_code = 3


class DeviceError(AssetForgeError):
    """The requested device is not there."""

    exit_code = 3


class UsageError(AssetForgeError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class PipelineError(AssetForgeError):
    """A pipeline file has one or more mistakes; all of them are in `problems`."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], *, broken_plugin: bool = False) -> None:
        self.problems = tuple(problems)
        if broken_plugin:
            self.exit_code = PluginError.exit_code
        Exception.__init__(self, "\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is nearest, else list them all."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(words)}" if words else "none are known"
