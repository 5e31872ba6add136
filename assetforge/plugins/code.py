"""Which files a plugin's code consists of, and their digest: what may change a result when it is edited."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")
_IMPORTERS = ("import_module", "__import__")
"""Functions that import a module by its name."""


def code_digest(files: Sequence[Path], root: Path) -> str:
    """Digest Python files below `root`, with their names from there."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def with_imported(files: Sequence[Path], project: Path, plugins: Path) -> tuple[Path, ...]:
    """Return files of a plugin and all modules of the project that they import, now or later, directly or not.

    Imports are read and not run, so that those inside of functions are found too. Modules are looked for in the folder
    `plugins`, and wherever else in the project the search path leads. What is imported by a computed name is missed.
    """
    roots = [plugins, *(root for root in map(Path, sys.path) if root.is_absolute() and _is_own(root, project))]
    found: dict[Path, None] = {}
    ahead = list(files)
    while ahead:
        file = ahead.pop()
        if file not in found and _is_own(file, project):
            found[file] = None
            ahead += _imported(file, roots)
    return tuple(sorted(found.keys() | set(files)))


def _is_own(path: Path, project: Path) -> bool:
    """Tell whether a path lies in the project, and is not of an environment that lies there too."""
    return path.is_relative_to(project) and not any(part in _INSTALLED for part in path.parts)


def _imported(file: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """Yield the files of the modules that a file imports, as far as they may lie below the roots."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # whoever loads it will say so
        return
    for node in ast.walk(tree):
        for level, name in _names(node):
            above = [file.parents[level - 1]] if level else roots
            for root in above:
                yield from _files(root, name)


def _names(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the modules that a statement may import: dots before the name, and the name."""
    if isinstance(node, ast.Import):
        yield from ((0, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        yield from ((node.level, f"{module}.{alias.name}".lstrip(".")) for alias in node.names)
    elif isinstance(node, ast.Call) and _called(node.func) in _IMPORTERS and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            dots = len(name.value) - len(name.value.lstrip("."))
            yield dots, name.value.lstrip(".")


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _files(root: Path, name: str) -> Iterator[Path]:
    """Yield the files that importing a dotted name below a folder runs: the module's, and the packages' around it."""
    place = root
    for part in name.split("."):
        yield from (file for file in (place / f"{part}.py", place / part / "__init__.py") if file.is_file())
        place /= part
