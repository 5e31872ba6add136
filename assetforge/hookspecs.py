"""Everything that a plugin may hook. A misspelt hook is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from assetforge.codecs.codec import Codec
from assetforge.commands import Command
from assetforge.material.map_spec import MapSpec
from assetforge.params import Params
from assetforge.steps import Context, Step

if TYPE_CHECKING:
    from assetforge.evaluations import Evaluation
    from assetforge.events import Event
    from assetforge.material.material import Material
    from assetforge.recipes import Recipe

hookspec = pluggy.HookspecMarker("assetforge")
hookimpl = pluggy.HookimplMarker("assetforge")
"""Marks a function of a plugin as a hook: `@af.hookimpl`."""

Register = Callable[[Step[Any]], None]
"""Takes a step that a plugin offers."""
RegisterMap = Callable[[MapSpec], None]
"""Takes a map that a plugin offers."""
RegisterRecipe = Callable[["Recipe[Any]"], None]
"""Takes a recipe that a plugin offers."""
RegisterEvaluation = Callable[["Evaluation[Any]"], None]
"""Takes an evaluation that a plugin offers."""
RegisterCommand = Callable[[Command], None]
"""Takes a command that a plugin offers."""
RegisterCodec = Callable[[Codec], None]
"""Takes a codec that a plugin offers."""


@hookspec
def register_steps(register: Register) -> None:
    """Call `register` with each step that the plugin offers."""


@hookspec
def register_maps(register: RegisterMap) -> None:
    """Call `register` with each word that the plugin adds to the vocabulary of maps."""


@hookspec
def register_recipes(register: RegisterRecipe) -> None:
    """Call `register` with each recipe by which `assetforge train` can train a network of the plugin.

    Only commands that list or use recipes call it: what they alone need can be imported inside.
    """


@hookspec
def register_evaluations(register: RegisterEvaluation) -> None:
    """Call `register` with each evaluation by which `assetforge eval` can measure what the plugin does.

    Only commands that list or use evaluations call it: what they alone need can be imported inside.
    """


@hookspec
def register_commands(register: RegisterCommand) -> None:
    """Call `register` with each command that the plugin adds to `assetforge`; installed plugins alone can add some.

    A command of AssetForge itself, or of another plugin, cannot be replaced.
    """


@hookspec
def register_codecs(register: RegisterCodec) -> None:
    """Call `register` with each file format that the plugin reads or writes; none of AssetForge's own is replaced."""


@hookspec(firstresult=True)
def run_step(step: Step[Any], material: Material, params: Params, context: Context) -> Material | None:
    """Run one step; return None to leave it to the next plugin, and in the end to the host, which calls `step.run`.

    Meant for hook wrappers, which time or retry a step.
    """


@hookspec
def on_event(event: Event) -> None:
    """Watch what happens. Called in the host's process; it must be quick."""


class Hooks(Protocol):
    """The hooks as the host calls them."""

    def run_step(self, *, step: Step[Any], material: Material, params: Params, context: Context) -> Material | None:
        """Run a step."""

    def register_codecs(self, *, register: RegisterCodec) -> list[None]:
        """Take the codecs of the plugins."""

    def on_event(self, *, event: Event) -> list[None]:
        """Tell the plugins what happened."""
