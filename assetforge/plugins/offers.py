"""What one plugin registers, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from assetforge import hookspecs
from assetforge.codecs.codec import Codec
from assetforge.codecs.starts import built_in
from assetforge.commands import Command
from assetforge.errors import PluginError, blamed_on, did_you_mean
from assetforge.material.map_spec import MapSpec
from assetforge.plugins.found import GROUP, GROUP_OF_MAPS, GROUP_OF_STEPS, Found
from assetforge.schema_text import wrong_defaults
from assetforge.steps import Step

if TYPE_CHECKING:
    from assetforge.evaluations import Evaluation
    from assetforge.recipes import Recipe

K = TypeVar("K", "Step[Any]", "Recipe[Any]", "Evaluation[Any]")
V = TypeVar("V")
_DECLARED = frozenset({"register_steps", "register_maps", "register_recipes", "register_evaluations"})
"""The hooks of plugins that are only loaded where something of them is used."""
_HOOKABLE = (FunctionType, MethodType, classmethod, staticmethod)
_DECORATORS: Mapping[str, str] = {
    "step": '@af.step("{}", Params, reads={{"base_color"}}, writes={{"base_color"}})',
    "recipe": '@af.recipe("{}", Params)',
    "evaluation": '@af.evaluation("{}", Params, [af.Figure(…)])',
}
"""How a function is made what a plugin registers."""


class Manager(pluggy.PluginManager):
    """Examines what can be a hook at all; pluggy itself looks into every name of a module, which takes longer."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return what marks a function of a plugin as a hook."""
        return super().parse_hookimpl_opts(plugin, name) if isinstance(vars(plugin).get(name), _HOOKABLE) else None

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> pluggy.HookspecOpts | None:
        """Return what marks a function as a specification of hooks."""
        is_hookable = isinstance(vars(module_or_class).get(name), _HOOKABLE)
        return super().parse_hookspec_opts(module_or_class, name) if is_hookable else None


@dataclass(frozen=True)
class Offers:
    """What one plugin registers, by name."""

    steps: dict[str, Step[Any]] = field(default_factory=dict)
    maps: dict[str, MapSpec] = field(default_factory=dict)
    recipes: dict[str, Recipe[Any]] = field(default_factory=dict)
    evaluations: dict[str, Evaluation[Any]] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    codecs: dict[str, Codec] = field(default_factory=dict)


def offers_of(module: ModuleType, where: str, *, training: bool) -> Offers:
    """Ask one module for all that it registers, in a manager of its own, so that a bad one leaves no trace."""
    manager = Manager(GROUP)
    manager.add_hookspecs(hookspecs)
    offers = Offers()
    try:
        with blamed_on(where, "registration"):
            manager.register(module)
            manager.check_pending()
            keepers = _keepers(offers, where) | (_keepers_of_training(offers, where) if training else {})
            for name, keep in keepers.items():
                _refuse_returned(getattr(manager.hook, name)(register=keep), name, where)
    except PluginError as error:
        if not isinstance(error.__cause__, pluggy.PluginValidationError):
            raise
        name = _hook_name(error.__cause__)
        raise PluginError(where, _misspelt(error.__cause__, name), did_you_mean(name, _hook_names())) from error
    for name in _hook_names():
        if name.startswith("register_") and _is_unmarked(module, name):
            raise PluginError(where, f"its function `{name}` is no hook", "write `@af.hookimpl` above it")
    return offers


def refuse_undeclared(module: ModuleType, offers: Offers, found: Found) -> None:
    """Refuse a plugin that offers more or other things than its metadata say: elsewhere, it would be passed over."""
    hooks = [name for name in _hook_names() if hasattr(vars(module).get(name), "assetforge_impl")]
    if others := [name for name in hooks if name not in _DECLARED]:
        what = f"hooks `{others[0]}`, though its metadata have entry points in the group `{GROUP_OF_STEPS}`"
        raise PluginError(found.where, what, "remove those: such a plugin is always needed")
    for group, named, offered in (
        (GROUP_OF_STEPS, found.steps, offers.steps),
        (GROUP_OF_MAPS, found.maps, offers.maps),
    ):
        if differ := sorted(offered.keys() ^ named):
            what = f"its metadata (the group `{group}`) and its code disagree on {differ[0]!r}"
            raise PluginError(found.where, what, "name there all that it registers, and reinstall it")


def refuse_wrong_defaults(offers: Offers, where: str) -> None:
    """Refuse a plugin whose parameters have defaults that they do not take."""
    models = [step.params for step in offers.steps.values()]
    models += [recipe.params for recipe in offers.recipes.values()]
    models += [evaluation.params for evaluation in offers.evaluations.values()]
    for model in dict.fromkeys(models):
        wrong: list[str] = []
        with suppress(Exception, SystemExit):  # a validator of theirs fails, which is told where they are used
            wrong = wrong_defaults(model)
        if wrong:
            raise PluginError(where, "; ".join(wrong))


def _keepers(offers: Offers, where: str) -> dict[str, Callable[[Any], None]]:
    """Return what each hook that registers is given: it takes a value, or raises PluginError with what is wrong."""
    return {
        "register_maps": lambda spec: _keep_map(spec, offers.maps, where),
        "register_steps": lambda step: _keep(step, Step, offers.steps, where),
        "register_commands": lambda command: _keep_command(command, offers.commands, where),
        "register_codecs": lambda codec: _keep_codec(codec, offers.codecs, where),
    }


def _keepers_of_training(offers: Offers, where: str) -> dict[str, Callable[[Any], None]]:
    """Return the same of the hooks that few commands call."""
    from assetforge.evaluations import Evaluation
    from assetforge.recipes import Recipe

    return {
        "register_recipes": lambda recipe: _keep(recipe, Recipe, offers.recipes, where),
        "register_evaluations": lambda one: _keep(one, Evaluation, offers.evaluations, where),
    }


def _refuse_returned(returned: list[object], name: str, where: str) -> None:
    if returned:
        what = f"its function `{name}` gives back a {type(returned[0]).__name__}, which nobody takes"
        raise PluginError(where, what, "call `register(…)` in it with each that it offers")


def _is_unmarked(module: ModuleType, name: str) -> bool:
    """Tell whether a module has a function of its own that only looks like a hook."""
    found = vars(module).get(name)
    own = isinstance(found, FunctionType) and found.__module__ == module.__name__
    return own and not hasattr(found, "assetforge_impl")


def _keep(offered: K, kind: type[K], kept: dict[str, K], where: str) -> None:
    word = kind.__name__.lower()
    if isinstance(offered, FunctionType):
        name, code = offered.__name__, offered.__code__
        what = f"its function `{name}` ({Path(code.co_filename).name} line {code.co_firstlineno}) is no {word}"
        raise PluginError(where, what, f"write `{_DECORATORS[word].format(name)}` above it")
    if not isinstance(offered, kind):
        what = f"registers a {type(offered).__name__}, which is no {word}"
        raise PluginError(where, what, f"register a function with `@af.{word}(…)` above it")
    _keep_once(word, offered.name, offered, kept, where)


def _refuse_other(offered: object, kind: type, where: str) -> None:
    if not isinstance(offered, kind):
        raise PluginError(where, f"registers a {type(offered).__name__}", f"register an `af.{kind.__name__}(…)`")


def _keep_once(word: str, name: str, offered: V, kept: dict[str, V], where: str) -> None:
    if name in kept:
        raise PluginError(where, f"registers the {word} {name!r} twice", "leave one of them out, or rename it")
    kept[name] = offered


def _keep_map(spec: MapSpec, maps: dict[str, MapSpec], where: str) -> None:
    _refuse_other(spec, MapSpec, where)
    maps[spec.name] = spec


def _keep_command(command: Command, commands: dict[str, Command], where: str) -> None:
    _refuse_other(command, Command, where)
    _keep_once("command", command.name, command, commands, where)


def _keep_codec(codec: Codec, codecs: dict[str, Codec], where: str) -> None:
    _refuse_other(codec, Codec, where)
    for start in codec.starts:
        if (kind := built_in(start)) is not None:
            what = f"codec {codec.word!r}: files that begin with {start!r} are {kind}, which is read already"
            raise PluginError(where, what)
    _keep_once("codec", codec.word, codec, codecs, where)


def _hook_name(error: pluggy.PluginValidationError) -> str:
    named = re.search(r"hook '(\w+)'", str(error))
    return named.group(1) if named else ""


def _misspelt(error: pluggy.PluginValidationError, name: str) -> str:
    return f"there is no hook {name!r}" if name not in _hook_names() else " ".join(str(error).split())


def _hook_names() -> list[str]:
    return [name for name, value in vars(hookspecs).items() if hasattr(value, "assetforge_spec")]
