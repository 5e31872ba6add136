"""Scores of many pictures, as means in a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assetforge.errors import printable_name
from assetforge.evaluations import Figure, Score

GREATEST = "greatest"


@dataclass(frozen=True)
class Measured:
    """A score, and the material that it was measured on."""

    material: str
    score: Score


@dataclass(frozen=True)
class Summary:
    """What one method reaches on all maps of one name."""

    map: str
    method: str
    count: int
    means: Mapping[str, float]
    greatest: Mapping[str, tuple[float, str]]
    """Of figures with a geometric mean: the greatest value, and the material that has it, unless all have the same."""


def summaries(measured: Iterable[Measured], figures: Sequence[Figure]) -> list[Summary]:
    """Return the means of all materials, by map and method, in the order in which they first come."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.score.map, one.score.method), []).append(one)
    return [_summary(*key, group, figures) for key, group in groups.items()]


def _summary(name: str, method: str, group: Sequence[Measured], figures: Sequence[Figure]) -> Summary:
    means, greatest = {}, {}
    for figure in figures:
        values = [(one.score.figures[figure.name], one.material) for one in group if figure.name in one.score.figures]
        if values:
            means[figure.name] = _mean([value for value, _ in values], figure)
            if figure.mean == "geometric":
                value, material = max(values)
                greatest[figure.name] = (value, material if value > min(values)[0] or len(values) == 1 else "")
    return Summary(name, method, len(group), means, greatest)


def _mean(values: Sequence[float], figure: Figure) -> float:
    if figure.mean == "arithmetic":
        return sum(values) / len(values)
    return 0.0 if min(values) <= 0 else math.exp(sum(map(math.log, values)) / len(values))


def tables(found: Sequence[Summary], figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the lines of one table for each map: a line for each method, a column for each figure that any has."""
    for name in dict.fromkeys(one.map for one in found):
        group = [one for one in found if one.map == name]
        columns = [figure for figure in figures if any(figure.name in one.means for one in group)]
        head = [name, "count", *(cell for figure in columns for cell in _head(figure))]
        yield from aligned([head, *([one.method, str(one.count), *_cells(one, columns)] for one in group)])
        yield ""


def _head(figure: Figure) -> list[str]:
    return [figure.name, GREATEST] if figure.mean == "geometric" else [figure.name]


def _cells(one: Summary, columns: Iterable[Figure]) -> Iterator[str]:
    for figure in columns:
        yield spelled(one.means.get(figure.name), figure)
        if figure.mean == "geometric":
            value, material = one.greatest.get(figure.name, (None, ""))
            yield f"{spelled(value, figure)} {printable_name(material)}".rstrip()


def spelled(value: float | None, figure: Figure) -> str:
    """Spell a value with the digits of its figure; nothing where there is none."""
    return "" if value is None else f"{value:.{figure.digits}f}"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines whose columns stand below each other: the first and the last to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join([*cells[:-1], others[-1]]).rstrip()
