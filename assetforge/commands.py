"""The commands of `assetforge`: its own, and the contract of those that plugins add. Imports none of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TARGET = re.compile(r"\w+(\.\w+)*:\w+")


@dataclass(frozen=True)
class Command:
    """A command that a plugin adds: `assetforge NAME`."""

    name: str
    summary: str
    """One line, which `assetforge --help` shows."""
    target: str
    """Where it is, `package.module:attribute`: a click command, which is imported when it is called. An integer that it
    returns is the exit code; an `af.AssetForgeError` that it raises is shown as text."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"command {self.name!r}: not a name; write lowercase words such as 'pack-atlas'")
        if not self.summary or "\n" in self.summary:
            raise ValueError(f"command {self.name!r}: its summary must be one line; it is {self.summary!r}")
        if not _TARGET.fullmatch(self.target):
            raise ValueError(f"command {self.name!r}: its target {self.target!r} is not `package.module:attribute`")


COMMANDS: Mapping[str, str] = {
    "run": "Build what is out of date, and nothing else.",
    "watch": "Build what arrives, as it arrives.",
    "serve": "Show a pipeline in the browser, and take uploads: a page, and an API for scripts.",
    "plan": "Show what a run would do, and why.",
    "why": "Explain one asset: what it is made of, what is up to date, and why not.",
    "status": "Show what is being built, what is quarantined and why, and how the last run ended.",
    "retry": "Try again what has failed and is left alone since: all of it, or these ASSETS.",
    "store": "Look after the results that are kept: how many, which to drop, whether all are whole.",
    "check": "Check a pipeline file and list every mistake in it.",
    "inspect": "Tell what materials a folder holds, by the names of its files, and what is ambiguous.",
    "validate": "Check that the source files of a pipeline are sound, or those of a folder.",
    "steps": "List the steps, or explain one.",
    "plugins": "List the plugins, and what is wrong with broken ones.",
    "weights": "List the weights of networks, or add some.",
    "train": "Train a network by a plugin's recipe, or list the recipes.",
    "eval": "Measure what a plugin does on a folder of pictures, or list the evaluations.",
    "schema": "Print the JSON schema of pipeline files, for editors.",
    "samples": "Write procedural sample textures.",
    "new": "Write the beginnings of a plugin or a pipeline.",
    "doctor": "Tell the device, versions, weights and what is missing.",
}
"""Every command with its first line, so that --help imports none of them."""
