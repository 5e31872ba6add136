"""What benchmarks measure: told at once, judged by its bars, and kept as rows of a page of Markdown.

A test that asks for the fixture `figures` fails when it has ended where one of its bars is missed, so that all that it
measures is told before. `pytest tests/benchmarks --figures FILE` writes the page.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

BUSY = 0.8
"""The part of a core below which seconds on the clock say nothing of a bar."""
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
"""What stands between these marks on a page is written anew."""


@dataclass(frozen=True)
class Row:
    """One line of a table: texts by their columns, and what became of its bars."""

    cells: Mapping[str, str]
    bars: int = 0
    missed: tuple[str, ...] = ()
    """For each bar that was missed, by how much."""
    doubt: str = ""
    """Why a bar that was missed does not count."""

    @property
    def verdict(self) -> str:
        """Say in short what became of the bars."""
        if self.missed:
            return f"not judged: {self.doubt}" if self.doubt else f"**{'; '.join(self.missed)}**"
        return "met" if self.bars else ""

    @property
    def name(self) -> str:
        """Return what was measured: the first cell."""
        return next(iter(self.cells.values()))


class Figures:
    """What one test measures."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def measured(
        self, what: str, value: float, unit: str = "s", *, most: float = math.inf, on_clock: bool = False
    ) -> None:
        """Record a value, and the bar that it must not pass.

        on_clock: it was taken on the clock, so that a bar which is missed counts only where a core was to be had.
        """
        missed = shortfall(value, most)
        cells = {"what": what, "ours": with_unit(value, unit), "beside it": "", "ratio": "", "bar": bar(most, unit)}
        doubt = f"{share:.0%} of a core to be had" if missed and on_clock and (share := core_share()) < BUSY else ""
        self.add(cells, [missed] if most < math.inf else [], doubt)

    def compared(
        self,
        what: str,
        ours: float | Sequence[float],
        rival: str,
        theirs: float | Sequence[float],
        unit: str = "s",
        *,
        most: float = math.inf,
    ) -> None:
        """Record ours beside a rival's of the same run, and the bar of their ratio; of rounds, the median counts."""
        rounds = list(zip(*(one if isinstance(one, Sequence) else [one] for one in (ours, theirs)), strict=True))
        ratio = statistics.median(one / other for one, other in rounds)
        mine, other = (with_unit(statistics.median(each), unit) for each in zip(*rounds, strict=True))
        shown = f"{ratio:.2f}" + (f" ({', '.join(f'{a / b:.2f}' for a, b in rounds)})" if len(rounds) > 1 else "")
        cells = {"what": what, "ours": mine, "beside it": f"{rival}: {other}", "ratio": shown, "bar": bar(most)}
        self.add(cells, [shortfall(ratio, most)] if most < math.inf else [])

    def add(self, cells: Mapping[str, str], shortfalls: Sequence[str] = (), doubt: str = "") -> None:
        """Record a row of one's own columns. shortfalls: for each bar, by how much it is missed, or nothing."""
        row = Row(cells, len(shortfalls), tuple(filter(None, shortfalls)), doubt)
        self.rows.append(row)
        told = ", ".join(f"{column} {text}" for column, text in list(cells.items())[1:] if text)
        sys.stdout.write(f"\n{row.name}: {told}{row.verdict and '; '}{row.verdict}")
        sys.stdout.flush()

    @property
    def missed(self) -> list[str]:
        """Name the bars that are missed, with by how much."""
        return [f"{row.name}: {', '.join(row.missed)}" for row in self.rows if row.missed and not row.doubt]

    @property
    def doubtful(self) -> list[str]:
        """Name the bars that could not be judged, with why."""
        return [f"{row.name}: {row.verdict}" for row in self.rows if row.missed and row.doubt]


def shortfall(value: float, most: float, what: str = "") -> str:
    """Say by how much a value misses its bar; nothing where it does not."""
    return "" if value <= most else f"{what} missed by {math.ceil(100 * (value / most - 1))} %".strip()


def bar(most: float, unit: str = "") -> str:
    """Say what the bar is, if there is one."""
    return f"≤ {most:.3g} {unit}".strip() if most < math.inf else ""


def with_unit(value: float, unit: str) -> str:
    """Return a value as one reads it: three digits, and all that stand before the point."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{min(digits, 4)}f} {unit}".strip()


def core_share() -> float:
    """Return which part of a core this process is given now."""
    began, computed = time.monotonic(), time.process_time()
    while time.process_time() - computed < 0.5:
        pass
    return (time.process_time() - computed) / (time.monotonic() - began)


@dataclass
class Section:
    """What the tests of one file measured."""

    title: str
    about: str
    tests: list[Figures] = field(default_factory=list)
    not_measured: list[str] = field(default_factory=list)
    """Tests that did not come to an end, with why."""

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order in which they were measured."""
        return [row for one in self.tests for row in one.rows]


@dataclass
class Page:
    """What a whole run measured, on one machine."""

    load: float = field(default_factory=lambda: os.getloadavg()[0])
    """Of the machine when the run began."""
    sections: dict[str, Section] = field(default_factory=dict)

    def section(self, module: ModuleType) -> Section:
        """Return the section of a file of benchmarks."""
        name = module.__name__.rpartition(".")[2]
        title = name.removeprefix("bench_").replace("_", " ").capitalize()
        return self.sections.setdefault(name, Section(title, (module.__doc__ or "").strip()))

    def text(self) -> str:
        """Return the page's part that is measured, in Markdown."""
        return "\n".join([*self._summary(), *(line for one in self.sections.values() for line in _section(one))])

    def written_into(self, text: str) -> str:
        """Return a page with what stands between its marks written anew."""
        return f"{text.partition(BEGIN)[0]}{BEGIN}\n{self.text()}\n{END}{text.partition(END)[2]}"

    def _summary(self) -> Iterator[str]:
        yield from _table([{"machine": name, "": told} for name, told in machine(self.load).items()])
        rows = [row for one in self.sections.values() for row in one.rows if not row.doubt]
        missed = [line for one in self.sections.values() for test in one.tests for line in test.missed]
        bars, count = sum(row.bars for row in rows), sum(len(row.missed) for row in rows)
        yield f"{count} of {bars} bars are missed:\n" if missed else f"All {bars} bars are met.\n"
        yield from (f"- {line}" for line in missed)
        yield from [""] if missed else []
        lost = sum(len(one.not_measured) for one in self.sections.values())
        yield from [f"{lost} benchmarks have no result; each section says why.\n"] if lost else []


def _section(one: Section) -> Iterator[str]:
    yield f"## {one.title}\n"
    yield f"{one.about}\n"
    for columns in dict.fromkeys(tuple(row.cells) for row in one.rows):
        judged = [row for row in one.rows if tuple(row.cells) == columns]
        yield from _table([{**row.cells, "verdict": row.verdict} for row in judged])
    if one.not_measured:
        yield "Not measured:\n"
        yield from (f"- {line}" for line in one.not_measured)
        yield ""


def _table(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    columns = [name for name in rows[0] if name in ("", "machine") or any(row[name] for row in rows)]
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    yield from (f"| {' | '.join(row[name].replace('|', chr(92) + '|') for name in columns)} |" for row in rows)
    yield ""


def machine(load: float) -> dict[str, str]:
    """Describe this machine by what others can compare theirs with, and by no name of its own."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "CPU": f"{_processor()}, {cores} cores",
        "memory": f"{memory:.0f} GiB",
        "GPU": _gpu(),
        "system": _system(),
        "Python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "doit")},
        "load when it began": f"{load:.1f}, where {cores} is all that it can do",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _gpu() -> str:
    """Name the GPU that torch sees. What does not load torch does not use one."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else "none"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, {platform.system()} {'.'.join(platform.release().split('.')[:2])}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
