"""What the plugins offer, as values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from assetforge.codecs.codec import Codec
from assetforge.commands import Command
from assetforge.errors import Problem
from assetforge.hookspecs import Hooks
from assetforge.material.map_spec import MapSpec
from assetforge.steps import Step

if TYPE_CHECKING:
    from assetforge.evaluations import Evaluation
    from assetforge.recipes import Recipe

SLOW = 1.0
"""Seconds to load from which on a plugin is reported: every command waits for it."""


class Plugin(NamedTuple):
    """A loaded plugin: where it comes from, and the digest of its code, which is part of every key."""

    name: str
    version: str
    folder: Path
    """Where its `weights` folder lies."""
    code: str
    origin: str
    files: tuple[Path, ...] = ()
    """The files of its code, and of what it shares with other plugins of the project."""
    steps: tuple[str, ...] = ()
    seconds: float = 0.0
    """How long it took to load."""


class Registry(NamedTuple):
    """All that the plugins offer, and what is wrong with those that could not be loaded."""

    steps: Mapping[str, Step[Any]]
    maps: Mapping[str, MapSpec]
    plugins: Mapping[str, Plugin]
    providers: Mapping[str, str]
    """The plugin of each step, of those included that are not loaded."""
    wrappers: Mapping[str, str]
    """The digest of the code of each plugin that hooks `run_step`, as it may change what any step returns."""
    recipes: Mapping[str, Recipe[Any]]
    """How the plugins' networks are trained; none where nobody has asked for them."""
    evaluations: Mapping[str, Evaluation[Any]]
    """How what the plugins do is measured; none where nobody has asked for them."""
    commands: Mapping[str, Command]
    """What the plugins add to the command line."""
    codecs: Mapping[str, Codec]
    """The file formats that the plugins add, by their words."""
    coders: Mapping[str, str]
    """The digest of the code of each plugin that has codecs, as it may change what is read and written."""
    broken: tuple[Problem, ...]
    disputed: Mapping[str, Problem]
    """The steps of which a plugin that was left out has another one, each with what names both."""
    hooks: Hooks

    def plugin_of(self, step: str) -> Plugin:
        """Return the plugin that registered a step."""
        return self.plugins[self.providers[step]]

    @property
    def has_listeners(self) -> bool:
        """Whether a plugin wants to be told of events."""
        return bool(cast("Any", self.hooks.on_event).get_hookimpls())  # pluggy puts it in the hook's place

    @property
    def slow(self) -> tuple[Problem, ...]:
        """Plugins that make every command wait."""
        instead = "import what is heavy inside the step's function"
        return tuple(
            Problem(
                f"plugin {one.name!r} ({one.origin})", f"takes {one.seconds:.1f} s to load, in every command", instead
            )
            for one in self.plugins.values()
            if one.seconds > SLOW
        )
