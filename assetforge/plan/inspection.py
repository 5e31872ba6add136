"""Look at a folder as `inputs: {auto: ...}` would, and measure what names do not say. Reads pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from assetforge.codecs.allowance import MAX_BYTES
from assetforge.codecs.raster import Pixels, Raster
from assetforge.codecs.read import naming_source, read
from assetforge.codecs.reading import Channel, Green, Reading
from assetforge.codecs.regular import read_regular
from assetforge.errors import SourceError
from assetforge.ops.green import GreenMeasure, measure_green
from assetforge.pipeline.conventions import NORMAL, UNUSED
from assetforge.pipeline.patterns import Tree, compile_auto
from assetforge.pipeline.recognize import Conventions, GreenFinding, Recognized, Sorted, known_conventions
from assetforge.plan.assets import asset_name

HEIGHT = "height"
MOST_SIDE = 2048
"""Of the middle part of a normal map that is measured."""
How = Literal["name", "convention", "measured", "unknown"]


@dataclass(frozen=True)
class File:
    """One file, and what it was taken for."""

    path: str
    word: str
    """The word of its name that says so; empty where there is none."""
    gives: str
    """The maps that are read from it, as people write it: `roughness = 1 - a`."""
    size: str
    bits: str
    problem: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True)
class NormalConvention:
    """Where the green of a normal map points, and how that is known."""

    green: Green | None
    how: How
    why: str
    doubt: str = ""
    """What speaks against it, or why it is not known."""


@dataclass(frozen=True)
class Found:
    """One material."""

    name: str
    maps: tuple[str, ...]
    files: tuple[File, ...]
    normal: NormalConvention | None
    problems: tuple[str, ...]
    """What keeps it from being built, or is ambiguous."""


@dataclass(frozen=True)
class Inspection:
    """What is in a folder."""

    materials: tuple[Found, ...]
    unknown: Mapping[str, str]
    """Pictures that are no part of any material, with why."""

    @property
    def is_clear(self) -> bool:
        """Whether nothing is ambiguous and all files can be read."""
        return not any(one.problems for one in self.materials)

    @property
    def greens(self) -> dict[str, Green]:
        """The materials whose names do not say where green points though it is known, with that."""
        normals = [(one.name, one.normal) for one in self.materials if one.normal is not None]
        return {name: one.green for name, one in normals if one.green is not None and one.how == "measured"}


def inspect(folder: Path, conventions: Conventions | None = None) -> Inspection:
    """Look at all pictures below a folder."""
    conventions = conventions or known_conventions()
    groups, unknown = grouped(folder, conventions)
    materials = [_found(folder, name, files, conventions) for name, files in groups.items()]
    return Inspection(tuple(materials), unknown)


Groups = dict[str, list[tuple[str, Recognized]]]


def grouped(folder: Path, conventions: Conventions) -> tuple[Groups, dict[str, str]]:
    """Group the pictures below a folder into materials by their names; return the others, too, with why."""
    groups: Groups = {}
    unknown: dict[str, str] = {}
    for path in Tree(folder).matching(compile_auto("**")):
        one = conventions.recognize(path, "")
        if one is None:
            continue
        if one.parts and one.name:
            groups.setdefault(asset_name(one.fields), []).append((path, one))
        else:
            unknown[path] = _why_unknown(one, conventions)
    return dict(sorted(groups.items())), unknown


def _why_unknown(one: Recognized, conventions: Conventions) -> str:
    if not one.word:
        return "its name ends with no word of a map"
    if not one.name:
        return f"is a {one.word} of nothing; give it a name, or a folder that has one"
    return f"is a {one.word}, for which there is no map" if _is_unused(one, conventions) else "gives no map"


def _is_unused(one: Recognized, conventions: Conventions) -> bool:
    target = conventions.words.get(one.word)
    return target is not None and target.map == UNUSED


def _found(folder: Path, name: str, files: list[tuple[str, Recognized]], conventions: Conventions) -> Found:
    chosen = conventions.sort(name, files)
    rasters = {path: _raster(folder / path) for path, _ in files}
    shown = tuple(_file(path, one, chosen, rasters[path]) for path, one in sorted(files))
    normal = None if chosen.green is None else _normal(chosen, chosen.green, rasters)
    problems = [f"{path}: {problem}" for path, problem in rasters.items() if isinstance(problem, str)]
    problems += [f"{other}: {one} is already {first}; remove one" for one, first, other in chosen.rivals]
    if normal is not None and normal.doubt:
        problems.append(f"{chosen.sources[NORMAL]}: {normal.doubt}")
    return Found(name, tuple(chosen.sources), shown, normal, tuple(problems))


def _raster(path: Path) -> Raster | str:
    """Read a picture, or return what is wrong with it."""
    try:
        with naming_source(""):
            return read(read_regular(path, MAX_BYTES), path.suffix)
    except SourceError as error:
        return str(error.problem)


def _file(path: str, one: Recognized, chosen: Sorted, raster: Raster | str) -> File:
    taken = [name for name, source in chosen.sources.items() if source == path]
    gives = ", ".join(_spelled(name, chosen.readings[name]) for name in taken) or "nothing that others do not"
    if isinstance(raster, str):
        return File(path, one.word, gives, "", "", raster)
    height, width, _ = raster.pixels.shape
    bits = f"{8 * raster.pixels.itemsize}{' float' if raster.is_float else ''}"
    return File(path, one.word, gives, f"{width}x{height}", bits)


def _spelled(name: str, reading: Reading) -> str:
    if reading.channel is None and not reading.invert:
        return name
    return f"{name} = {'1 - ' if reading.invert else ''}{reading.channel or 'x'}"


def _normal(chosen: Sorted, told: GreenFinding, rasters: Mapping[str, Raster | str]) -> NormalConvention:
    """Compare what names say with what is measured."""
    measured = _measure(chosen, rasters)
    if told.green is None:
        if measured.green is None:
            instead = "look at it, and write `green: up` or `down`"
            doubt = f"green may point up (OpenGL) or down (DirectX): {told.why}, and {measured.why}; {instead}"
            return NormalConvention(None, "unknown", told.why, doubt)
        return NormalConvention(measured.green, "measured", measured.why)
    how: How = "name" if told.source == "word" else "convention"
    certain = NormalConvention(told.green, how, told.why)
    if measured.green in (None, told.green):
        return replace(certain, why=f"{told.why}; {measured.why}")
    doubt = f"green points {told.green} by its name ({told.why}), and {measured.green} by its pixels ({measured.why})"
    return replace(certain, doubt=f"{doubt}; write which is right")


def _measure(chosen: Sorted, rasters: Mapping[str, Raster | str]) -> GreenMeasure:
    normal = rasters[chosen.sources[NORMAL]]
    if isinstance(normal, str) or normal.color.shape[2] != 3:
        return GreenMeasure(None, None, None, "it cannot be measured")
    height = rasters.get(chosen.sources.get(HEIGHT, ""), "")
    vectors = _middle(normal.color) if normal.is_float else _middle(normal.color) * 2 - 1
    if isinstance(height, str):
        return measure_green(vectors)
    letter = chosen.readings[HEIGHT].channel or "r"
    return measure_green(vectors, _middle(_channel(height, letter))[:, :, 0])


def _channel(raster: Raster, letter: Channel) -> Pixels:
    if letter == "a" and raster.alpha is not None:
        return raster.alpha
    return raster.color[:, :, min("rgb".find(letter), raster.color.shape[2] - 1)][:, :, None]


def _middle(pixels: Pixels) -> Pixels:
    """Return the middle of a picture as numbers from 0 to 1."""
    slices = []
    for side in pixels.shape[:2]:
        start = max(0, side - MOST_SIDE) // 2
        slices.append(slice(start, start + MOST_SIDE))
    top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    numbers: Pixels = pixels[tuple(slices)].astype(np.float32) / top
    return numbers


def unmeasured(inspection: Inspection) -> Iterator[str]:
    """Yield the materials of which it is not known, or in doubt, where green points."""
    yield from (one.name for one in inspection.materials if one.normal is not None and one.normal.doubt)
