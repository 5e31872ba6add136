"""Validation finds planted mistakes, and no error in good materials."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from validation.planted import MISTAKES, Maps, good, write

from assetforge.flags import Flag
from assetforge.plan.candidates import of_folder
from assetforge.plan.validation import validate


def flags_of(maps: Maps) -> tuple[Flag, ...]:
    with TemporaryDirectory() as folder:
        write(Path(folder) / "material", maps)
        [found] = validate(of_folder(Path(folder)))
    return found.flags


@lru_cache
def sound(data: Path, name: str) -> tuple[Maps, tuple[Flag, ...]]:
    maps = good(data, name)
    return maps, flags_of(maps)


@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistake_is_found(name: str, data: Path) -> None:
    mistake = MISTAKES[name]
    maps, flags = sound(data, mistake.material)
    before = {(one.check, one.map) for one in flags}
    after = {(one.check, one.map): one.severity for one in flags_of(mistake.plant(maps))}
    assert (mistake.check, mistake.map) not in before
    assert after.get((mistake.check, mistake.map)) == mistake.severity


@pytest.mark.parametrize("name", sorted({one.material for one in MISTAKES.values()}))
def test_good_material_has_no_error(name: str, data: Path) -> None:
    assert not [one for one in sound(data, name)[1] if one.severity == "error"]


@pytest.mark.slow
def test_no_shared_material_has_an_error(tmp_path: Path, data: Path) -> None:
    for folder in sorted((data / "materials").iterdir()):
        write(tmp_path / folder.name, good(data, folder.name, None))
    found = validate(of_folder(tmp_path))
    assert len(found) == 23
    assert [one for each in found for one in each.flags if one.severity == "error"] == []
