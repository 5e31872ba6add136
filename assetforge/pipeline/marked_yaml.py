"""Plain YAML data, with the line and column of every key and value. Nothing but data is ever constructed.

Scalars are read by the core schema of YAML 1.2: `no`, `on` and `yes` are words, and `010` is ten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import yaml

from assetforge.errors import PipelineError, Problem, is_text

Path = tuple[str | int, ...]
"""Where a value stands: keys and positions, from the top."""

MOST_NODES = 100_000
"""Aliases can make a small file unfold without end."""
MOST_LEVELS = 64
MOST_DIGITS = 40
"""Digits of a whole number; longer ones mean nothing here, and take long to read."""


_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(text, 0) if digits[:2] in ("0x", "0o") else int(text)


def _number(text: str) -> float:
    return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))


_TAG = "tag:yaml.org,2002:"
_SCALARS: Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    "null": (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    "int": (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), _integer),
    "float": (
        re.compile(
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        _number,
    ),
    "str": (re.compile(r".*", re.DOTALL), str),
}
"""What the scalars of the core schema look like, and how they are read; of several, the first."""


class Document(NamedTuple):
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

    def texts(self) -> Iterator[str]:
        """Yield all keys and texts."""
        yield from _texts(self.data)

    def with_value(self, path: Path, value: Any, mark: str) -> Document:
        """Return a document in which one value is set, as if it came from `mark`."""
        marked = {**self.values, path: mark}
        return Document(self.file, _set(self.data, path, value), marked, {**self.keys, path: mark}, self.problems)


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
    elif isinstance(data, str):
        yield data


def spell(path: Path) -> str:
    """Spell a path as people write it: steps[0].with.scale."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(text: str, file: str) -> Document:
    """Parse YAML text; raise PipelineError where it is not YAML. Repeated keys are listed in `problems`."""
    try:
        node = _compose(text, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        advice = "quote patterns and what begins with a sign, and indent with spaces"
        raise PipelineError([Problem(where, f"is not YAML: {error.problem}", advice)]) from error
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


@dataclass(eq=False)
class _Node:
    """A scalar, or a list or mapping of nodes; of a mapping, keys and values by turns."""

    kind: Literal["scalar", "list", "mapping"]
    place: str
    tag: str = ""
    text: str = ""
    nodes: list[_Node] = field(default_factory=list)
    open: bool = False


def _compose(text: str, file: str) -> _Node | None:
    """Return the tree of a text, None where it is empty.

    The library's own composer calls itself for each level, and dies of what is nested without end.
    """
    top = _Node("list", file)
    levels, anchors = [top], dict[str, _Node]()
    for event in yaml.parse(text, Loader=_PARSER):
        if isinstance(event, yaml.CollectionEndEvent):
            levels.pop().open = False
        elif isinstance(event, yaml.NodeEvent):
            mark: Any = event.start_mark
            node = _node(event, anchors, f"{file}:{mark.line + 1}:{mark.column + 1}")
            levels[-1].nodes.append(node)
            if isinstance(event, yaml.CollectionStartEvent):
                levels.append(node)
            if len(levels) > MOST_LEVELS:
                raise PipelineError([Problem(node.place, f"is nested in more than {MOST_LEVELS} levels")])
    if len(top.nodes) > 1:
        raise PipelineError([Problem(top.nodes[1].place, "is a second document", "write one")])
    return top.nodes[0] if top.nodes else None


def _node(event: Any, anchors: dict[str, _Node], place: str) -> _Node:
    """Return the node that an event begins, or the one that it is an alias of."""
    if isinstance(event, yaml.AliasEvent):
        known = anchors.get(str(event.anchor))
        if known is None or known.open:
            what = "stands for nothing" if known is None else "contains itself"
            raise PipelineError([Problem(place, f"*{event.anchor} {what}")])
        return known
    if isinstance(event, yaml.ScalarEvent):
        node = _Node("scalar", place, _tag_of(event), event.value)
    else:
        node = _Node("mapping" if isinstance(event, yaml.MappingStartEvent) else "list", place, open=True)
    if event.anchor:
        anchors[event.anchor] = node
    return node


def _tag_of(event: yaml.ScalarEvent) -> str:
    plain, quoted = event.implicit
    if plain:
        return _TAG + next(name for name, (pattern, _) in _SCALARS.items() if pattern.fullmatch(event.value))
    return _TAG + "str" if quoted else str(event.tag)


def _scalar(tag: str, text: str) -> Any:
    """Read a scalar; raise ValueError where it is no plain data."""
    name = tag.removeprefix(_TAG)
    if name not in _SCALARS:
        raise ValueError(f"the tag {tag!r} means nothing here")
    if not is_text(text):
        raise ValueError("half of a character")
    return _SCALARS[name][1](text)


@dataclass
class _Reader:
    file: str
    values: dict[Path, str] = field(default_factory=dict)
    keys: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    left: int = MOST_NODES

    def read(self, node: _Node, path: Path) -> Any:
        self.left -= 1
        if self.left < 0:
            raise PipelineError([Problem(self.file, f"unfolds to more than {MOST_NODES} values", "use fewer aliases")])
        if len(path) > MOST_LEVELS:
            raise PipelineError([Problem(node.place, f"unfolds to more than {MOST_LEVELS} levels")])
        self.values[path] = node.place
        if node.kind == "mapping":
            return self._mapping(node, path)
        if node.kind == "list":
            return [self.read(child, (*path, index)) for index, child in enumerate(node.nodes)]
        return self._scalar(node, path)

    def _mapping(self, node: _Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in zip(node.nodes[::2], node.nodes[1::2], strict=True):
            if key_node.kind != "scalar":
                self.problems.append(Problem(key_node.place, "is a key that is no word"))
                continue
            key = key_node.text
            here = (*path, key)
            if key in result:
                where = f"{key_node.place}: {spell(here)}"
                self.problems.append(Problem(where, "is written twice", f"the first is at {self.keys[here]}"))
                continue
            self.keys[here] = key_node.place
            result[key] = self.read(value_node, here)
        return result

    def _scalar(self, node: _Node, path: Path) -> Any:
        try:
            return _scalar(node.tag, node.text)
        except ValueError as error:
            self.problems.append(Problem(f"{node.place}: {spell(path)}", f"is not plain data: {error}"))
            return None


def _set(data: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(head, int):
        return [_set(entry, rest, value) if index == head else entry for index, entry in enumerate(data)]
    inside = data if isinstance(data, dict) else {}
    return {**inside, head: _set(inside.get(head), rest, value)}
