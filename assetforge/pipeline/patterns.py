"""Wildcard patterns that find the files of a map, and templates that name outputs."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Formatter

from assetforge.errors import SourceError

NAME = "name"
FOLDER = "folder"
"""Of materials that are told by the names of their files: the folder that they lie in."""
TEMPORARY = ("~", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", ".bak")
"""Endings of files that programs write on the way to the real one, or keep beside it."""
_LEAVES = "leaves the folder of sources; set `sources` to the folder that holds the files"
_TOKEN = re.compile(r"\{([^{}]*)\}|(\*\*/)|(\*)|(\?)")


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern of files; `fields` are its placeholders."""

    text: str
    regex: re.Pattern[str]
    fields: tuple[str, ...]
    optional: bool
    ignore_case: bool = False

    @property
    def depth(self) -> int | None:
        """How many folders deep it looks, or None for any number."""
        return None if "**/" in self.text else self.text.count("/")

    @property
    def folder(self) -> str:
        """The folder that all of its files lie in, as it spells it."""
        return _TOKEN.split(self.text, maxsplit=1)[0].rpartition("/")[0]

    @property
    def prefix(self) -> str:
        """The folder that all of its files lie in."""
        if self.ignore_case:  # it may be spelled in any way
            return ""
        return self.folder

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the placeholders, if the path (with `/`) matches."""
        found = self.regex.fullmatch(path)
        return found.groupdict() if found else None

    @cached_property
    def _but_for_case(self) -> re.Pattern[str]:
        return re.compile(self.regex.pattern, re.IGNORECASE)

    def differs_in_case(self, path: str) -> bool:
        """Tell whether a path that does not match would, if case did not count."""
        return self.match(path) is None and self._but_for_case.fullmatch(path) is not None

    def spell(self, values: Mapping[str, str]) -> str:
        """Return the pattern with its placeholders filled in."""
        return re.sub(r"\{(\w+)\}", lambda found: values.get(found.group(1), found.group()), self.text)


_FIELD = re.compile(r"\w[\w .-]{0,79}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever follows the first dot."""


def is_file_word(value: str) -> bool:
    """Tell whether a text from anywhere may be a part of a file's name on every system."""
    return (
        _FIELD.fullmatch(value) is not None
        and value[-1] not in " ."
        and unicodedata.is_normalized("NFC", value)
        and _DEVICES.fullmatch(value) is None
        and not is_passed_over(value)
    )


def asset_of(fields: Mapping[str, str]) -> str:
    """Name the asset that placeholders tell: all of them in one, {name} at the end."""
    return "/".join([*[value for field, value in sorted(fields.items()) if field != NAME], fields[NAME]])


def spell_file(pattern: Pattern, fields: Mapping[str, str], suffix: str) -> str:
    """Return the shortest path that a pattern matches with these values; `suffix` where the pattern leaves it open."""
    text = pattern.spell(fields).replace("**/", "")
    stem = text.removesuffix(".*").replace("*", "")
    return stem if "." in stem.rpartition("/")[2] and not text.endswith(".*") else f"{stem}{suffix}"


def compile_auto(text: str, *, ignore_case: bool = False) -> Pattern:
    """Compile a pattern of files whose own names say what they are; raise ValueError that says what is wrong with it.

    A `**` at its end is all files below a folder.
    """
    body = f"{text}/*" if text.split("/")[-1] == "**" else text
    if body.startswith("/") or ".." in body.split("/"):
        raise ValueError(_LEAVES)
    if re.search(r"[{}?]", body):
        raise ValueError("has a placeholder or a '?'; write only * and **, as names say what files are")
    regex, rest = "", 0
    for token in _TOKEN.finditer(body):
        regex += re.escape(body[rest : token.start()]) + _token_regex(token, [])
        rest = token.end()
    regex = f"(?P<{NAME}>{regex}{re.escape(body[rest:])})"
    return Pattern(body, re.compile(regex, re.IGNORECASE if ignore_case else 0), (FOLDER, NAME), True, ignore_case)


def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    """Compile a pattern; raise ValueError that says what is wrong with it."""
    optional, body = text.endswith("?"), text.removesuffix("?")
    if body.startswith("/") or ".." in body.split("/"):
        raise ValueError(_LEAVES)
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
    compiled = re.compile(regex + re.escape(literal), re.IGNORECASE if ignore_case else 0)
    return Pattern(body, compiled, tuple(fields), optional, ignore_case)


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


def is_passed_over(name: str) -> bool:
    """Tell whether a file or folder of this name is never a source: it is hidden or temporary."""
    return name[0] in ".~" or name.endswith(TEMPORARY)


class Tree:
    """The files below a folder, each folder listed at most once; nothing hidden or temporary, no folder in `skip`."""

    def __init__(self, root: Path, skip: Iterable[Path] = ()) -> None:
        self.root = root
        self._skip = frozenset(os.path.realpath(path) for path in skip)
        self._listed: dict[str, tuple[list[str], list[str]]] = {}

    def matching(self, pattern: Pattern) -> Iterator[str]:
        """Yield the files that the pattern may match, relative, with `/`, in order."""
        if os.path.isdir(self._at(pattern.prefix)):  # noqa: PTH112  strings: there may be very many
            yield from self._files(pattern.prefix, pattern.depth, frozenset())

    @property
    def listed(self) -> Mapping[str, tuple[list[str], list[str]]]:
        """The names of the files and of the folders in each listed folder, which is relative, with `/`."""
        return self._listed

    def names(self, ending: str) -> set[str]:
        """Return the listed files whose names end so."""
        return {
            _join(folder, name)
            for folder, (files, _) in self._listed.items()
            for name in files
            if name.endswith(ending)
        }

    def _files(self, folder: str, depth: int | None, above: frozenset[str]) -> Iterator[str]:
        real = os.path.realpath(self._at(folder))
        if real in self._skip or real in above:  # our own outputs, or a link that leads back up
            return
        files, folders = self._list(folder)
        level = folder.count("/") + 1 if folder else 0
        if depth is None or level == depth:
            yield from (_join(folder, name) for name in files)
        if depth is None or level < depth:
            for name in folders:
                yield from self._files(_join(folder, name), depth, above | {real})

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        if folder not in self._listed:
            try:
                with os.scandir(self._at(folder)) as entries:
                    found = [(entry.name, _is_folder(entry)) for entry in entries if not is_passed_over(entry.name)]
            except OSError as error:
                raise SourceError(
                    self._at(folder), f"cannot be listed ({error.strerror})", "check its permissions"
                ) from error
            found.sort()
            files, folders = ([name for name, is_folder in found if is_folder == wanted] for wanted in (False, True))
            self._listed[folder] = files, folders
        return self._listed[folder]

    def _at(self, folder: str) -> str:
        return os.path.join(self.root, folder)  # noqa: PTH118


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in circles: whoever reads it will be told
        return False


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
