"""Load plugins: those that are installed, then those of a project."""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar, cast

import pluggy
from pydantic import PydanticUserError

import assetforge
from assetforge import hookspecs
from assetforge.codecs.codec import Codec
from assetforge.codecs.starts import built_in
from assetforge.commands import COMMANDS, Command
from assetforge.errors import PluginError, Problem, blamed_on, did_you_mean
from assetforge.hookspecs import Hooks
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.params import Params
from assetforge.plugins import local
from assetforge.plugins.code import code_digest, with_imported
from assetforge.plugins.registry import Plugin, Registry
from assetforge.schema_text import wrong_defaults
from assetforge.steps import Context, Step

if TYPE_CHECKING:
    from assetforge.evaluations import Evaluation
    from assetforge.material.material import Material
    from assetforge.recipes import Recipe

K = TypeVar("K", "Step[Any]", "Recipe[Any]", "Evaluation[Any]")
V = TypeVar("V")


GROUP = "assetforge"
"""The entry points that name the modules of plugins."""
STEPS, MAPS_OF_STEPS = "assetforge.steps", "assetforge.maps"
"""Those that name the module of each step and of each map: such a module is only imported where one of them is used."""
_DECLARED = frozenset({"register_steps", "register_maps", "register_recipes", "register_evaluations"})
"""The hooks that such a module may have, as pipelines that use nothing of it do without it."""
HEAVY = ("torch",)
"""Packages that a plugin may only import inside a step: they would slow down every command."""
_HOOKABLE = (FunctionType, MethodType, classmethod, staticmethod)


_DECORATORS: Mapping[str, str] = {
    "step": '@af.step("{}", Params, reads={{"base_color"}}, writes={{"base_color"}})',
    "recipe": '@af.recipe("{}", Params)',
    "evaluation": '@af.evaluation("{}", Params, [af.Figure(…)])',
}
"""How a function is made what a plugin registers."""


class _Found(NamedTuple):
    name: str
    origin: str
    version: str
    module: Callable[[], ModuleType]
    file: Path | None = None
    """The file of a plugin of the project."""
    steps: frozenset[str] = frozenset()
    maps: frozenset[str] = frozenset()
    """What its metadata name; nothing where only the module itself tells."""

    @property
    def where(self) -> str:
        return f"plugin {self.name!r} ({self.origin})"

    def is_wanted(self, words: Container[str] | None) -> bool:
        return words is None or not self.steps or any(name in words for name in self.steps | self.maps)


@dataclass(frozen=True)
class _Offers:
    """What one plugin registers, by name."""

    steps: dict[str, Step[Any]] = field(default_factory=dict)
    maps: dict[str, MapSpec] = field(default_factory=dict)
    recipes: dict[str, Recipe[Any]] = field(default_factory=dict)
    evaluations: dict[str, Evaluation[Any]] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    codecs: dict[str, Codec] = field(default_factory=dict)


class _Loaded(NamedTuple):
    found: _Found
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
    for found in _installed():
        (builder.add if found.is_wanted(words) else builder.pass_over)(found)
    if project is not None and (project / local.FOLDER).is_dir():
        installed = builder.files()  # from this project itself, perhaps
        for found in _local(project.absolute()):
            if str(found.file) not in installed:
                builder.add(found)
    return builder.registry()


def _installed() -> list[_Found]:
    every = entry_points()
    entries = sorted(every.select(group=GROUP), key=lambda entry: (entry.name, entry.value))
    versions = {dist: dist.version for dist in {entry.dist for entry in entries} if dist}  # a file is read for each
    steps, maps = (_names_by_module(every.select(group=group)) for group in (STEPS, MAPS_OF_STEPS))
    return [
        _Found(
            entry.name,
            entry.value,
            versions[entry.dist] if entry.dist else "",
            entry.load,
            steps=steps.get(entry.value, frozenset()),
            maps=maps.get(entry.value, frozenset()),
        )
        for entry in entries
    ]


def _names_by_module(entries: Iterable[EntryPoint]) -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for entry in entries:
        names.setdefault(entry.value, set()).add(entry.name)
    return {module: frozenset(of_it) for module, of_it in names.items()}


def _local(project: Path) -> list[_Found]:
    folder = project / local.FOLDER
    package = local.open_folder(folder)
    files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    named = sorted((path.parent.name if path.name == "__init__.py" else path.stem, path) for path in files)
    return [
        _Found(name, path.relative_to(project).as_posix(), "", _importing(f"{package}.{name}"), path)
        for name, path in named
        if name[0] not in "_." and path != folder / "__init__.py"
    ]


def _importing(name: str) -> Callable[[], ModuleType]:
    return lambda: importlib.import_module(name)


class _Manager(pluggy.PluginManager):
    """Examines what can be a hook at all; pluggy itself looks into every name of a module, which takes longer."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if isinstance(vars(plugin).get(name), _HOOKABLE) else None

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> pluggy.HookspecOpts | None:
        is_hookable = isinstance(vars(module_or_class).get(name), _HOOKABLE)
        return super().parse_hookspec_opts(module_or_class, name) if is_hookable else None


class _Builder:
    def __init__(self, project: Path | None, *, training: bool) -> None:
        self.project, self.training = project, training
        self.manager = _Manager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.manager.register(_Host, name="assetforge")
        self.steps: dict[str, Step[Any]] = {}
        self.maps: dict[str, MapSpec] = dict(MAPS)
        self.recipes: dict[str, Recipe[Any]] = {}
        self.evaluations: dict[str, Evaluation[Any]] = {}
        self.commands: dict[str, Command] = {}
        self.codecs: dict[str, Codec] = {}
        self.taken: dict[str, _Found] = {}
        """By the names of plugins: those that are loaded, and those that are passed over."""
        self.loaded: dict[str, _Loaded] = {}
        self.providers: dict[str, str] = {}
        self.disputed: dict[str, Problem] = {}
        self.broken: list[Problem] = []

    def add(self, found: _Found) -> None:
        """Load a plugin, and take what it offers."""
        with self._noting():
            self._add(found)

    def pass_over(self, found: _Found) -> None:
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

    def _take(self, found: _Found, steps: Collection[str]) -> None:
        self.taken[found.name] = found
        self.providers.update(dict.fromkeys(steps, found.name))

    def _refuse_name(self, found: _Found) -> None:
        if found.name in self.taken:
            what = f"another plugin has this name ({self.taken[found.name].origin})"
            raise PluginError(found.where, what, "rename or uninstall one of them")

    def _add(self, found: _Found) -> None:
        where = found.where
        self._refuse_name(found)
        began = time.perf_counter()
        with _contained():
            module = _import(found, where)
            offers = _offers(module, where, training=self.training)
            if found.steps:
                _refuse_undeclared(module, offers, found)
            if found.file:  # those of installed plugins would take longer than to load them; using one tells
                _refuse_wrong_defaults(offers, where)
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

    def _refuse_taken(self, offers: _Offers, where: str) -> None:
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


def _import(found: _Found, where: str) -> ModuleType:
    try:
        return found.module()
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises must not stop the others
        line = _line_of(error, found)
        if isinstance(error, PydanticUserError) and error.code == "model-field-missing-annotation":
            raise PluginError(where + line, *_without_type(error)) from error
        text = local.without_package(str(error))
        what = f"cannot be loaded: {type(error).__name__}: {text}"
        raise PluginError(where + line, what, _advice(error)) from error


def _without_type(error: PydanticUserError) -> tuple[str, str]:
    """Say which parameter has no type, and how to give it one; pydantic's own text is for those who know it."""
    found = re.search(r"['`](\w+)(?: = (.*?)`|')", str(error), re.DOTALL)
    name, value = found.groups("") if found else ("…", "")
    try:
        annotated = f"{name}: {type(ast.literal_eval(value)).__name__} = {value}"
    except (ValueError, SyntaxError):  # a call makes it, such as `Field(…)`
        annotated = f"{name}: float = …"
    return f"the parameter `{name}` of this class has no type", f"annotate it: `{annotated}`"


def _line_of(error: BaseException, found: _Found) -> str:
    """Tell the line of a project's own file at which loading it failed."""
    trace, line = error.__traceback__, ""
    if isinstance(error, SyntaxError) and error.filename and found.file:
        file = Path(error.filename)
        return f"{'' if file == found.file else f' {file.name}'} line {error.lineno}"
    while trace is not None and found.file is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file == found.file:
            line = f" line {trace.tb_lineno}"
        elif line and file.parent == found.file.parent:
            line = f" {file.name} line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _advice(error: BaseException) -> str:
    if isinstance(error, EndedError | SystemExit):
        return "a plugin must not end the program; leave that out"
    if not isinstance(error, HeavyImportError):
        return ""
    trace = error.__traceback__
    while trace is not None:
        if (trace.tb_frame.f_code.co_filename, trace.tb_frame.f_code.co_name) == (assetforge.__file__, "__getattr__"):
            name = trace.tb_frame.f_locals["name"]
            return f"it needs af.{name} while it is loaded; begin the file with `from __future__ import annotations`"
        trace = trace.tb_next
    return "import it inside the step's function"


class HeavyImportError(ImportError):
    """A plugin imports a heavy package while it is being loaded."""


class EndedError(RuntimeError):
    """A plugin wants to end the process while it is being loaded."""


class _Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname.split(".")[0] in HEAVY:
            raise HeavyImportError(f"imports {fullname} when it is loaded, which every command would wait for")
        return None


@contextmanager
def _contained() -> Iterator[None]:
    """Run a stranger's code that only declares something.

    Heavy packages are refused, unless something else has imported them already; what it prints goes to standard error,
    as a command's output may be JSON; and it cannot end the process.
    """
    finder, leave, process = _Refuse(), os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise EndedError(f"calls os._exit({status})")

    sys.meta_path.insert(0, finder)
    os._exit = refuse
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os._exit = leave
        sys.meta_path.remove(finder)


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


def _take_modules(files: Container[str]) -> dict[str, ModuleType]:
    """Take the modules of plugins out of those that are loaded: of these files, and all of a project's folder."""
    names = [
        name
        for name, module in sys.modules.items()
        if getattr(module, "__file__", None) in files or local.is_local(module)
    ]
    return {name: sys.modules.pop(name) for name in names}


def _offers(module: ModuleType, where: str, *, training: bool) -> _Offers:
    """Ask one module for all that it registers, in a manager of its own, so that a bad one leaves no trace."""
    manager = _Manager(GROUP)
    manager.add_hookspecs(hookspecs)
    offers = _Offers()
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


def _keepers(offers: _Offers, where: str) -> dict[str, Callable[[Any], None]]:
    """Return what each hook that registers is given: it takes a value, or raises PluginError with what is wrong."""
    return {
        "register_maps": lambda spec: _keep_map(spec, offers.maps, where),
        "register_steps": lambda step: _keep(step, Step, offers.steps, where),
        "register_commands": lambda command: _keep_command(command, offers.commands, where),
        "register_codecs": lambda codec: _keep_codec(codec, offers.codecs, where),
    }


def _keepers_of_training(offers: _Offers, where: str) -> dict[str, Callable[[Any], None]]:
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


def _refuse_undeclared(module: ModuleType, offers: _Offers, found: _Found) -> None:
    """Refuse a plugin that offers more or other things than its metadata say: elsewhere, it would be passed over."""
    hooks = [name for name in _hook_names() if hasattr(vars(module).get(name), "assetforge_impl")]
    if others := [name for name in hooks if name not in _DECLARED]:
        what = f"hooks `{others[0]}`, though its metadata have entry points in the group `{STEPS}`"
        raise PluginError(found.where, what, "remove those: such a plugin is always needed")
    for group, named, offered in ((STEPS, found.steps, offers.steps), (MAPS_OF_STEPS, found.maps, offers.maps)):
        if differ := sorted(offered.keys() ^ named):
            what = f"its metadata (the group `{group}`) and its code disagree on {differ[0]!r}"
            raise PluginError(found.where, what, "name there all that it registers, and reinstall it")


def _refuse_wrong_defaults(offers: _Offers, where: str) -> None:
    models = [step.params for step in offers.steps.values()]
    models += [recipe.params for recipe in offers.recipes.values()]
    models += [evaluation.params for evaluation in offers.evaluations.values()]
    for model in dict.fromkeys(models):
        wrong: list[str] = []
        with suppress(Exception, SystemExit):  # a validator of theirs fails, which is told where they are used
            wrong = wrong_defaults(model)
        if wrong:
            raise PluginError(where, "; ".join(wrong))


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
