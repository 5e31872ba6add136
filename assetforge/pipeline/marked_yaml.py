"""Plain YAML data, with the line and column of every key and value. Nothing but data is ever constructed.

Scalars are read by the core schema of YAML 1.2: `no`, `on` and `yes` are words, and `010` is ten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from assetforge.errors import PipelineError, Problem, is_text

Path = tuple[str | int, ...]
"""Where a value stands: keys and positions, from the top."""

MOST_NODES = 100_000
"""Aliases can make a small file unfold without end."""
MOST_DIGITS = 40
"""Digits of a whole number; longer ones mean nothing here, and take long to read."""


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Composes nodes; their tags are those of the core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  as it is in the library


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(text, 0) if digits[:2] in ("0x", "0o") else int(text)


def _number(text: str) -> float:
    return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))


_TAG = "tag:yaml.org,2002:"
_SCALARS: Mapping[str, tuple[str, str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", "~nN\0", lambda _: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789", _integer),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
        _number,
    ),
    "str": (r".*", "", str),
}
"""What the scalars of the core schema look like, the characters they begin with, and how they are read."""
for _name, (_pattern, _first, _) in _SCALARS.items():
    if _first:
        characters = ["" if one == "\0" else one for one in _first]
        _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), characters)


@dataclass(frozen=True)
class Document:
    """Data, and the places in the file from which they came, ready to be printed."""

    file: str
    data: Any
    values: Mapping[Path, str]
    keys: Mapping[Path, str]
    problems: tuple[Problem, ...] = ()

    def place(self, path: Path, *, key: bool = False) -> str:
        """Return `file:line:column: path` of a value (or of its key); of the nearest one around it if it is absent."""
        marks = self.keys if key else self.values
        around = path
        while around and around not in marks:
            around = around[:-1]
        mark = marks.get(around) or self.values.get(around) or f"{self.file}:1:1"
        return f"{mark}: {spell(path)}" if path else mark

    def with_value(self, path: Path, value: Any, mark: str) -> Document:
        """Return a document in which one value is set, as if it came from `mark`."""
        marked = {**self.values, path: mark}
        return Document(self.file, _set(self.data, path, value), marked, {**self.keys, path: mark}, self.problems)


def spell(path: Path) -> str:
    """Spell a path as people write it: steps[0].with.scale."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(text: str, file: str) -> Document:
    """Parse YAML text; raise PipelineError where it is not YAML. Repeated keys are listed in `problems`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise PipelineError([Problem(where, f"is not YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise PipelineError([Problem(file, f"is not YAML: {error}")]) from error
    reader = _Reader(file)
    data = {} if node is None else reader.read(node, ())
    return Document(file, data, reader.values, reader.keys, tuple(reader.problems))


def parse_value(text: str) -> Any:
    """Read a single value, as of `-D`; raise ValueError where it is not YAML."""
    try:
        document = parse(text, "")
    except PipelineError as error:
        raise ValueError(str(error)) from error
    if document.problems:
        raise ValueError(document.problems[0].what)
    return document.data


def _scalar(tag: str, text: str) -> Any:
    """Read a scalar; raise ValueError where it is no plain data."""
    name = tag.removeprefix(_TAG)
    if name not in _SCALARS:
        raise ValueError(f"the tag {tag!r} means nothing here")
    if not is_text(text):
        raise ValueError("half of a character")
    return _SCALARS[name][2](text)


@dataclass
class _Reader:
    file: str
    values: dict[Path, str] = field(default_factory=dict)
    keys: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    left: int = MOST_NODES

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.left -= 1
        if self.left < 0:
            raise PipelineError([Problem(self.file, f"unfolds to more than {MOST_NODES} values", "use fewer aliases")])
        self.values[path] = self._mark(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key in result:
                where = f"{self._mark(key_node)}: {spell(here)}"
                self.problems.append(Problem(where, "is written twice", f"the first is at {self.keys[here]}"))
                continue
            self.keys[here] = self._mark(key_node)
            result[key] = self.read(value_node, here)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            return _scalar(str(node.tag), node.value)
        except ValueError as error:
            self.problems.append(Problem(f"{self._mark(node)}: {spell(path)}", f"is not plain data: {error}"))
            return None

    def _mark(self, node: yaml.Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _set(data: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(head, int):
        return [_set(entry, rest, value) if index == head else entry for index, entry in enumerate(data)]
    inside = data if isinstance(data, dict) else {}
    return {**inside, head: _set(inside.get(head), rest, value)}
