"""The code of a plugin is what it imports of the project, now or later; its digest changes when any of that does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

import pytest

from assetforge.plugins.code import code_digest, with_imported
from assetforge.plugins.local import is_local, open_folder, without_package


def write(folder: Path, sources: Mapping[str, str]) -> Path:
    for name, source in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return folder


def found(project: Path, *files: str) -> list[str]:
    plugins = project / "plugins"
    names = with_imported([plugins / file for file in files], project, plugins)
    return [file.relative_to(project).as_posix() for file in names]


@pytest.mark.parametrize(
    "statement",
    [
        "import helper",
        "from helper import gain",
        "from . import helper",
        "from .helper import gain as g",
        "def later():\n    import helper",
        "import os, helper as h",
        "if False:\n    from helper import gain",
        "from importlib import import_module\nimport_module('helper')",
        "__import__('helper')",
        "import importlib\nimportlib.import_module('.helper', __package__)",
    ],
)
def test_every_way_to_import_a_module_is_seen(statement: str, tmp_path: Path) -> None:
    write(tmp_path / "plugins", {"one.py": statement, "helper.py": "gain = 1", "other.py": "gain = 2"})
    assert found(tmp_path, "one.py") == ["plugins/helper.py", "plugins/one.py"]


def test_what_is_imported_by_what_is_imported_is_seen_once_in_a_circle_too(tmp_path: Path) -> None:
    write(tmp_path / "plugins", {"one.py": "import two", "two.py": "import three", "three.py": "import one"})
    everything = ["plugins/one.py", "plugins/three.py", "plugins/two.py"]
    assert found(tmp_path, "one.py") == found(tmp_path, "two.py", "one.py") == everything


def test_packages_around_a_module_are_run_and_so_are_part_of_it(tmp_path: Path) -> None:
    write(
        tmp_path / "plugins",
        {
            "one.py": "from pack.inner import deep",
            "pack/__init__.py": "",
            "pack/inner/__init__.py": "from .. import beside",
            "pack/inner/deep.py": "from ...far import x",
            "pack/beside.py": "",
            "far.py": "x = 1",
        },
    )
    names = ["far.py", "one.py", "pack/__init__.py", "pack/beside.py", "pack/inner/__init__.py", "pack/inner/deep.py"]
    assert found(tmp_path, "one.py") == [f"plugins/{name}" for name in names]


def test_modules_elsewhere_in_the_project_are_seen_and_installed_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        {
            "plugins/one.py": "import tool\nimport installed\nimport outside\nimport json",
            "lib/tool.py": "",
            ".venv/lib/site-packages/installed.py": "",
        },
    )
    write(tmp_path.with_name(f"{tmp_path.name}-outside"), {"outside.py": ""})
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    for folder in (tmp_path / "lib", tmp_path / ".venv" / "lib" / "site-packages", outside):
        monkeypatch.syspath_prepend(str(folder))
    assert found(tmp_path, "one.py") == ["lib/tool.py", "plugins/one.py"]


def test_a_file_that_cannot_be_read_as_code_is_a_part_that_imports_nothing(tmp_path: Path) -> None:
    write(tmp_path / "plugins", {"one.py": "import helper", "helper.py": "def (", "null.py": "import helper\0"})
    assert found(tmp_path, "one.py") == ["plugins/helper.py", "plugins/one.py"]
    assert found(tmp_path, "null.py") == ["plugins/null.py"]


SOURCES = {"one.py": "a = 1", "two.py": "b = 2", "deep/three.py": "c = 3"}


@pytest.mark.parametrize(
    "edit",
    [
        {"one.py": "a = 2"},
        {"one.py": "a = 1b = 2", "two.py": ""},  # the same bytes, divided otherwise
        {"one.py": "b = 2", "two.py": "a = 1"},
    ],
)
def test_the_digest_tells_any_edit(edit: Mapping[str, str], tmp_path: Path) -> None:
    before, after = (write(tmp_path / name, SOURCES | more) for name, more in (("a", {}), ("b", edit)))
    files = [[folder / name for name in SOURCES] for folder in (before, after)]
    assert code_digest(files[0], before) != code_digest(files[1], after)


def test_the_digest_does_not_tell_where_the_project_lies(tmp_path: Path) -> None:
    folders = [write(tmp_path / name, SOURCES) for name in ("here", "elsewhere/deep")]
    digests = {code_digest([folder / name for name in SOURCES], folder) for folder in folders}
    assert len(digests) == 1


def test_the_digest_tells_the_name_of_a_file(tmp_path: Path) -> None:
    folder = write(tmp_path, {"one.py": "", "two.py": ""})
    assert code_digest([folder / "one.py"], folder) != code_digest([folder / "two.py"], folder)


def test_files_are_the_same_in_whatever_order_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "plugins", {"one.py": "import three", "two.py": "", "three.py": ""})
    assert len({tuple(found(tmp_path, *order)) for order in permutations(["one.py", "two.py"])}) == 1


def test_modules_of_two_folders_do_not_meet_though_their_names_are_the_same(tmp_path: Path) -> None:
    packages = []
    for name in ("a", "b"):
        folder = write(
            tmp_path / name, {"shared_helper.py": f"where = {name!r}", "one.py": "from . import shared_helper"}
        )
        packages.append(open_folder(folder))
        __import__(f"{packages[-1]}.one")
        assert __import__("shared_helper").where == name
    first, second = packages
    assert sys.modules[f"{first}.one"].shared_helper.where == "a"
    assert sys.modules[f"{second}.one"].shared_helper.where == "b"
    assert is_local(sys.modules["shared_helper"], second)
    assert not is_local(sys.modules["shared_helper"], first)
    assert not is_local(sys)
    assert is_local(sys.modules[f"{first}.one"])
    assert without_package(f"No module named '{first}.three' in {second}") == "No module named 'three' in plugins"


def test_opened_anew_a_folder_has_its_modules_as_they_are_now(tmp_path: Path) -> None:
    write(tmp_path, {"fresh_one.py": "value = 1"})
    package = open_folder(tmp_path)
    assert __import__("fresh_one").value == 1
    write(tmp_path, {"fresh_one.py": "value = 2"})
    assert open_folder(tmp_path) == package
    assert __import__("fresh_one").value == 2
