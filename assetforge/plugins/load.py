"""Load plugins: those that are installed, then those of a project."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Collection, Container, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from assetforge import hookspecs
from assetforge.codecs.codec import Codec
from assetforge.commands import COMMANDS, Command
from assetforge.errors import PluginError, Problem
from assetforge.hookspecs import Hooks
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.params import Params
from assetforge.plugins import local
from assetforge.plugins.code import code_digest, with_imported
from assetforge.plugins.found import GROUP, Found, installed, of_project
from assetforge.plugins.imported import contained, imported
from assetforge.plugins.offers import Manager, Offers, offers_of, refuse_undeclared, refuse_wrong_defaults
from assetforge.plugins.registry import Plugin, Registry
from assetforge.steps import Context, Step

if TYPE_CHECKING:
    from assetforge.evaluations import Evaluation
    from assetforge.material.material import Material
    from assetforge.recipes import Recipe


class _Loaded(NamedTuple):
    found: Found
    module: ModuleType
    steps: tuple[str, ...]
    seconds: float


def load(project: Path | None = None, *, words: Container[str] | None = None, training: bool = False) -> Registry:
    """Load the installed plugins, then the modules and packages in the project's `plugins` folder.

    words: all that may name a step or a map. A plugin whose metadata name its steps and maps, none of which is among
        them, is not loaded.
    training: ask them for recipes and evaluations, too. Few commands need those, and what they have of parameters takes
    as long to load as that of all steps.

    A plugin that cannot be loaded, that hooks something unknown, or that takes a name which an earlier one has is
    left out as a whole and listed in `broken`. Installed plugins come first, in the order of their names. A step that
    two plugins offer is `disputed`: a pipeline that uses it is wrong, as nobody knows which of the two is meant.
    """
    builder = _Builder(project.absolute() if project else None, training=training)
    for found in installed():
        (builder.add if found.is_wanted(words) else builder.pass_over)(found)
    if project is not None and (project / local.FOLDER).is_dir():
        files = builder.files()  # of this project itself, perhaps
        for found in of_project(project.absolute()):
            if str(found.file) not in files:
                builder.add(found)
    return builder.registry()


@contextmanager
def reload(before: Registry) -> Iterator[None]:
    """Let plugins be loaded as they are now inside this block; if it raises, those of `before` are there again."""
    importlib.invalidate_caches()
    files = {str(file) for plugin in before.plugins.values() for file in plugin.files}
    modules, finders = _take_modules(files), list(sys.meta_path)
    try:
        yield
    except BaseException:
        _take_modules(files)
        sys.modules.update(modules)
        sys.meta_path[:] = finders
        raise


class _Builder:
    def __init__(self, project: Path | None, *, training: bool) -> None:
        self.project, self.training = project, training
        self.manager = Manager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.manager.register(_Host, name="assetforge")
        self.steps: dict[str, Step[Any]] = {}
        self.maps: dict[str, MapSpec] = dict(MAPS)
        self.recipes: dict[str, Recipe[Any]] = {}
        self.evaluations: dict[str, Evaluation[Any]] = {}
        self.commands: dict[str, Command] = {}
        self.codecs: dict[str, Codec] = {}
        self.taken: dict[str, Found] = {}
        """By the names of plugins: those that are loaded, and those that are passed over."""
        self.loaded: dict[str, _Loaded] = {}
        self.providers: dict[str, str] = {}
        self.disputed: dict[str, Problem] = {}
        self.broken: list[Problem] = []

    def add(self, found: Found) -> None:
        """Load a plugin, and take what it offers."""
        with self._noting():
            self._add(found)

    def pass_over(self, found: Found) -> None:
        """Take the names of a plugin and of its steps, which nothing else may have, and no more."""
        with self._noting():
            self._refuse_name(found)
            self._refuse_steps(found.steps, found.where)
            self._take(found, found.steps)

    def files(self) -> set[str | None]:
        """Return the files of the modules of all plugins so far."""
        passed_over = [self.taken[name].origin for name in self.taken.keys() - self.loaded.keys()]
        specs = [find_spec(module) for module in passed_over if "." not in module]  # others' parents would be imported
        loaded = (one.module.__file__ for one in self.loaded.values())
        return {*loaded, *(spec.origin for spec in specs if spec is not None)}

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except PluginError as error:
            self.broken.append(error.problem)

    def _take(self, found: Found, steps: Collection[str]) -> None:
        self.taken[found.name] = found
        self.providers.update(dict.fromkeys(steps, found.name))

    def _refuse_name(self, found: Found) -> None:
        if found.name in self.taken:
            what = f"another plugin has this name ({self.taken[found.name].origin})"
            raise PluginError(found.where, what, "rename or uninstall one of them")

    def _add(self, found: Found) -> None:
        where = found.where
        self._refuse_name(found)
        began = time.perf_counter()
        with contained():
            module = imported(found)
            offers = offers_of(module, where, training=self.training)
            if found.steps:
                refuse_undeclared(module, offers, found)
            if found.file:  # those of installed plugins would take longer than to load them; using one tells
                refuse_wrong_defaults(offers, where)
        seconds = time.perf_counter() - began
        self._refuse_taken(offers, where)
        self.manager.register(module, name=found.name)
        self.steps.update(offers.steps)
        self.maps.update(offers.maps)
        self.recipes.update(offers.recipes)
        self.evaluations.update(offers.evaluations)
        self.commands.update(offers.commands)
        self.codecs.update(offers.codecs)
        self._take(found, offers.steps)
        self.loaded[found.name] = _Loaded(found, module, tuple(offers.steps), seconds)

    def _refuse_steps(self, names: Collection[str], where: str) -> None:
        taken = [name for name in names if name in self.providers]
        if taken:
            other = self.taken[self.providers[taken[0]]]
            what = f"step {taken[0]!r} is already registered by plugin {other.name!r} ({other.origin})"
            error = PluginError(where, what, "rename one of the steps, or leave out one of the plugins")
            self.disputed.update(dict.fromkeys(taken, error.problem))
            raise error

    def _refuse_taken(self, offers: Offers, where: str) -> None:
        self._refuse_steps(offers.steps, where)
        for name, spec in offers.maps.items():
            if self.maps.get(name, spec) != spec:
                raise PluginError(where, f"map {name!r} already means something else", "choose another name")
        both = {"a recipe": offers.recipes.keys() & self.recipes.keys()}
        both["an evaluation"] = offers.evaluations.keys() & self.evaluations.keys()
        for kind, name in ((kind, name) for kind, names in both.items() for name in names):
            raise PluginError(where, f"there is {kind} {name!r} already", "rename one")
        for name in offers.commands.keys() & (COMMANDS.keys() | self.commands.keys()):
            whose = "of AssetForge itself" if name in COMMANDS else "of another plugin"
            raise PluginError(where, f"there is a command {name!r} {whose}", "rename it")
        for word in offers.codecs.keys() & self.codecs.keys():
            raise PluginError(where, f"another plugin has a codec for {word!r}", "leave one of them out")

    def registry(self) -> Registry:
        plugins = {name: _describe(loaded, self.project) for name, loaded in self.loaded.items()}
        hook = self.manager.hook
        wrapping, coding = (
            {one.plugin_name for one in caller.get_hookimpls()} & plugins.keys()
            for caller in (hook.run_step, hook.register_codecs)
        )
        return Registry(
            MappingProxyType(self.steps),
            MappingProxyType(self.maps),
            MappingProxyType(plugins),
            MappingProxyType(self.providers),
            MappingProxyType({name: plugins[name].code for name in sorted(wrapping)}),
            MappingProxyType(self.recipes),
            MappingProxyType(self.evaluations),
            MappingProxyType(self.commands),
            MappingProxyType(self.codecs),
            MappingProxyType({name: plugins[name].code for name in sorted(coding)}),
            tuple(self.broken),
            MappingProxyType(self.disputed),
            cast("Hooks", self.manager.hook),
        )


class _Host:
    """The host's own part of `run_step`: last in line, so that plugins' wrappers surround it."""

    @staticmethod
    @hookspecs.hookimpl(trylast=True)
    def run_step(step: Step[Any], material: Material, params: Params, context: Context) -> Material:
        return step.run(material, params, context)


def _take_modules(files: Container[str]) -> dict[str, ModuleType]:
    """Take the modules of plugins out of those that are loaded: of these files, and all of a project's folder."""
    names = [
        name
        for name, module in sys.modules.items()
        if getattr(module, "__file__", None) in files or local.is_local(module)
    ]
    return {name: sys.modules.pop(name) for name in names}


def _describe(loaded: _Loaded, project: Path | None) -> Plugin:
    """Describe a plugin; when all are loaded, as only then it is plain where the search path leads."""
    found, module = loaded.found, loaded.module
    top = module if found.file else sys.modules[module.__name__.split(".")[0]]
    file = Path(cast("str", top.__file__))
    files = tuple(sorted(file.parent.rglob("*.py"))) if hasattr(top, "__path__") else (file,)
    root = file.parent
    if project is not None and file.is_relative_to(project):
        files, root = with_imported(files, project, project / local.FOLDER), project
    version = found.version or str(getattr(module, "__version__", "0"))
    code = code_digest(files, root)
    return Plugin(found.name, version, file.parent, code, found.origin, files, loaded.steps, loaded.seconds)
