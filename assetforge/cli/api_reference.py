"""The listing of the public API, read from the code without running it: names, signatures, first paragraphs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import assetforge
from assetforge.api import PUBLIC

_HOOKS = "assetforge.hookspecs"


def api_reference() -> str:
    """Return the public API in Markdown: the contract, the hooks, and each public module."""
    lines = [*_section("assetforge", assetforge.__all__), *_section(_HOOKS, _hooks(), "Hooks")]
    for module, names in PUBLIC.items():
        lines += _section(module, names)
    return "\n".join(lines)


def _section(module: str, names: Sequence[str], title: str = "") -> Iterator[str]:
    summary = _paragraph(ast.get_docstring(_tree(module)))
    yield f"### {title or f'`{module}`'}\n\n{summary}\n\n| name | meaning |\n| --- | --- |"
    for name in names:
        signature, meaning = _described(module, name)
        members = dict(_members(module, name))
        plain = ", ".join(f"`{member}`" for member, meant in members.items() if not meant)
        yield f"| `{_cell(signature)}` | {_cell(meaning)}{_cell(f' It has {plain}.' if plain else '')} |"
        for member, meant in members.items():
            if meant:
                yield f"| `{name}.{_cell(member)}` | {_cell(meant)} |"
    yield ""


def _members(module: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the public fields, properties and methods of a class, each with the first sentence of its text, if any."""
    found = _definition(module, name)
    body = found.body if isinstance(found, ast.ClassDef) else []
    for node, after in zip(body, [*body, None][1:], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            yield f"{node.target.id}: {ast.unparse(node.annotation)}", _sentence(_text(after))
        elif isinstance(node, ast.FunctionDef) and node.name[0] != "_":
            yield _method(node), _sentence(ast.get_docstring(node))


def _method(node: ast.FunctionDef) -> str:
    """Spell a method as it is called, and a property as it is read."""
    decorators = [ast.unparse(one) for one in node.decorator_list]
    returned = ast.unparse(node.returns) if node.returns else ""
    if any(one.endswith("property") for one in decorators):
        return f"{node.name}: {returned}"
    bound = "staticmethod" not in decorators
    parameters = ast.unparse(node.args)
    parameters = parameters.partition(", ")[2] if bound else parameters
    return f"{node.name}({parameters.removeprefix('/, ')}) -> {returned}"


def _sentence(docstring: str | None) -> str:
    """Return the first sentence of a docstring."""
    return re.split(r"(?<=[.!?])\s", _paragraph(docstring), maxsplit=1)[0]


def _definition(module: str, name: str) -> ast.stmt | None:
    """Return the statement that defines a name, in whichever module that is."""
    for node in _statements(_tree(module).body):
        if isinstance(node, ast.ImportFrom) and (origin := _imported(node, name)):
            return _definition(*origin)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    return None


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _described(module: str, name: str) -> tuple[str, str]:
    """Return the signature and the meaning of a name, from where it is defined."""
    body = list(_statements(_tree(module).body))
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and (origin := _imported(node, name)):
            return _described(*origin)
        if isinstance(node, ast.FunctionDef) and node.name == name:
            returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            return f"{name}({ast.unparse(node.args)}){returned}", _paragraph(ast.get_docstring(node))
        if isinstance(node, ast.ClassDef) and node.name == name:
            return name, _paragraph(ast.get_docstring(node))
        if name in _assigned(node):
            return name, _paragraph(_text(after))
    raise LookupError(f"{module} does not define {name}")


def _imported(node: ast.ImportFrom, name: str) -> tuple[str, str] | None:
    """Return the module and the name there of what a statement imports under a name."""
    return next(((node.module or "", one.name) for one in node.names if (one.asname or one.name) == name), None)


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text(node: ast.stmt | None) -> str | None:
    """Return the text of a statement that is nothing else: the docstring of the one before it."""
    value = node.value if isinstance(node, ast.Expr) else None
    return str(value.value) if isinstance(value, ast.Constant) else None


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, those for type checkers alone too."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _statements(node.body)


def _hooks() -> list[str]:
    found = (node for node in _tree(_HOOKS).body if isinstance(node, ast.FunctionDef))
    return [node.name for node in found if any("hookspec" in ast.unparse(one) for one in node.decorator_list)]


def _tree(module: str) -> ast.Module:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    return ast.parse(Path(spec.origin).read_bytes())


def _paragraph(docstring: str | None) -> str:
    return " ".join((docstring or "").strip().split("\n\n")[0].split())
