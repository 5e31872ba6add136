"""Tell by the names of files which maps of which materials they are. Reads no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from operator import itemgetter
from typing import Literal, NamedTuple

from assetforge.codecs.reading import Channel, Green, Reading
from assetforge.pipeline import conventions
from assetforge.pipeline.conventions import DIFFUSE, NORMAL, SPECULAR, UNUSED, Target, parse_target
from assetforge.pipeline.patterns import FOLDER, NAME

_MOST_WORDS = 4
_SHORT = 2
"""Letters of words that stand only where a separator is before them: `BrickD` is no base color of `Brick`."""
_TOKEN = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[^\W_A-Z]+|[^\W_]+")
_SIZE = re.compile(r"\d+k|\d+x\d+|lod\d+")
_PICTURE = re.compile(r"\.(png|jpe?g|tiff?|tga|bmp|webp|exr|hdr|psd|dds|ktx2|heic|heif|dng)", re.IGNORECASE)
_ENDING = re.compile(r"\.[^.]*$")
_SEPARATORS = "_-. "


class Part(NamedTuple):
    """A map that a file may give, and which of several such files is taken: that of the least rank."""

    target: Target
    channel: Channel | None
    rank: int


@dataclass(frozen=True)
class Recognized:
    """What the name of a file says."""

    folder: str
    """The folder that the material lies in, from the pattern's own; `.` is that itself."""
    name: str
    """Of the material; empty where neither the file nor a folder names it."""
    word: str
    """The word that tells the map, as the tables have it; empty where there is none."""
    parts: tuple[Part, ...] = ()
    prefix: str = ""
    """The first word that only says which program the file is for, as the tables have it."""

    @property
    def maps(self) -> tuple[str, ...]:
        """The names of the maps that the file holds; none where there is no word, or one for what we have no map of."""
        return tuple(part.target.map for part in self.parts)

    @property
    def fields(self) -> dict[str, str]:
        """The values of the placeholders."""
        return {FOLDER: self.folder, NAME: self.name}


GreenSource = Literal["word", "convention", "pipeline", "nothing"]


@dataclass(frozen=True)
class GreenFinding:
    """Where the green of a normal map points, as far as names and the pipeline say."""

    green: Green | None
    source: GreenSource
    why: str
    """As a sentence goes on after "green points up: "."""


@dataclass(frozen=True)
class Sorted:
    """The files of one material, sorted by their maps."""

    sources: Mapping[str, str]
    readings: Mapping[str, Reading]
    green: GreenFinding | None
    """Of its normal map, if it has one."""
    rivals: tuple[tuple[str, str, str], ...] = ()
    """Maps that two files give alike: the map, the file that is taken, and the other."""
    passed_over: tuple[str, ...] = ()
    """Files that give nothing which others do not give better."""


@dataclass(frozen=True)
class Conventions:
    """The words that are understood, and what a pipeline says of green."""

    words: Mapping[str, Target] = field(default_factory=dict)
    packed: Mapping[str, Mapping[Channel, Target]] = field(default_factory=dict)
    green: Green | None = None
    """Of normal maps whose names do not say it."""
    green_of: tuple[tuple[str, Green], ...] = ()
    """Wildcards of materials, with where their green points, whatever names say; the first one counts."""

    @property
    def maps(self) -> list[str]:
        """The maps that the words give, in the order of the tables."""
        targets = [*self.words.values(), *(one for parts in self.packed.values() for one in parts.values())]
        maps = dict.fromkeys(one.map for one in targets if one.map != UNUSED)
        return list(maps | {DIFFUSE: None} if SPECULAR in maps else maps)

    def recognize(self, path: str, root: str) -> Recognized | None:
        """Tell what a file is by its name; None where it is no picture. `root`: the folder that names start from."""
        folder, _, file = path.rpartition("/")
        if not _PICTURE.fullmatch(_suffix(file)):
            return None
        stem = _ENDING.sub("", file)
        tokens = _tokens(stem)
        named = _without_size(tokens)
        count, word = self._word_at_end(named)
        rest = _without_size(named[: len(named) - count])
        prefix = _prefix(rest)
        end = tokens[len(rest)].start if len(rest) < len(tokens) else len(stem)
        name, where = stem[rest[1].start if prefix else 0 : end].strip(_SEPARATORS), folder
        if not rest and word:
            where, _, name = folder.rpartition("/")
        return Recognized(_below(where, root), name, word, self._parts(word), prefix)

    def _word_at_end(self, tokens: Sequence[_Token]) -> tuple[int, str]:
        """Return how many tokens make the word that a name ends with, and the word: the longest that is known."""
        for count in range(min(_MOST_WORDS, len(tokens)), 0, -1):
            word = "".join(one.text for one in tokens[-count:]).lower()
            if (tokens[-count].apart or len(word) > _SHORT) and (word in self.words or word in self.packed):
                return count, word
        return 0, ""

    def _parts(self, word: str) -> tuple[Part, ...]:
        if word in self.packed:
            channels = self.packed[word].items()
            found = (Part(target, letter, 4 + target.invert) for letter, target in channels)
            return tuple(part for part in found if part.target.map != UNUSED)
        target = self.words.get(word)
        if target is None or target.map == UNUSED:
            return ()
        return (Part(target, None, _rank(target)),)

    def sort(self, asset: str, files: Iterable[tuple[str, Recognized]]) -> Sorted:
        """Choose the file of each map of a material, and how it is read."""
        files = sorted(files, key=itemgetter(0))
        offers = sorted(((path, part, one) for path, one in files for part in one.parts), key=lambda it: it[1].rank)
        chosen: dict[str, tuple[str, Part, Recognized]] = {}
        rivals = []
        for path, part, one in offers:
            taken_by, taken_part, _ = chosen.setdefault(part.target.map, (path, part, one))
            if taken_by != path and taken_part.rank == part.rank:
                rivals.append((part.target.map, taken_by, path))
        _tell_workflow(chosen)
        green = self._green(asset, *chosen[NORMAL][1:], [one for _, one in files]) if NORMAL in chosen else None
        readings = {name: _reading(part, green if name == NORMAL else None) for name, (_, part, _) in chosen.items()}
        taken = {path for path, _, _ in chosen.values()}
        passed_over = tuple(dict.fromkeys(path for path, _ in files if path not in taken))
        return Sorted({name: path for name, (path, *_) in chosen.items()}, readings, green, tuple(rivals), passed_over)

    def _green(self, asset: str, part: Part, one: Recognized, others: Sequence[Recognized]) -> GreenFinding:
        for wildcard, green in self.green_of:
            if fnmatchcase(asset, wildcard):
                return GreenFinding(green, "pipeline", f"inputs.auto.green says so of {wildcard!r}")
        if part.target.green is not None:
            return GreenFinding(part.target.green, "word", f"the name says so ({one.word})")
        by_program = dict(_by_program(one, others))
        if len(by_program) == 1:
            ((green, why),) = by_program.items()
            return GreenFinding(green, "convention", why)
        if self.green is not None:
            return GreenFinding(self.green, "pipeline", "inputs.auto.green says so")
        if by_program:
            return GreenFinding(None, "nothing", f"names contradict each other: {'; '.join(by_program.values())}")
        return GreenFinding(None, "nothing", "the name does not say it")


def _tell_workflow(chosen: dict[str, tuple[str, Part, Recognized]]) -> None:
    """Take color beside a specular albedo for a diffuse one; beside metalness, leave out the specular albedo.

    Libraries sell the reflectance along with the maps of the metalness workflow, in which it is said already.
    """
    if SPECULAR in chosen and "metalness" in chosen:
        del chosen[SPECULAR]
    elif SPECULAR in chosen and "base_color" in chosen:
        chosen[DIFFUSE] = chosen.pop("base_color")


def _by_program(normal: Recognized, others: Iterable[Recognized]) -> Iterator[tuple[Green, str]]:
    """Yield where green points in all normal maps of the programs that use words of these names."""
    if normal.prefix:
        green, program = conventions.GREEN_BY_PREFIX[normal.prefix]
        yield green, f"names that begin with {normal.prefix.upper()}_ are {program}'s"
    for word in dict.fromkeys(one.word for one in others):
        if word in conventions.GREEN_BY_WORD:
            green, program = conventions.GREEN_BY_WORD[word]
            yield green, f"{word} is {program}'s"


def _prefix(rest: Sequence[_Token]) -> str:
    """Return the first word of a name if it only says which program the file is for."""
    first = rest[0].text.lower() if len(rest) > 1 else ""
    return first if first in conventions.GREEN_BY_PREFIX and rest[1].apart else ""


def _rank(target: Target) -> int:
    """Put what needs no conversion first, and a normal map whose name says where green points before one without."""
    if target.map == NORMAL:
        return {"up": 0, "down": 1}.get(target.green or "", 2)
    return 3 if target.invert else 0


def _reading(part: Part, green: GreenFinding | None) -> Reading:
    return Reading(green=(green and green.green) or "up", channel=part.channel, invert=part.target.invert)


class _Token(NamedTuple):
    text: str
    start: int
    apart: bool
    """Whether a separator is before it, or nothing."""


def _tokens(stem: str) -> list[_Token]:
    found = list(_TOKEN.finditer(stem))
    ends = [0, *(match.end() for match in found)]
    return [
        _Token(match.group(), match.start(), match.start() > end or not index)
        for index, (match, end) in enumerate(zip(found, ends, strict=False))
    ]


def _without_size(tokens: list[_Token]) -> list[_Token]:
    """Leave out what names end with that says how large the file is, or of which format."""
    while len(tokens) > 1:
        for count in (1, 2):  # 4K is one token or two, by what stands around it
            text = "".join(one.text for one in tokens[-count:]).lower()
            if len(tokens) > count and (text in conventions.NOT_WORDS or _SIZE.fullmatch(text)):
                tokens = tokens[:-count]
                break
        else:
            break
    return tokens


def _suffix(file: str) -> str:
    found = _ENDING.search(file)
    return found.group() if found else ""


def _below(folder: str, root: str) -> str:
    """Spell a folder from another one around it; what is not below it is that itself."""
    inside = folder.startswith(f"{root}/") if root else True
    rest = folder[len(root) :].strip("/") if inside else ""
    return rest or "."


def recognize(path: str) -> Recognized | None:
    """Tell by its name, with `/` between folders, which maps of which material a file holds; None for no picture.

    The words are those that libraries and engines use. The file need not exist.
    """
    return known_conventions().recognize(path, "")


@lru_cache(maxsize=1)
def known_conventions() -> Conventions:
    """Return the conventions that are known without any pipeline."""
    return extended({}, {})


def extended(words: Mapping[str, Sequence[str]], packed: Mapping[str, Mapping[Channel, str]]) -> Conventions:
    """Return the known conventions with a pipeline's own words, which win."""
    meanings = {word: parse_target(text) for text, names in conventions.WORDS.items() for word in names.split()}
    packs = {word: _targets(parts) for word, parts in conventions.PACKED.items()}
    own = {joined(word): parse_target(text) for text, names in words.items() for word in names}
    own_packs = {joined(word): _targets(parts) for word, parts in packed.items()}
    packs = {word: parts for word, parts in packs.items() if word not in own}
    meanings = {word: target for word, target in meanings.items() if word not in own_packs}
    return Conventions({**meanings, **own}, {**packs, **own_packs})


def _targets(parts: Mapping[Channel, str]) -> dict[Channel, Target]:
    return {letter: parse_target(text) for letter, text in parts.items()}


def joined(word: str) -> str:
    """Spell a word as it is looked up: lower case, without separators."""
    return "".join(one.text for one in _tokens(word)).lower()
