"""assetforge store."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable

import click

from assetforge.cli.options import Opened, build_options
from assetforge.cli.output import say
from assetforge.errors import UsageError
from assetforge.params import parse_memory
from assetforge.store.results import Entry, Store

DAMAGED = 1
_SECONDS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}


@click.group("store")
def command() -> None:
    """Look after the results that are kept: how many, which to drop, whether all are whole."""


@command.command("info")
@build_options
def info(opened: Opened) -> None:
    """Tell how many results are kept, of what kind, and how large they are."""
    with opened.build() as build:
        store = build.store
    by_kind: dict[str, list[int]] = defaultdict(list)
    for entry in store.entries():
        by_kind[entry.path.suffix].append(entry.size)
    say(f"results are kept in {store.folder}")
    for kind, sizes in sorted(by_kind.items()):
        say(f"{kind:12} {len(sizes):6} results  {spell_size(sum(sizes))}")
    total = sum(map(sum, by_kind.values()))
    say(f"{'all':12} {sum(map(len, by_kind.values())):6} results  {spell_size(total)}")


@command.command("prune")
@build_options
@click.option("--unused-for", default="30d", show_default=True, metavar="TIME", help="Such as 12h, 30d or 8w.")
@click.option("--to-size", metavar="SIZE", help="Drop the least recently used until the rest fits, such as '50 GiB'.")
@click.option("--dry-run", is_flag=True, help="Tell what would be dropped, and drop nothing.")
def prune(opened: Opened, unused_for: str, to_size: str | None, dry_run: bool) -> None:
    """Drop results that have not been used for long. They are computed again if they are ever needed."""
    with opened.build() as build:
        store = build.store
    unneeded = _unneeded(store.entries(), _seconds(unused_for), _size(to_size))
    leftovers = list(store.leftovers())
    dropped = [entry for when, entry in unneeded if entry.used == when]  # not what a run has just asked for
    if not dry_run:
        for entry in dropped:
            entry.remove()
        for path in leftovers:
            path.unlink(missing_ok=True)
    verb = "would drop" if dry_run else "dropped"
    size = sum(entry.size for entry in dropped)
    say(f"{verb} {len(dropped)} results ({spell_size(size)}) and {len(leftovers)} leftovers")


@command.command("verify")
@build_options
def verify(opened: Opened) -> int:
    """Read all results, and drop those that are damaged: they are computed again. Exit code 1 if there were any."""
    with opened.build() as build:
        store = build.store
    return _verify(store)


def _verify(store: Store) -> int:
    damaged = count = 0
    for entry in store.entries():
        count += 1
        if not entry.is_whole() and entry.used is not None:  # else it was dropped meanwhile
            damaged += 1
            say(f"damaged  {entry.path}", color="red", err=True)
            entry.remove()
    say(f"{count} results read, {damaged} were damaged and are dropped")
    return DAMAGED if damaged else 0


def _unneeded(entries: Iterable[Entry], seconds: float, size: int | None) -> list[tuple[float, Entry]]:
    """Choose the entries that are old, then the oldest of the others until the rest fits; each with its last use."""
    used = sorted(((when, entry) for entry in entries if (when := entry.used) is not None), key=lambda pair: pair[0])
    limit = time.time() - seconds
    dropped = [(when, entry) for when, entry in used if when < limit]
    left = sum(entry.size for when, entry in used if when >= limit)
    for when, entry in used:
        if size is not None and when >= limit and left > size:
            dropped.append((when, entry))
            left -= entry.size
    return dropped


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([hdw])", text)
    if not found:
        raise UsageError("--unused-for", f"{text!r} is no time", "write 12h, 30d or 8w")
    return int(found.group(1)) * _SECONDS[found.group(2)]


def _size(text: str | None) -> int | None:
    try:
        return None if text is None else parse_memory(text)
    except ValueError as error:
        raise UsageError("--to-size", f"{text!r} is no size", "write '50 GiB', for instance") from error


def spell_size(size: float) -> str:
    """Spell a number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
