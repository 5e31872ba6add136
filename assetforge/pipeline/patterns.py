"""Wildcard patterns that find the files of a map, and templates that name outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

NAME = "name"
_TOKEN = re.compile(r"\{([^{}]*)\}|(\*\*/)|(\*)|(\?)")


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern of files; `fields` are its placeholders."""

    text: str
    regex: re.Pattern[str]
    fields: tuple[str, ...]
    optional: bool

    @property
    def depth(self) -> int | None:
        """How many folders deep it looks, or None for any number."""
        return None if "**/" in self.text else self.text.count("/")

    @property
    def prefix(self) -> str:
        """The folder that all of its files lie in."""
        fixed = _TOKEN.split(self.text, maxsplit=1)[0]
        return fixed.rpartition("/")[0]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the placeholders, if the path (with `/`) matches."""
        found = self.regex.fullmatch(path)
        return found.groupdict() if found else None

    def spell(self, values: Mapping[str, str]) -> str:
        """Return the pattern with its placeholders filled in."""
        return re.sub(r"\{(\w+)\}", lambda found: values.get(found.group(1), found.group()), self.text)


def compile_pattern(text: str) -> Pattern:
    """Compile a pattern; raise ValueError that says what is wrong with it."""
    optional, body = text.endswith("?"), text.removesuffix("?")
    if body.startswith("/") or ".." in body.split("/"):
        raise ValueError("leaves the folder of sources; set `sources` to the folder that holds the files")
    fields: list[str] = []
    regex, rest = "", 0
    for token in _TOKEN.finditer(body):
        regex += re.escape(body[rest : token.start()]) + _token_regex(token, fields)
        rest = token.end()
    literal = body[rest:]
    if re.search(r"[{}]", _TOKEN.sub("", body)):
        raise ValueError("has a brace without its partner; write placeholders as {name}")
    if NAME not in fields:
        raise ValueError("has no {name}, which names the asset; write '{name}_d.png', for instance")
    return Pattern(body, re.compile(regex + re.escape(literal)), tuple(fields), optional)


def _token_regex(token: re.Match[str], fields: list[str]) -> str:
    name, folders, star, _ = token.groups()
    if folders:
        return r"(?:[^/]+/)*"
    if star:
        return r"[^/]*"
    if name is None:
        raise ValueError("has a '?' inside; it may only end the pattern, where it makes the map optional")
    if not name.isidentifier():
        raise ValueError(f"has the placeholder {{{name}}}; write a word, such as {{name}}")
    if name in fields:
        return f"(?P={name})"
    fields.append(name)
    return f"(?P<{name}>[^/]+)"


def scan(root: Path, pattern: Pattern, skip: frozenset[Path]) -> Iterator[str]:
    """Yield the files below `root` that the pattern may match, relative, with `/`, in order; no hidden ones."""
    start = root / pattern.prefix
    if start.is_dir():
        yield from _scan(start, pattern.prefix, pattern.depth, skip, frozenset())


def _scan(folder: Path, prefix: str, depth: int | None, skip: frozenset[Path], above: frozenset[Path]) -> Iterator[str]:
    real = folder.resolve()
    if real in skip or real in above:  # our own outputs, or a link that leads back up
        return
    level = prefix.count("/") + 1 if prefix else 0
    for entry in sorted(folder.iterdir()):
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if depth is None or level < depth:
                yield from _scan(entry, path, depth, skip, above | {real})
        elif depth is None or level == depth:
            yield path


def template_fields(text: str) -> list[str]:
    """Return the placeholders of a template; raise ValueError where it has anything but plain ones."""
    fields = []
    for _, name, spec, conversion in Formatter().parse(text):
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise ValueError(
                f"has the placeholder {{{name}{'!' if conversion else ''}}}; write a word, such as {{name}}"
            )
        fields.append(name)
    return fields
