"""The public API: plugins need nothing else, every name is there, and type checkers see all of it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import assetforge as af
from assetforge.api import PUBLIC
from assetforge.cli.api_reference import api_reference
from assetforge.testing import check_imports

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(path for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())


@pytest.mark.parametrize("plugin", SHIPPED, ids=lambda path: path.name)
def test_shipped_plugins_use_the_public_api_alone(plugin: Path) -> None:
    check_imports(plugin)


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_there(module: str) -> None:
    there = vars(import_module(module))
    assert [name for name in PUBLIC[module] if name not in there] == []


def test_the_names_of_the_contract_are_there() -> None:
    assert [name for name in af.__all__ if not hasattr(af, name)] == []
    assert not hasattr(af, "Nonsense")


def test_every_public_name_says_what_it_is() -> None:
    assert [line for line in api_reference().splitlines() if line.endswith("|  |")] == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("import assetforge as af\naf.Material", None),
        ("import assetforge as af\naf.Nonsense", "2: assetforge.Nonsense"),
        ("import assetforge\nassetforge.Nonsense.more", "2: assetforge.Nonsense"),
        ("from assetforge import plan", "1: assetforge.plan"),
        ("from assetforge import *", "1: assetforge.*"),
        ("from assetforge.ops.color import luma", None),
        ("from assetforge.ops.color import _private", "1: assetforge.ops.color._private"),
        ("from assetforge.ops import exact\nexact.mix", None),
        ("from assetforge.ops import exact as e\ne.nonsense", "2: assetforge.ops.exact.nonsense"),
        ("import assetforge.ops.color\nassetforge.ops.color.luma", None),
        ("import assetforge.ops.color\nassetforge.ops.color.nonsense", "2: assetforge.ops.color.nonsense"),
        ("import assetforge.ops.color as c\nc.nonsense", "2: assetforge.ops.color.nonsense"),
        ("def later():\n    from assetforge.store import state", "2: assetforge.store.state"),
        ("from importlib import import_module\nimport_module('assetforge.store')", "2: assetforge.store"),
        ("from assetforge.ops import exact\ndef f(exact):\n    exact.nonsense", None),
        ("from assetforge.ops import exact\ndef f(x):\n    exact.nonsense", "3: assetforge.ops.exact.nonsense"),
        ("from . import assetforge", None),
        ("import assetforge_upscale", None),
    ],
)
def test_what_is_not_public_is_named_with_its_line(code: str, wrong: str | None, tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text(code)
    if wrong is None:
        check_imports(file)
        return
    with pytest.raises(AssertionError) as caught:
        check_imports(file)
    assert str(caught.value).splitlines()[1:] == [f"{file}:{wrong}"]


def mypy(file: Path) -> str:
    """Type-check as the project itself is, with what its own check has kept, and return what is wrong."""
    command = [sys.executable, "-m", "mypy", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def test_a_misspelt_name_is_an_error_of_types(tmp_path: Path) -> None:
    file = tmp_path / "misspelt.py"
    file.write_text(
        "import assetforge as af\n\nx: af.Material\ny: af.Wrap = 'repeat'\nz = af.Nonsense\nw: int = af.fov\n"
    )
    found = mypy(file)
    assert 'misspelt.py:5: error: Module has no attribute "Nonsense"' in found
    assert "misspelt.py:6: error: Incompatible types in assignment" in found
    assert "Found 2 errors" in found


def test_members_of_public_classes_are_listed_with_what_they_do() -> None:
    listed = api_reference().splitlines()
    for row in (
        "| `Material.only(*names: str) -> Material` | Return a material with the given maps alone. |",
        "| `Context.weights: Mapping[str, Path]` | Files of the weights that the step declared, verified. |",
        "| `MapSpec.color_space: ColorSpace` | The color space that the map has inside AssetForge. |",
    ):
        assert row in listed
    assert not [line for line in listed if "._" in line.partition("` |")[0]]
