"""Tells what kind of picture a file is, and how large, by its beginning: nothing is decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from assetforge.codecs.starts import STARTS
from assetforge.serve.problems import ServeError
from assetforge.store.description import UPLOADED

_HEADER = 2**20
_SHORTEST = 8
Size = tuple[int, int]


class Head(NamedTuple):
    """What the beginning of a file says."""

    kind: str
    size: Size
    """Width and height."""


def read_head(path: Path) -> Head:
    """Return what a file is; raise ServeError where it is no picture that is taken."""
    with path.open("rb") as file:
        start = file.read(_SHORTEST)
        kinds = [kind for kind in UPLOADED if any(start.startswith(mark) for mark in STARTS[kind])]  # type: ignore[index]
        if len(start) < _SHORTEST or not kinds:
            raise ServeError(415, path.name, "is no picture", f"send {', '.join(UPLOADED)}")
        kind = kinds[0]
        try:
            width, height = _exr_size(start + file.read(_HEADER)) if kind == "OpenEXR" else _pillow_size(path, kind)
        except Exception as error:  # whatever Pillow raises of a stranger's bytes
            raise ServeError(415, path.name, f"is a damaged {kind}", "save it again") from error
    if width < 1 or height < 1:
        raise ServeError(415, path.name, "has no pixels", "save it again")
    return Head(kind, (width, height))


def _pillow_size(path: Path, kind: str) -> Size:
    from PIL import Image

    try:
        with Image.open(path, formats=[kind.upper()]) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        width = height = 2**31
    return width, height


def _exr_size(header: bytes) -> Size:
    """Return the size of the data window, by the layout of OpenEXR files: magic, version, attributes."""
    at = 8
    while header[at] != 0:
        name, _, _ = header[at : at + 256].partition(b"\0")
        at += len(name) + 1
        kind, _, _ = header[at : at + 256].partition(b"\0")
        at += len(kind) + 1
        (length,) = struct.unpack_from("<I", header, at)
        if name == b"dataWindow":
            left, top, right, bottom = struct.unpack_from("<4i", header, at + 4)
            return right - left + 1, bottom - top + 1
        at += 4 + length
        if at >= len(header):
            break
    raise ValueError("no data window")
