"""Which names of AssetForge a plugin uses, read from its code without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import assetforge
from assetforge.api import PUBLIC

_HOST = "assetforge"
_NAMES: Mapping[str, frozenset[str]] = {
    _HOST: frozenset(assetforge.__all__),
    **{module: frozenset(names) for module, names in PUBLIC.items()},
}


def check_imports(plugin: Path) -> None:
    """Check that a plugin uses the public API of AssetForge and nothing else of it.

    plugin: its file, or the folder of its package. Raises AssertionError that lists every other name with file and
    line. Imports inside functions count, and so do attributes of modules (`af.Nonsense`), and modules that are imported
    by a name in quotes.
    """
    files = sorted(plugin.rglob("*.py")) if plugin.is_dir() else [plugin]
    wrong = [f"{file}:{line}: {name}" for file in files for line, name in sorted(set(_private(file)))]
    assert not wrong, "\n".join(["these names are not of the public API (see assetforge.api):", *wrong])


def _private(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of all that a file uses of AssetForge and that is not public."""
    tree = ast.parse(file.read_bytes(), str(file))
    imported = [found for node in ast.walk(tree) for found in _imports(node)]
    known = {alias: name for _, alias, name in imported if alias}
    yield from ((line, name) for line, _, name in imported if name not in _NAMES and not _is_public(name))
    for line, name in _attributes(tree, known):
        if not _is_public(name) and not _is_module_on_the_way(name):
            yield line, name


def _imports(node: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield line, alias and dotted name of what a node imports from AssetForge."""
    if isinstance(node, ast.Import):  # `import a.b` binds a, `import a.b as c` binds a.b
        for one in filter(lambda one: _is_ours(one.name), node.names):
            yield node.lineno, one.asname or "", one.name
            yield from () if one.asname else ((node.lineno, _HOST, _HOST),)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and _is_ours(node.module or ""):
        yield from ((node.lineno, one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = str(node.args[0].value)
        if called in ("import_module", "__import__") and _is_ours(name):
            yield node.lineno, "", name


def _is_ours(module: str) -> bool:
    return module.split(".")[0] == _HOST


def _attributes(tree: ast.AST, known: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of each attribute of a module that is imported under a known name."""
    for node in ast.iter_child_nodes(tree):
        inside = known
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = {alias: name for alias, name in known.items() if alias not in _variables(node)}
        if name := _dotted(node, inside):
            yield getattr(node, "lineno", 0), name
        yield from _attributes(node, inside)


def _variables(function: ast.AST) -> set[str]:
    """Return the names of a function's arguments and of what it assigns, which hide those of modules."""
    nodes = list(ast.walk(function))
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return assigned | {node.arg for node in nodes if isinstance(node, ast.arg)}


def _is_public(name: str) -> bool:
    module, _, last = name.rpartition(".")
    return last in _NAMES.get(module, ())


def _is_module_on_the_way(name: str) -> bool:
    """Tell whether a dotted name is a public module, or a package around one."""
    return any(module == name or module.startswith(f"{name}.") for module in _NAMES)


def _dotted(node: ast.AST, known: Mapping[str, str]) -> str:
    """Return the dotted name that an attribute of a public module, or of a package around one, stands for, or ""."""
    if not isinstance(node, ast.Attribute):
        return ""
    owner = known.get(node.value.id, "") if isinstance(node.value, ast.Name) else _dotted(node.value, known)
    return f"{owner}.{node.attr}" if owner and _is_module_on_the_way(owner) else ""
