"""Every error that a user can cause says where it is, what is wrong, and what would be right."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assetforge.flags import Flag

if TYPE_CHECKING:
    from torch import Tensor

OK, FAILED, QUARANTINED, INTERRUPTED = 0, 1, 4, 130
"""Exit codes; errors have their own."""
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of text, so that it is not read as it stands."""


def printable(text: str, keep: str = "\n\t") -> str:
    """Spell out what cannot be shown or written: control characters, and bytes of names that are not UTF-8."""
    return text if text.isascii() and text.isprintable() else "".join(_spelled(c, keep) for c in text)


def printable_name(name: str) -> str:
    """Spell a name in one line."""
    return printable(name, keep="")


def _spelled(character: str, keep: str) -> str:
    category = unicodedata.category(character)
    if category == "Cs":  # Python's stand-in for a byte that is not UTF-8
        return f"\\x{ord(character) & 0xFF:02x}" if "\udc80" <= character <= "\udcff" else f"\\u{ord(character):04x}"
    if (category in ("Cc", "Zl", "Zp") and character not in keep) or character in _DIRECTIONS:
        return character.encode("unicode_escape").decode("ascii")
    return character


def is_text(text: str) -> bool:
    """Tell whether a text can be written as UTF-8: names of files, and what plugins say, need not be."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: `where: what; instead`. All of it can be shown and written."""

    where: str
    what: str
    instead: str = ""
    flags: tuple[Flag, ...] = field(default=(), compare=False)
    """What the step that failed had flagged."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", printable_name(self.where))
        object.__setattr__(self, "what", printable(self.what))
        object.__setattr__(self, "instead", printable(self.instead))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.instead}" if self.instead else text

    def shown_by(self, picture: str) -> Problem:
        """Return this problem, telling of a file that shows it."""
        return replace(self, instead="; ".join(filter(None, [self.instead, f"see {picture}"])))


class AssetForgeError(Exception):
    """Base of all errors that are shown to a user as text and not as a traceback."""

    exit_code: int = 1
    retry: bool = False
    """Whether the same job may well succeed when it is tried again at once."""
    quarantine: bool = False
    """Whether the job is at fault and not its surroundings, so that it is left alone until something changes."""
    stale: bool = False
    """Whether the job was planned with something that is not so any more."""

    def __init__(self, where: str, what: str, instead: str = "") -> None:
        self.problem = Problem(where, what, instead)
        super().__init__(str(self.problem))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong: often one thing."""
        return (self.problem,)


class SourceError(AssetForgeError):
    """A source file does not hold what its map needs. It never will, unless it is changed."""

    quarantine = True


class AccessError(SourceError):
    """A source file cannot be reached just now."""

    quarantine = False


class ChangedError(AccessError):
    """A file was changed since it was planned with."""

    stale = True


class OutputError(AssetForgeError):
    """An output file cannot be written."""


class StepError(AssetForgeError):
    """A step failed on an asset, or returned something that is not a valid material.

    where: the map that is to blame, which the error that is reported replaces by the file, if it comes from one.
    picture: what shows better than words what is wrong: sRGB (3, H, W), or gray (1, H, W), 0 to 1. It is kept as a PNG
    beside the asset's log until the asset is built or fails anew, and the error that is reported names the file.
    retry: whether it may go well the next time; a check that fails will fail again.
    """

    retry = True
    quarantine = True

    def __init__(
        self, where: str, what: str, instead: str = "", *, picture: Tensor | None = None, retry: bool = True
    ) -> None:
        super().__init__(where, what, instead)
        self.picture = picture
        self.retry = retry


class StoreError(AssetForgeError):
    """The state or the store cannot be used."""

    exit_code = 3


class PluginError(AssetForgeError):
    """A plugin cannot be loaded, or breaks the contract."""

    exit_code = 3


class DeviceError(AssetForgeError):
    """The requested device is not there."""

    exit_code = 3


class UsageError(AssetForgeError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class PipelineError(AssetForgeError):
    """A pipeline file has one or more mistakes; all of them are in `problems`."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], *, broken_plugin: bool = False) -> None:
        self._problems = tuple(problems)
        self.problem = self._problems[0]
        if broken_plugin:
            self.exit_code = PluginError.exit_code
        Exception.__init__(self, "\n".join(map(str, self._problems)))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All mistakes, in the order of the file."""
        return self._problems


@contextmanager
def blamed_on(where: str, what: str) -> Iterator[None]:
    """Turn whatever a plugin's code raises inside this block into a PluginError: even `sys.exit()` must end no command.

    where: the plugin or step. what: which part of it, such as "its function `weights`".
    """
    try:
        yield
    except AssetForgeError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(where, f"{what} failed: {described(error)}") from error


def described(error: BaseException) -> str:
    """Spell an exception with the file and line that raised it."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f" ({Path(trace.tb_frame.f_code.co_filename).name} line {trace.tb_lineno})"
        trace = trace.tb_next
    text = str(error)
    return f"{type(error).__name__}{f': {text}' if text else ''}{place}"


def count_of(number: int, noun: str) -> str:
    """Spell a number of things: `1 asset`, `2 assets`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def did_you_mean(word: str, known: Iterable[str], aliases: Mapping[str, str] | None = None, otherwise: str = "") -> str:
    """Suggest the known word that another word stands for or is nearest to; else say `otherwise`, or list them all."""
    import difflib  # few commands have anything to suggest

    words = sorted(known)
    meant = (aliases or {}).get(word.lower())
    near = [meant] if meant in words else difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return otherwise or (f"known: {', '.join(words)}" if words else "none are known")
