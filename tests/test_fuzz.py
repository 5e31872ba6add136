"""Changed files are read or refused, and nothing else; the fuzzer itself tells what it finds."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from fuzz import Seed, corpus, fuzz, input_of


def _misbehave(path: Path, _: random.Random) -> None:
    match path.read_bytes()[:1]:
        case b"d":
            os._exit(7)
        case b"h":
            time.sleep(600)
        case b"r":
            raise RuntimeError("not expected")


def _traps() -> list[Seed]:
    return [Seed("trap", mark * 600, _misbehave) for mark in (b"d", b"h", b"r", b"x")]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of memory are of POSIX")
def test_the_fuzzer_finds_what_dies_hangs_and_raises() -> None:
    numbers = range(8)
    seeds = _traps()
    kinds = {number: input_of(number, seeds)[1][:1] for number in numbers}
    found = dict(fuzz(numbers, _traps))
    says = {b"d": "ended by 7", b"h": "hung", b"r": "not expected"}
    assert found.keys() == {number for number, kind in kinds.items() if kind in says}
    assert all(says[kinds[number]] in text for number, text in found.items())


@pytest.mark.slow
def test_changed_files_are_read_or_refused() -> None:
    assert len(corpus()) > 200
    assert list(fuzz(range(20_000))) == []
