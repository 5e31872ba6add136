"""The contract of a codec that a plugin brings, and those that are in use. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assetforge.codecs.formats import DEPTHS, WORDS, Depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUFFIX = re.compile(r"\.[a-z][a-z0-9]*")


@dataclass(frozen=True)
class Codec:
    """A file format that a plugin reads, writes, or both.

    Pixels are numpy arrays (H, W, C), row 0 on top, of uint8, uint16, float16 or float32; alpha is the last of two or
    four channels, and straight. Integers hold sRGB-encoded color, floats linear light; vectors of integers are 0 to 1
    for −1 to 1. The host turns them into textures and back.
    """

    name: str
    """What messages call it: `PFM`."""
    suffix: str
    """The ending of its files' names: `.pfm`. Without the dot it is the word that pipelines write."""
    starts: tuple[bytes, ...]
    """What such files begin with, two bytes or more each; by that they are told, and not by their names."""
    read: Callable[[bytes], NDArray[Any]] | None = None
    """Turns a whole file into pixels; ValueError says what is wrong with it, as `is damaged`. Call
    `assetforge.codecs.raster.check_size` before room is made for what a file declares."""
    write: Callable[[NDArray[Any]], bytes] | None = None
    """Turns pixels of one of the depths into a file: the same pixels always into the same bytes."""
    depths: tuple[Depth, ...] = ("8",)
    """The numbers that files hold, least first: `8`, `16`, `half`, `float`."""
    channels: tuple[int, ...] = (1, 3)
    """How many channels files may have, alpha counted: 4 is RGB and alpha."""
    lossless: bool = True
    """Whether pixels come back as they were written."""

    def __post_init__(self) -> None:
        if not _SUFFIX.fullmatch(self.suffix):
            raise ValueError(f"codec {self.name!r}: suffix {self.suffix!r} is no ending; write '.pfm', for instance")
        if self.word in WORDS:
            raise ValueError(f"codec {self.name!r}: AssetForge has a format {self.word!r} of its own; choose another")
        if self.read is None and self.write is None:
            raise ValueError(f"codec {self.name!r}: it neither reads nor writes; give it one of both")
        if self.read is not None and not all(len(start) > 1 for start in self.starts or (b"",)):
            raise ValueError(f"codec {self.name!r}: starts {self.starts!r} tell no file; give two bytes or more")
        if not self.depths or list(self.depths) != sorted(set(self.depths), key=DEPTHS.index):
            raise ValueError(f"codec {self.name!r}: depths {self.depths!r} are not of {', '.join(DEPTHS)}, in order")
        if not self.channels or not set(self.channels) <= {1, 2, 3, 4}:
            raise ValueError(f"codec {self.name!r}: channels {self.channels!r} are not of 1 to 4")

    @property
    def word(self) -> str:
        """The word that pipelines write for its format."""
        return self.suffix.removeprefix(".")


_IN_USE: ContextVar[tuple[Codec, ...]] = ContextVar("_IN_USE", default=())


@contextmanager
def using(codecs: Iterable[Codec]) -> Iterator[None]:
    """Read files by these codecs, too."""
    token = _IN_USE.set(tuple(codecs))
    try:
        yield
    finally:
        _IN_USE.reset(token)


def codec_of(content: bytes) -> Codec | None:
    """Return the codec in use that reads a file, by how it begins."""
    return next((one for one in _IN_USE.get() if one.read is not None and content.startswith(one.starts)), None)
