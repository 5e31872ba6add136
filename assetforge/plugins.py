"""Find, load and check plugins; give back a `Registry`."""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pluggy

from assetforge import hookspecs
from assetforge.errors import PluginError, Problem, did_you_mean
from assetforge.hookspecs import Hooks
from assetforge.material.map_spec import MAPS, MapSpec
from assetforge.params import Params
from assetforge.steps import Context, Step

if TYPE_CHECKING:
    from assetforge.material.material import Material

GROUP = "assetforge"
LOOSE_FOLDER = "plugins"
_LOOSE = "assetforge_loose_"
"""What the names of their modules begin with."""
HEAVY = ("torch",)
"""Packages that a plugin may only import inside a step: they would slow down every command."""


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin: where it comes from, and the digest of its code, which is part of every key."""

    name: str
    version: str
    folder: Path
    """Where its `weights` folder lies."""
    code: str
    origin: str
    files: tuple[Path, ...] = ()
    """The files of its code."""
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry:
    """All that the plugins offer, and what is wrong with those that could not be loaded."""

    steps: Mapping[str, Step[Any]]
    maps: Mapping[str, MapSpec]
    plugins: Mapping[str, Plugin]
    providers: Mapping[str, str]
    """The plugin of each step."""
    wrappers: Mapping[str, str]
    """The digest of the code of each plugin that hooks `run_step`, as it may change what any step returns."""
    broken: tuple[Problem, ...]
    hooks: Hooks = field(repr=False, compare=False)

    def plugin_of(self, step: str) -> Plugin:
        """Return the plugin that registered a step."""
        return self.plugins[self.providers[step]]


@dataclass(frozen=True)
class _Found:
    name: str
    origin: str
    version: str
    entry: EntryPoint | Path


def load(project: Path | None = None) -> Registry:
    """Load the installed plugins, then the loose `.py` files in the project's `plugins` folder.

    A plugin that cannot be loaded, that hooks something unknown, or that takes a name which an earlier one has is
    left out as a whole and listed in `broken`. Installed plugins come first, in the order of their names.
    """
    builder = _Builder()
    for found in [*_installed(), *_loose(project)]:
        builder.add(found)
    return builder.registry()


def _installed() -> list[_Found]:
    entries = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
    return [_Found(entry.name, entry.value, entry.dist.version if entry.dist else "", entry) for entry in entries]


def _loose(project: Path | None) -> list[_Found]:
    if project is None:
        return []
    files = sorted((project / LOOSE_FOLDER).glob("*.py"))
    return [_Found(path.stem, f"{LOOSE_FOLDER}/{path.name}", "", path) for path in files if path.name[0] != "_"]


class _Builder:
    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.manager.register(_Host, name="assetforge")
        self.steps: dict[str, Step[Any]] = {}
        self.maps: dict[str, MapSpec] = dict(MAPS)
        self.plugins: dict[str, Plugin] = {}
        self.providers: dict[str, str] = {}
        self.broken: list[Problem] = []

    def add(self, found: _Found) -> None:
        try:
            self._add(found)
        except PluginError as error:
            self.broken.append(error.problem)

    def _add(self, found: _Found) -> None:
        where = f"plugin {found.name!r} ({found.origin})"
        if found.name in self.plugins:
            other = self.plugins[found.name].origin
            raise PluginError(where, f"another plugin has this name ({other})", "rename or uninstall one of them")
        module = _import(found, where)
        steps, maps = _offers(module, where)
        self._refuse_taken(steps, maps, where)
        self.manager.register(module, name=found.name)
        self.steps.update(steps)
        self.maps.update(maps)
        self.providers.update(dict.fromkeys(steps, found.name))
        self.plugins[found.name] = _describe(found, module, tuple(steps))

    def _refuse_taken(self, steps: Mapping[str, Step[Any]], maps: Mapping[str, MapSpec], where: str) -> None:
        for name in steps:
            if name in self.steps:
                other = self.providers[name]
                raise PluginError(where, f"step {name!r} is already registered by plugin {other!r}", "rename one")
        for name, spec in maps.items():
            if self.maps.get(name, spec) != spec:
                raise PluginError(where, f"map {name!r} already means something else", "choose another name")

    def registry(self) -> Registry:
        return Registry(
            MappingProxyType(self.steps),
            MappingProxyType(self.maps),
            MappingProxyType(self.plugins),
            MappingProxyType(self.providers),
            MappingProxyType(self._wrappers()),
            tuple(self.broken),
            cast("Hooks", self.manager.hook),
        )

    def _wrappers(self) -> dict[str, str]:
        hooked = {implementation.plugin_name for implementation in self.manager.hook.run_step.get_hookimpls()}
        return {name: self.plugins[name].code for name in sorted(hooked & self.plugins.keys())}


class _Host:
    """The host's own part of `run_step`: last in line, so that plugins' wrappers surround it."""

    @staticmethod
    @hookspecs.hookimpl(trylast=True)
    def run_step(step: Step[Any], material: Material, params: Params, context: Context) -> Material:
        return step.run(material, params, context)


def _import(found: _Found, where: str) -> ModuleType:
    try:
        with _nothing_heavy():
            return _import_file(found.entry) if isinstance(found.entry, Path) else found.entry.load()
    except Exception as error:  # whatever a stranger's module raises must not stop the others
        line = _line_of(error, found)
        raise PluginError(where + line, f"cannot be loaded: {type(error).__name__}: {error}", _advice(error)) from error


def _line_of(error: Exception, found: _Found) -> str:
    """Tell the line of a loose file at which loading it failed."""
    trace, line = error.__traceback__, ""
    while trace is not None and isinstance(found.entry, Path):
        if trace.tb_frame.f_code.co_filename == str(found.entry):
            line = f" line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _advice(error: Exception) -> str:
    return "import it inside the step's function" if isinstance(error, HeavyImportError) else ""


class HeavyImportError(ImportError):
    """A plugin imports a heavy package while it is being loaded."""


class _Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname.split(".")[0] in HEAVY:
            raise HeavyImportError(f"imports {fullname} when it is loaded, which every command would wait for")
        return None


@contextmanager
def _nothing_heavy() -> Iterator[None]:
    """Refuse heavy packages inside this block, unless something else has imported them already."""
    finder = _Refuse()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Fresh(SourceFileLoader):
    """Loads a file as it is now. Compiled files are told apart by size and second, which is too coarse for editing."""

    def path_stats(self, path: str) -> NoReturn:
        """Say that the file's time is unknown, which keeps compiled files out of it."""
        raise OSError(path)


@contextmanager
def anew() -> Iterator[None]:
    """Let plugins be loaded as they are now inside this block; if it raises, those of before are there again."""
    importlib.invalidate_caches()
    packages = {entry.module.split(".")[0] for entry in entry_points(group=GROUP)}
    before = _take_modules(packages)
    try:
        yield
    except BaseException:
        _take_modules(packages)
        sys.modules.update(before)
        raise


def _take_modules(packages: Container[str]) -> dict[str, ModuleType]:
    """Take the modules of plugins out of those that are loaded."""
    names = [name for name in sys.modules if name.startswith(_LOOSE) or name.split(".")[0] in packages]
    return {name: sys.modules.pop(name) for name in names}


def _import_file(path: Path) -> ModuleType:
    name = _LOOSE + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path, loader=_Fresh(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks up a model's module there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _offers(module: ModuleType, where: str) -> tuple[dict[str, Step[Any]], dict[str, MapSpec]]:
    """Ask one module for its steps and maps, in a manager of its own, so that a bad one leaves no trace."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    steps: dict[str, Step[Any]] = {}
    maps: dict[str, MapSpec] = {}
    try:
        manager.register(module)
        manager.check_pending()
        manager.hook.register_maps(register=lambda spec: maps.__setitem__(spec.name, spec))
        manager.hook.register_steps(register=lambda step: _keep(step, steps))
    except pluggy.PluginValidationError as error:
        raise PluginError(where, _misspelt(error), did_you_mean(_hook_name(error), _hook_names())) from error
    except Exception as error:
        raise PluginError(where, f"registration failed: {type(error).__name__}: {error}") from error
    return steps, maps


def _keep(step: Step[Any], steps: dict[str, Step[Any]]) -> None:
    if not isinstance(step, Step):
        raise TypeError(f"register() got a {type(step).__name__}; decorate the function with @af.step")
    if step.name in steps:
        raise ValueError(f"step {step.name!r} is registered twice")
    steps[step.name] = step


def _hook_name(error: pluggy.PluginValidationError) -> str:
    named = re.search(r"hook '(\w+)'", str(error))
    return named.group(1) if named else ""


def _misspelt(error: pluggy.PluginValidationError) -> str:
    name = _hook_name(error)
    unknown = name not in _hook_names()
    return f"there is no hook {name!r}" if unknown else " ".join(str(error).split())


def _hook_names() -> list[str]:
    return [name for name, value in vars(hookspecs).items() if hasattr(value, "assetforge_spec")]


def _describe(found: _Found, module: ModuleType, steps: tuple[str, ...]) -> Plugin:
    top = module if isinstance(found.entry, Path) else sys.modules[module.__name__.split(".")[0]]
    file = Path(cast("str", top.__file__))
    files = sorted(file.parent.rglob("*.py")) if hasattr(top, "__path__") else [file]
    version = found.version or str(getattr(module, "__version__", "0"))
    return Plugin(found.name, version, file.parent, code_digest(files, file.parent), found.origin, tuple(files), steps)


def code_digest(files: Sequence[Path], root: Path) -> str:
    """Digest Python files with their names relative to `root`."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}:{len(content)}:".encode() + content)
    return digest.hexdigest()
