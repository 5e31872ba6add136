"""Names are made of words that an engineer knows: those of the glossary, and the standard vocabulary of the field."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGES = ("assetforge/execute", "assetforge/watch", "plugins/assetforge_multiply")

STANDARD = {
    "small words": """
        after alike anew as at begun below built by choose cut first in is kept need no of once only other out
        rest same since to too under up way whole without works
    """,
    "Python and its libraries": """
        add apply auto batch begin bytes caller check clear close context count cpu deps do done early empty end
        entry error expect factory failure find force generator handle hook init inline io keep kind load loop main
        garbage match max min missing mode move name next notify number option outcome pack params path pending
        plugin process progress random read ready receive record recover reference register release remove repair
        replace replaced reply request resolve restore result retry save seed send set setting setup start stat stop
        submit take target template time unpack variable wait x y
    """,
    "operating system": """
        available cancel capacity core daemon damage dead deadline device discard dispatch environment fill flight
        folder grace group idle inbox journal kill likely limit listen memory message needed network observe
        pause pointer poll queue recorder scan scratch second serve shutdown signal spawn stack system thread wake warm
    """,
    "build systems": """
        active broken busy catalog change complete current due elsewhere emit everything excess fail
        forget full ignore incomplete interval large last leave left lfs lose lost make new newest overdue
        pipeline planned problem project quiet rebuild reclaim refuse replan schedule split track trouble unsettled
        upgrade want
    """,
    "image processing": """
        atlas average axes blend brightness candidate canvas cell channel clock coarse coherence compose compute
        constraint coordinate copy coverage crop curl decode derive describe dimension distance divisor edge
        effort encode energy falloff feature flatten forbidden gather gray green growth height jitter largest
        level loss margin mask measure method mix neural occurrence optimize patch penalty period picture piece
        pixel place png point polish pyramid quality refine regular repetition reroll resize scale search shape
        shuffle side size smallest snap square strictness stride structure synthesis synthesize tolerance top
        torus turn unblendable unchanged variation variety wave weight width window
    """,
}
"""Words that need no explanation, by where an engineer knows them from. A new one belongs here, or in the glossary."""

NOT_IN_NAMES = """
    books clearing crew desk disband door eyes guidance healed hire hiring house keep_up ledger literally
    manner mend mended notebook office presence renewed shelf undisturbed wish wishes withdraw workplace woken
"""
"""Words that nobody could decode: what they stood for has the field's word now."""

NOT_IN_TEXT = (
    r"\bhouses?\b", r"\bdoors?\b", r"\bledgers?\b", r"\bcrews?\b", r"\bdesk\b", r"\bworkplace\b", r"\bhiring\b",
    r"\bthe (rooms|floors)\b", r"\btaken to hang\b", r"\bevents (are|only) hints?\b", r"\btells? of each other\b",
    r"whoever starts",
)  # fmt: skip
"""The same in comments, messages and docs."""


def words(name: str) -> list[str]:
    """Split a name of Python into its words: `ProcessWorkerFactory`, `max_workers`."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def bases(word: str) -> Iterator[str]:
    """Yield a word and what it may be a form of: `batches`, `copies`, `snapped`, `settling`, `scheduler`."""
    yield word
    for ending in ("s", "es", "d", "ed", "ing", "er", "or", "est", "able", "ly", "ion", "ation"):
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            yield from (stem, f"{stem}e")
            if stem[-2:-1] == stem[-1:]:
                yield stem[:-1]
            if stem.endswith("i"):
                yield f"{stem[:-1]}y"


def unknown(names: Iterator[str] | list[str], known: set[str]) -> list[str]:
    """Return the names with a word that is not known, each with its words."""
    return [f"{name} ({word})" for name in names for word in words(name) if known.isdisjoint(bases(word))]


def known() -> set[str]:
    page = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Glossary\n")[2]
    terms = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    named = re.findall(r"`(\w+)`", page)
    listed = " ".join(STANDARD.values()).split()
    return {word for text in (*terms, *named) for part in text.split() for word in words(part)} | set(listed)


def public_names(package: Path) -> Iterator[str]:
    """Yield the names of a package's modules, and what they define: functions, classes, their members, constants."""
    for file in sorted(package.rglob("*.py")):
        if file.stem != "__init__":
            yield file.stem
        yield from defined(ast.parse(file.read_text()).body)


def defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        public = [name for name in names if not name.startswith("_")]
        yield from public
        if isinstance(node, ast.ClassDef) and public:
            yield from defined(node.body)


def tracked(*suffixes: str) -> list[Path]:
    """Return the files of code and docs that git knows."""
    found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    inside = ("assetforge/", "plugins/", "docs/", "pipelines/", "README.md", "CONTRIBUTING.md")
    return [ROOT / name for name in found.split("\0") if name.startswith(inside) and name.endswith(suffixes)]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_made_of_known_words(package: str) -> None:
    names = list(public_names(ROOT / package))
    assert len(names) > 100
    assert unknown(names, known()) == []


def test_a_name_of_unknown_words_is_found() -> None:
    names = ["Crew", "undisturbed", "Wishes", "WorkerPool", "copies", "snapped", "settling"]
    assert unknown(names, known()) == ["Crew (crew)", "undisturbed (undisturbed)", "Wishes (wishes)"]


def test_every_word_of_the_standard_vocabulary_is_used() -> None:
    used = {base for package in PACKAGES for name in public_names(ROOT / package) for word in words(name)
            for base in bases(word)}  # fmt: skip
    assert [word for text in STANDARD.values() for word in text.split() if word not in used] == []


def test_no_name_holds_a_word_that_must_be_decoded() -> None:
    found, decoded = [], set(NOT_IN_NAMES.split())
    for file in tracked(".py"):
        for node in ast.walk(ast.parse(file.read_text())):
            for attribute in ("name", "id", "attr", "arg"):
                name = getattr(node, attribute, None)
                if isinstance(name, str) and not decoded.isdisjoint({name, *words(name)}):
                    found.append(f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {name}")
    assert found == []


@pytest.mark.parametrize("pattern", NOT_IN_TEXT)
def test_no_text_holds_what_must_be_decoded(pattern: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in tracked(".py", ".md", ".yaml")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(pattern, line, re.IGNORECASE)
    ]
    assert found == []
